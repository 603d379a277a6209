package nullstore_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/hack/bench/nullstore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/s3"
)

// TestProbe: the operator finds the mode that it finds in front of a real store, so that what is
// measured is what is used.
func TestProbe(t *testing.T) {
	s := connect(t, "")
	caps, err := s.Probe(t.Context())
	if err != nil || caps.PayloadMode != v1alpha1.PayloadTrailingCRC64NVME || caps.UploadListing != v1alpha1.UploadListingPrefix ||
		caps.ConditionalComplete == nil || !*caps.ConditionalComplete || caps.ConditionalPut == nil || !*caps.ConditionalPut {
		t.Errorf("Probe = %+v, %v", caps, err)
	}
	for o := range objects(t, s) {
		t.Errorf("the probe has left %s", o)
	}
}

// TestLargePart: of a part that is not kept the size is known, and none is recorded that was cut.
func TestLargePart(t *testing.T) {
	s := connect(t, v1alpha1.PayloadTrailingCRC64NVME)
	id, err := s.CreateUpload(t.Context(), "file", filestore.CreateUploadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ref := filestore.UploadRef{Key: "file", UploadID: id}
	const size = 3 << 20
	if _, err := s.PutPart(t.Context(), ref, 1, strings.NewReader(strings.Repeat("x", size)), size); err != nil {
		t.Fatal(err)
	}
	if _, err := s.PutPart(t.Context(), ref, 2, strings.NewReader("short"), size); err == nil {
		t.Error("a part that was cut was taken")
	}
	parts, err := s.ListParts(t.Context(), ref)
	if err != nil || len(parts) != 1 || parts[0].Size != size {
		t.Fatalf("ListParts = %+v, %v", parts, err)
	}
	if _, err := s.CompleteUpload(t.Context(), ref, parts, filestore.Condition{Absent: true}); err != nil {
		t.Fatal(err)
	}
	if o, err := s.Stat(t.Context(), "file"); err != nil || o.Size != size {
		t.Errorf("Stat = %+v, %v", o, err)
	}
}

func connect(t *testing.T, mode v1alpha1.PayloadMode) filestore.Store {
	t.Helper()
	server := httptest.NewServer(nullstore.New())
	t.Cleanup(server.Close)
	s, err := s3.New(filestore.Config{
		Endpoint: server.URL, Region: "us-east-1", Bucket: "bench", AddressingStyle: v1alpha1.AddressingPath, PayloadMode: mode,
		Credentials: &filestore.Credentials{AccessKeyID: "null", SecretAccessKey: "null-null"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func objects(t *testing.T, s filestore.Store) map[string]bool {
	t.Helper()
	keys := map[string]bool{}
	err := s.ListObjects(context.Background(), "", "", func(o filestore.Object) bool {
		keys[o.Key] = true
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return keys
}
