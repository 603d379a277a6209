package identity_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/iotfile-operator/iotfile-operator/internal/identity"
)

const (
	entity = "0123456789abcdef0123456789abcdef"
	other  = "ffffffffffffffffffffffffffffffff"
)

func operatorConfig(t *testing.T, kubeconfig string) *rest.Config {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	must(t, err)
	config.QPS = -1
	return config
}

// token of a service account in its namespace.
func token(t *testing.T, namespace, name string, audiences ...string) string {
	t.Helper()
	token, err := plane.ServiceAccountToken(t.Context(), namespace, name, time.Hour, audiences...)
	must(t, err)
	return token
}

func TestTokens(t *testing.T) {
	good, forOthers := token(t, "team-a", "app", "iotfile.dev"), token(t, "team-a", "app", "vault")
	forBoth, forTheAPI := token(t, "team-a", "app", "vault", "iotfile.dev"), token(t, "team-a", "app")
	tampered := good[:len(good)-6] + "AAAAAA"
	b, liberal := newBench(t, nil), newBench(t, func(o *identity.Options) {
		o.Audiences = []string{"vault", "https://kubernetes.default.svc.cluster.local"}
	})
	for name, tt := range map[string]struct {
		authorization   string
		strict, liberal bool
	}{
		"good":                      {"Bearer " + good, true, false},
		"lower case":                {"bearer " + good, true, false},
		"for both":                  {"Bearer " + forBoth, true, true},
		"for another audience":      {"Bearer " + forOthers, false, true},
		"for the API server":        {"Bearer " + forTheAPI, false, true},
		"tampered with":             {"Bearer " + tampered, false, false},
		"no token":                  {"", false, false},
		"nothing after the scheme":  {"Bearer ", false, false},
		"another scheme":            {"Basic " + good, false, false},
		"not even a token":          {"Bearer x", false, false},
		"as large as a header gets": {"Bearer " + strings.Repeat("x", 30_000), false, false},
	} {
		for _, side := range []struct {
			*bench
			ok bool
		}{{b, tt.strict}, {liberal, tt.liberal}} {
			id, err := side.Authenticate(request(t, tt.authorization))
			switch {
			case side.ok && (err != nil || id.Name != "system:serviceaccount:team-a:app" || id.Namespace != "team-a" || !slices.Contains(id.Groups, "system:serviceaccounts:team-a") || id.UID == ""):
				t.Errorf("%s: %+v, %v", name, id, err)
			case !side.ok && (!errors.Is(err, identity.ErrUnauthenticated) || id.Name != ""):
				t.Errorf("%s: %+v, %v; want it refused", name, id, err)
			case err != nil && tt.authorization != "" && strings.Contains(err.Error(), strings.Fields(tt.authorization)[len(strings.Fields(tt.authorization))-1]) && len(tt.authorization) > 20:
				t.Errorf("%s: the error tells the token: %v", name, err)
			}
		}
	}
	if _, err := b.Authenticate(request(t, "Bearer "+forOthers)); err == nil || !strings.Contains(err.Error(), "audience") {
		t.Errorf("the cause does not help: %v", err)
	}
}

// TestOneRuleForCredentials: a good token is refused where it could be read in more than one way.
func TestOneRuleForCredentials(t *testing.T) {
	good := token(t, "team-a", "app", "iotfile.dev")
	b := newBench(t, nil)
	for name, tt := range map[string]struct {
		authorization []string
		ok            bool
	}{
		"once":                 {[]string{"Bearer " + good}, true},
		"in capitals":          {[]string{"BEARER " + good}, true},
		"two blanks":           {[]string{"Bearer  " + good}, false},
		"a tab":                {[]string{"Bearer\t" + good}, false},
		"a blank and a tab":    {[]string{"Bearer \t" + good}, false},
		"something behind":     {[]string{"Bearer " + good + " x"}, false},
		"another behind":       {[]string{"Bearer " + good + ", Bearer " + good}, false},
		"twice the same":       {[]string{"Bearer " + good, "Bearer " + good}, false},
		"good, then bad":       {[]string{"Bearer " + good, "Bearer x"}, false},
		"bad, then good":       {[]string{"Bearer x", "Bearer " + good}, false},
		"good, then Basic":     {[]string{"Bearer " + good, "Basic eDp5"}, false},
		"good, then nothing":   {[]string{"Bearer " + good, ""}, false},
		"nothing, then good":   {[]string{"", "Bearer " + good}, false},
		"the scheme alone":     {[]string{"Bearer"}, false},
		"the token alone":      {[]string{good}, false},
		"a list in one header": {[]string{"Bearer " + good + ","}, false},
	} {
		request := request(t, "")
		request.Header["Authorization"] = tt.authorization
		id, err := b.Authenticate(request)
		if tt.ok != (err == nil) || (!tt.ok && (!errors.Is(err, identity.ErrUnauthenticated) || id.Name != "")) {
			t.Errorf("%s: %+v, %v", name, id, err)
		}
		if err != nil && strings.Contains(err.Error(), good) {
			t.Errorf("%s: the error tells the token", name)
		}
	}
}

