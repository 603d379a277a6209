package s3_test

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

// TestTLS: every payload mode over TLS, against a certificate that only the CA bundle vouches for.
func TestTLS(t *testing.T) {
	for _, kind := range kinds {
		s := server(t, kind)
		addr, ca := terminateTLS(t, hostOf(t, s.Endpoint))
		for _, mode := range []v1alpha1.PayloadMode{
			v1alpha1.PayloadTrailingCRC64NVME, v1alpha1.PayloadTrailingCRC32C, v1alpha1.PayloadSignedChunks, v1alpha1.PayloadUnsigned,
		} {
			t.Run(fmt.Sprintf("%s/%s", kind, mode), func(t *testing.T) {
				c := config(s, mode)
				c.Endpoint, c.CABundle = "https://"+addr, ca
				roundTrip(t, connect(t, c))
			})
		}
		t.Run(fmt.Sprintf("%s/unknown authority", kind), func(t *testing.T) {
			c := config(s, v1alpha1.PayloadTrailingCRC64NVME)
			c.Endpoint = "https://" + addr
			if _, err := connect(t, c).Probe(t.Context()); !errors.Is(err, filestore.ErrUnavailable) || !strings.Contains(err.Error(), "certificate") {
				t.Errorf("Probe: %v", err)
			}
		})
	}
}

func roundTrip(t *testing.T, store filestore.Store) {
	t.Helper()
	content := bytes.Repeat([]byte("over TLS "), 300_000)
	key := "tls/" + t.Name()
	id, err := store.CreateUpload(t.Context(), key, filestore.CreateUploadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ref := filestore.UploadRef{Key: key, UploadID: id}
	part, err := store.PutPart(t.Context(), ref, 1, bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.CompleteUpload(t.Context(), ref, []filestore.Part{part}, filestore.Condition{}); err != nil {
		t.Fatal(err)
	}
	if _, err := store.PutObject(t.Context(), key+"-put", bytes.NewReader(content), int64(len(content)), filestore.CreateUploadOptions{}, filestore.Condition{}); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{key, key + "-put"} {
		r, err := store.Open(t.Context(), filestore.Object{Key: key}, filestore.ByteRange{Length: -1})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, content) {
			t.Errorf("read %d bytes of %d, %v", len(got), len(content), err)
		}
	}
}

// terminateTLS listens with a certificate of its own and passes the bytes on in the clear.
func terminateTLS(t *testing.T, target string) (addr string, ca []byte) {
	t.Helper()
	certified := httptest.NewUnstartedServer(nil)
	certified.StartTLS() // for its certificate for 127.0.0.1
	certified.Close()
	return testkit.TerminateTLS(t, certified.TLS.Certificates[0], target), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certified.Certificate().Raw})
}

// TestTLSToEachStore: what the probe finds over TLS is what it finds in the clear, and a file lives
// there as well.
func TestTLSToEachStore(t *testing.T) {
	for _, kind := range conformanceKinds() {
		t.Run(string(kind), func(t *testing.T) {
			s := server(t, kind)
			plain, err := connect(t, config(s, "")).Probe(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			c := config(s, "")
			addr, ca := terminateTLS(t, hostOf(t, s.Endpoint))
			c.Endpoint, c.CABundle = "https://"+addr, ca
			caps, err := connect(t, c).Probe(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if !equality.Semantic.DeepEqual(caps, plain) {
				t.Errorf("over TLS the probe finds %+v, in the clear %+v", caps, plain)
			}
			c.PayloadMode, c.BareETags = caps.PayloadMode, caps.MatchETag == v1alpha1.ETagBare
			lifeOfAFile(t, connect(t, c), c.Prefix+"over-tls")
		})
	}
}
