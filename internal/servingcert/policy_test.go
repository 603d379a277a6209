package servingcert_test

import (
	"crypto/x509"
	"encoding/pem"
	"maps"
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/servingcert"
)

var (
	epoch  = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	policy = servingcert.Policy{
		Names: []string{"webhook.iotfile-system.svc", "127.0.0.1"}, Lifetime: 10 * time.Hour, AuthorityLifetime: 40 * time.Hour, Overlap: time.Hour,
	}
)

// TestNothingServedIsEverDistrusted goes through many rotations. At each moment, clients believe
// some version of the trusted certificates, and servers serve some version of the certificate, that
// was current at some time within the overlap: every pair of them must fit.
func TestNothingServedIsEverDistrusted(t *testing.T) {
	type version struct {
		at   time.Time
		data map[string][]byte
	}
	var versions []version
	data := map[string][]byte{}
	leaves, authorities := map[string]bool{}, map[string]bool{}
	for now := epoch; now.Before(epoch.Add(300 * time.Hour)); {
		renewed, next, err := policy.Renew(data, now)
		if err != nil {
			t.Fatal(err)
		}
		if renewed != nil {
			data = renewed
			if len(versions) > 0 { // what was current until now may still be believed or served for a while
				versions = append(versions, version{now, versions[len(versions)-1].data})
			}
			versions = append(versions, version{now, data})
			leaves[string(data["tls.crt"])], authorities[string(data["ca.key"])] = true, true
		}
		if len(versions) == 0 || !next.After(now) && renewed == nil {
			t.Fatalf("at %s: nothing is done, and it is to be looked at again at %s", now, next)
		}
		for _, server := range versions {
			for _, client := range versions {
				if now.Sub(server.at) < policy.Overlap && now.Sub(client.at) < policy.Overlap {
					if err := verify(server.data, client.data, now); err != nil {
						t.Fatalf("at %s a server that is behind by %s, a client by %s: %v", now, now.Sub(server.at), now.Sub(client.at), err)
					}
				}
			}
		}
		for len(versions) > 2 && now.Sub(versions[0].at) > 2*policy.Overlap {
			versions = versions[1:]
		}
		now = now.Add(15 * time.Minute)
	}
	if len(leaves) < 35 || len(authorities) < 8 {
		t.Errorf("%d certificates of %d authorities in 300 hours", len(leaves), len(authorities))
	}
}

// verify has a client that trusts client's certificates accept what a server serves.
func verify(server, client map[string][]byte, now time.Time) error {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(client["ca.crt"])
	block, _ := pem.Decode(server["tls.crt"])
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return err
	}
	for _, name := range policy.Names {
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now, DNSName: name}); err != nil {
			return err
		}
	}
	return nil
}

// TestRenewMends starts from data that somebody else has left.
func TestRenewMends(t *testing.T) {
	good, _, err := policy.Renew(nil, epoch)
	if err != nil {
		t.Fatal(err)
	}
	foreign, _, err := policy.Renew(nil, epoch)
	if err != nil {
		t.Fatal(err)
	}
	with := func(changes map[string][]byte) map[string][]byte {
		data := maps.Clone(good)
		maps.Copy(data, changes)
		return data
	}
	for name, c := range map[string]struct {
		data map[string][]byte
		at   time.Time
		// keeps says that what is served goes on to be served for now.
		keeps bool
	}{
		"Good":           {data: good, keeps: true},
		"Empty":          {data: map[string][]byte{}},
		"Garbage":        {data: map[string][]byte{"tls.crt": []byte("x"), "tls.key": []byte("x"), "ca.crt": []byte("x"), "ca.key": []byte("x")}},
		"ForeignKey":     {data: with(map[string][]byte{"tls.key": foreign["tls.key"]})},
		"ForeignLeaf":    {data: with(map[string][]byte{"tls.key": foreign["tls.key"], "tls.crt": foreign["tls.crt"]})},
		"CertManagers":   {data: with(map[string][]byte{"ca.key": nil}), keeps: true}, // whose authority's key is not ours
		"AllExpired":     {data: good, at: epoch.Add(100 * time.Hour)},
		"LeafExpired":    {data: good, at: epoch.Add(11 * time.Hour)},
		"BackWhenCADies": {data: good, at: epoch.Add(39 * time.Hour)},
	} {
		t.Run(name, func(t *testing.T) {
			now := c.at
			if now.IsZero() {
				now = epoch
			}
			data, next, err := policy.Renew(c.data, now)
			if err != nil {
				t.Fatal(err)
			}
			if data == nil {
				data = c.data
			}
			if err := verify(data, data, now); err != nil {
				t.Error(err)
			}
			if kept := string(data["tls.crt"]) == string(c.data["tls.crt"]); kept != c.keeps {
				t.Errorf("what is served is the same as before: %v", kept)
			}
			if !next.After(now) {
				t.Errorf("to be looked at again at %s, which is not after %s", next, now)
			}
			if again, _, err := policy.Renew(data, now); err != nil || again != nil {
				t.Errorf("a second look changes it again (%v)", err)
			}
		})
	}
}

func TestRenewForOtherNames(t *testing.T) {
	data, _, err := policy.Renew(nil, epoch)
	if err != nil {
		t.Fatal(err)
	}
	other := policy
	other.Names = []string{"other.example.com"}
	renewed, _, err := other.Renew(data, epoch)
	if err != nil || renewed == nil {
		t.Fatalf("nothing is renewed (%v)", err)
	}
	if string(renewed["ca.crt"]) != string(data["ca.crt"]) {
		t.Error("the authority is another one: clients would refuse the certificate until they know it")
	}
}

func TestPolicyIsChecked(t *testing.T) {
	for name, p := range map[string]servingcert.Policy{
		"NoName":         {Lifetime: time.Hour, AuthorityLifetime: 3 * time.Hour, Overlap: time.Minute},
		"LivesTooLong":   {Names: []string{"a"}, Lifetime: time.Hour, AuthorityLifetime: 2 * time.Hour, Overlap: time.Minute},
		"OverlapsTooFar": {Names: []string{"a"}, Lifetime: time.Hour, AuthorityLifetime: 3 * time.Hour, Overlap: time.Hour},
		"NoOverlap":      {Names: []string{"a"}, Lifetime: time.Hour, AuthorityLifetime: 3 * time.Hour},
	} {
		if _, _, err := p.Renew(nil, epoch); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, _, err := servingcert.DefaultPolicy("a").Renew(nil, epoch); err != nil {
		t.Error(err)
	}
}