// TestOneReview holds that one question is asked once, however many wait for the answer, and is not
// asked again.
func TestOneReview(t *testing.T) {
	b := newBench(t, nil)
	b.slow.Store(int64(300 * time.Millisecond))
	for what, authorization := range map[string]string{"good": "Bearer " + token(t, "team-a", "burst", "iotfile.dev"), "bad": "Bearer bad"} {
		before := b.count("tokenreviews")
		for round := range 2 {
			var group sync.WaitGroup
			for range 100 {
				group.Go(func() {
					if _, err := b.Authenticate(request(t, authorization)); (err == nil) != (what == "good") {
						t.Errorf("%s: %v", what, err)
					}
				})
			}
			group.Wait()
			if n := b.count("tokenreviews") - before; n != 1 {
				t.Errorf("%s, round %d: %d token reviews of 100 requests, want 1", what, round, n)
			}
		}
	}
	var group sync.WaitGroup
	for range 100 {
		group.Go(func() {
			if err := b.Authorize(t.Context(), identity.Identity{Name: "nobody"}, files("get", "team-a", entity)); !errors.Is(err, identity.ErrForbidden) {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if n := b.count("subjectaccessreviews"); n != 2 { // a refusal is asked for twice: TestAPIServerJustStarted
		t.Errorf("%d access reviews of 100 requests, want 2", n)
	}
}

// TestAPIServerJustStarted: until it has read all roles and bindings, an API server says that
// nobody has the rights that the missing ones grant. A client that is told so would give up, so it
// is told to try again.
func TestAPIServerJustStarted(t *testing.T) {
	const denied = `{"kind":"SubjectAccessReview","apiVersion":"authorization.k8s.io/v1","status":{"allowed":false}}`
	grant(t, "team-a", "patient", []string{"get"}, nil, "patient")
	id := identity.Identity{Name: "system:serviceaccount:team-a:patient"}
	ask := func(b *bench) error { return b.Authorize(t.Context(), id, files("get", "team-a", entity)) }

	t.Run("not ready", func(t *testing.T) {
		b := newBench(t, nil)
		b.young = func(resource string) (int, string) {
			if resource == "readyz" {
				return http.StatusInternalServerError, "[-]informer-sync failed"
			}
			return http.StatusCreated, denied
		}
		if err := ask(b); err == nil || errors.Is(err, identity.ErrForbidden) {
			t.Errorf("answered with %v, and not with an error of another kind", err)
		}
		b.young = nil
		if err := ask(b); err != nil {
			t.Errorf("when it is ready: %v", err)
		}
	})
	t.Run("ready a moment later", func(t *testing.T) {
		b := newBench(t, nil)
		reviews := 0
		b.young = func(resource string) (int, string) {
			if resource != "subjectaccessreviews" {
				return 0, ""
			}
			if reviews++; reviews > 1 {
				return 0, ""
			}
			return http.StatusCreated, denied
		}
		if err := ask(b); err != nil {
			t.Error(err)
		}
	})
	for name, status := range map[string]int{"not told": http.StatusForbidden, "not known": http.StatusNotFound} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, nil)
			b.young = func(resource string) (int, string) {
				if resource == "readyz" {
					return status, `{"kind":"Status","apiVersion":"v1","status":"Failure","code":` + strconv.Itoa(status) + `}`
				}
				return http.StatusCreated, denied
			}
			if err := ask(b); !errors.Is(err, identity.ErrForbidden) {
				t.Errorf("%v; want a refusal", err)
			}
		})
	}
}

// TestFirstGoes makes sure that the answer does not go away with whoever asked first.
func TestFirstGoes(t *testing.T) {
	b := newBench(t, nil)
	b.slow.Store(int64(time.Second))
	authorization := "Bearer " + token(t, "team-a", "app", "iotfile.dev")
	gone, leave := context.WithCancel(t.Context())
	first := make(chan error, 1)
	go func() {
		_, err := b.Authenticate(request(t, authorization).WithContext(gone))
		first <- err
	}()
	for b.count("tokenreviews") == 0 {
		time.Sleep(time.Millisecond)
	}
	leave()
	if err := <-first; err == nil || errors.Is(err, identity.ErrUnauthenticated) {
		t.Errorf("who leaves is told %v", err)
	}
	if _, err := b.Authenticate(request(t, authorization)); err != nil || b.count("tokenreviews") != 1 {
		t.Errorf("who stays: %v, after %d reviews", err, b.count("tokenreviews"))
	}
}

