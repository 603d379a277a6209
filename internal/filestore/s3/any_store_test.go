package s3_test

import (
	"net"
	"net/url"
	"os"
	"testing"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/storetest"
)

// TestAnyStore runs the suite against the store that IOTFILE_CONFORMANCE_ENDPOINT names, of which
// nothing is known but what its probe finds.
func TestAnyStore(t *testing.T) {
	endpoint := os.Getenv("IOTFILE_CONFORMANCE_ENDPOINT")
	if endpoint == "" {
		t.Skip("IOTFILE_CONFORMANCE_ENDPOINT is not set")
	}
	c := filestore.Config{
		Name: "store", Endpoint: endpoint, Region: os.Getenv("IOTFILE_CONFORMANCE_REGION"), Bucket: os.Getenv("IOTFILE_CONFORMANCE_BUCKET"),
		Prefix: os.Getenv("IOTFILE_CONFORMANCE_PREFIX"), Credentials: &filestore.Credentials{
			AccessKeyID: os.Getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: os.Getenv("AWS_SECRET_ACCESS_KEY"), SessionToken: os.Getenv("AWS_SESSION_TOKEN"),
		},
	}
	caps, err := connect(t, c).Probe(t.Context())
	if err != nil {
		t.Fatalf("the probe: %v", err)
	}
	t.Logf("the probe has found %+v; %+v", caps, filestore.ProtectionOf(&caps))
	c.PayloadMode, c.BareETags = caps.PayloadMode, caps.MatchETag == v1alpha1.ETagBare
	c.ListingMetadata = caps.ListingMetadata != nil && *caps.ListingMetadata
	backend := func(t *testing.T) storetest.Backend {
		b := storetest.Backend{Name: hostOf(t, endpoint), Store: connect(t, c), Prefix: c.Prefix + "suite/", Traits: storetest.TraitsOf(&caps), Unknown: true}
		u, err := url.Parse(endpoint)
		if err != nil {
			t.Fatal(err)
		}
		if u.Scheme == "http" { // over TLS, what is cut and damaged on the way shows nothing of the store
			b.Address = u.Host
			if u.Port() == "" {
				b.Address = net.JoinHostPort(u.Host, "80")
			}
			b.Reach = func(t *testing.T, addr string, mode v1alpha1.PayloadMode) filestore.Store {
				c := c
				c.PayloadMode, c.Endpoint, c.AddressingStyle = mode, "http://"+addr, v1alpha1.AddressingPath
				return connect(t, c)
			}
		}
		return b
	}
	table := storetest.NewTable()
	t.Run("Suite", func(t *testing.T) { storetest.Run(t, table, backend) })
	t.Run("Races", func(t *testing.T) { storetest.RunRaces(t, backend) })
	t.Run("Looks", func(t *testing.T) { storetest.RunLooks(t, backend) })
	table.Publish(t)
}