// TestTimes lets answers grow old: both are asked for again then, refusals sooner.
func TestTimes(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(time.Now())
	b := newBench(t, func(o *identity.Options) { o.Clock = clock })
	good, bad := "Bearer "+token(t, "team-a", "app", "iotfile.dev"), "Bearer bad"
	ask := func() {
		_, err := b.Authenticate(request(t, good))
		must(t, err)
		if _, err := b.Authenticate(request(t, bad)); !errors.Is(err, identity.ErrUnauthenticated) {
			t.Fatal(err)
		}
	}
	ask()
	clock.SetTime(clock.Now().Add(11 * time.Second))
	ask()
	if n := b.count("tokenreviews"); n != 3 {
		t.Errorf("%d reviews after the refusal has grown old, want 3", n)
	}
	clock.SetTime(clock.Now().Add(2 * time.Minute))
	ask()
	if n := b.count("tokenreviews"); n != 5 {
		t.Errorf("%d reviews after both have grown old, want 5", n)
	}
}

// TestNoFloodEvicts fills the memory of refusals many times over: the good token beside it is not
// asked about again.
func TestNoFloodEvicts(t *testing.T) {
	b := newBench(t, func(o *identity.Options) { o.CacheSize = 8 })
	good := "Bearer " + token(t, "team-a", "app", "iotfile.dev")
	_, err := b.Authenticate(request(t, good))
	must(t, err)
	for i := range 50 {
		_, _ = b.Authenticate(request(t, fmt.Sprintf("Bearer bad-%d", i)))
	}
	before := b.count("tokenreviews")
	_, err = b.Authenticate(request(t, good))
	must(t, err)
	if n := b.count("tokenreviews"); n != before || before != 51 {
		t.Errorf("%d reviews, %d before the last question; want 51 both times", n, before)
	}
}

// TestAPIServerDown holds the promise for that time: whoever it has answered for goes on, and
// nobody else learns anything but that.
func TestAPIServerDown(t *testing.T) {
	b := newBench(t, nil)
	known, bad := "Bearer "+token(t, "team-a", "app", "iotfile.dev"), "Bearer bad"
	unknown := "Bearer " + token(t, "team-a", "late", "iotfile.dev")
	id, err := b.Authenticate(request(t, known))
	must(t, err)
	_, _ = b.Authenticate(request(t, bad))
	grant(t, "team-a", "down", []string{"get"}, nil, "app")
	must(t, b.Authorize(t.Context(), id, files("get", "team-a", entity)))

	b.down.Store(true)
	if _, err := b.Authenticate(request(t, known)); err != nil {
		t.Errorf("a known token: %v", err)
	}
	if err := b.Authorize(t.Context(), id, files("get", "team-a", entity)); err != nil {
		t.Errorf("a known right: %v", err)
	}
	if _, err := b.Authenticate(request(t, bad)); !errors.Is(err, identity.ErrUnauthenticated) {
		t.Errorf("a token that is known to be bad: %v", err)
	}
	if _, err := b.Authenticate(request(t, unknown)); err == nil || errors.Is(err, identity.ErrUnauthenticated) {
		t.Errorf("an unknown token is answered with %v, and not with an error of another kind", err)
	}
	if err := b.Authorize(t.Context(), id, files("get", "team-a", other)); err == nil || errors.Is(err, identity.ErrForbidden) {
		t.Errorf("an unknown right is answered with %v, and not with an error of another kind", err)
	}
	b.down.Store(false) // and nothing of it is remembered
	if _, err := b.Authenticate(request(t, unknown)); err != nil {
		t.Errorf("after the outage: %v", err)
	}
}

func TestRights(t *testing.T) {
	grant(t, "team-a", "one-device", []string{"get", "update"}, []string{entity}, "device")
	grant(t, "team-a", "all-devices", []string{"get"}, nil, "fleet")
	b := newBench(t, nil)
	ids := map[string]identity.Identity{} // one each, so that an answer can be taken for that to another question
	for _, who := range []string{"device", "fleet", "nobody"} {
		var err error
		ids[who], err = b.Authenticate(request(t, "Bearer "+token(t, "team-a", who, "iotfile.dev")))
		must(t, err)
	}
	for _, tt := range []struct {
		who, verb, namespace, entity string
		allowed                      bool
	}{
		{"device", "get", "team-a", entity, true},
		{"device", "update", "team-a", entity, true},
		{"device", "get", "team-a", other, false},
		{"device", "delete", "team-a", entity, false},
		{"device", "get", "team-b", entity, false},
		{"device", "get", "no-such-namespace", entity, false},
		{"fleet", "get", "team-a", entity, true},
		{"fleet", "get", "team-a", other, true},
		{"fleet", "list", "team-a", other, false},
		{"nobody", "get", "team-a", entity, false},
	} {
		err := b.Authorize(t.Context(), ids[tt.who], files(tt.verb, tt.namespace, tt.entity))
		if tt.allowed && err != nil || !tt.allowed && !errors.Is(err, identity.ErrForbidden) {
			t.Errorf("%+v: %v", tt, err)
		}
	}
}

// grant makes a Role on files and binds it to service accounts of the namespace.
func grant(t *testing.T, namespace, name string, verbs, entities []string, accounts ...string) {
	t.Helper()
	token(t, namespace, accounts[0]) // which makes the namespace
	client := kubernetes.NewForConfigOrDie(plane.RESTConfig()).RbacV1()
	meta := metav1.ObjectMeta{Name: name}
	binding := &rbacv1.RoleBinding{ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name}}
	for _, account := range accounts {
		binding.Subjects = append(binding.Subjects, rbacv1.Subject{Kind: "ServiceAccount", Namespace: namespace, Name: account})
	}
	role := &rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{{APIGroups: []string{"iotfile.dev"}, Resources: []string{"files"}, Verbs: verbs, ResourceNames: entities}}}
	if _, err := client.Roles(namespace).Create(t.Context(), role, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
	if _, err := client.RoleBindings(namespace).Create(t.Context(), binding, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
	// RBAC hears of both through its own watch.
	user := "system:serviceaccount:" + namespace + ":" + accounts[0]
	id := entity
	for begin := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		probe := newBench(t, nil)
		if probe.Authorize(t.Context(), identity.Identity{Name: user}, files(verbs[0], namespace, id)) == nil {
			return
		}
		if time.Since(begin) > time.Minute {
			t.Fatal("the role does not come into effect")
		}
	}
}

func TestClientCertificates(t *testing.T) {
	ours, foreign := newCA(t), newCA(t)
	file := filepath.Join(t.TempDir(), "ca.crt")
	must(t, os.WriteFile(file, ours.pem, 0o600))
	b := newBench(t, func(o *identity.Options) { o.ClientCAFile = file })
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = b.Start(ctx)
	}()
	defer func() { stop(); <-done }()

	with := func(ca *ca, authorization string) *http.Request {
		r := request(t, authorization)
		r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{ca.issue(t, "gateway", "gateways")}}
		return r
	}
	id, err := b.Authenticate(with(ours, ""))
	if err != nil || id.Name != "gateway" || id.Namespace != "" || !slices.Equal(id.Groups, []string{"gateways", "system:authenticated"}) {
		t.Errorf("our certificate: %+v, %v", id, err)
	}
	if _, err := b.Authenticate(with(foreign, "")); !errors.Is(err, identity.ErrUnauthenticated) {
		t.Errorf("a foreign certificate: %v", err)
	}
	good := "Bearer " + token(t, "team-a", "app", "iotfile.dev")
	if id, err := b.Authenticate(with(foreign, good)); err != nil || id.Namespace != "team-a" {
		t.Errorf("a foreign certificate and a good token: %+v, %v", id, err)
	}
	if _, err := newBench(t, nil).Authenticate(with(ours, "")); !errors.Is(err, identity.ErrUnauthenticated) {
		t.Errorf("a certificate where none are taken: %v", err)
	}
	must(t, os.WriteFile(file, foreign.pem, 0o600)) // the CA is replaced
	for begin := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		_, before := b.Authenticate(with(ours, ""))
		_, after := b.Authenticate(with(foreign, ""))
		if errors.Is(before, identity.ErrUnauthenticated) && after == nil {
			return
		}
		if time.Since(begin) > 2*time.Minute {
			t.Fatalf("the new CA does not come into effect: %v, %v", before, after)
		}
	}
}

type ca struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newCA(t *testing.T) *ca {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	cert, err := x509.ParseCertificate(raw)
	must(t, err)
	return &ca{cert, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})}
}

func (c *ca) issue(t *testing.T, user string, groups ...string) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: user, Organization: groups}, NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, c.cert, c.key.Public(), c.key)
	must(t, err)
	cert, err := x509.ParseCertificate(raw)
	must(t, err)
	return cert
}

// files is the right to do verb with the files of an entity.
func files(verb, namespace, entity string) identity.Right {
	return identity.Right{Verb: verb, Resource: identity.ResourceFiles, Namespace: namespace, Name: entity}
}
