package s3_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

// bareETags is a backend that compares the header If-Match of a PutObject with the ETag as it is,
// and so with its quotes (Ceph).
func bareETags(s *devcluster.ObjectStore) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		etag := r.Header.Get("If-Match")
		switch {
		case r.Method != http.MethodPut || etag == "":
			return false
		case strings.HasPrefix(etag, `"`):
			return answer(w, r, http.StatusPreconditionFailed, "PreconditionFailed")
		}
		r.Header.Set("If-Match", `"`+etag+`"`)
		resign(s, r)
		return false
	}
}

// TestProbeFindsTheSpellingOfETags: where If-Match holds without quotes alone, it is sent without.
func TestProbeFindsTheSpellingOfETags(t *testing.T) {
	s := server(t, devcluster.StoreMinIO)
	c := meddle(t, s, bareETags(s))
	for _, known := range []bool{false, true} {
		c.BareETags = known
		caps, err := connect(t, c).Probe(t.Context())
		if err != nil || !*caps.ConditionalPut || caps.MatchETag != v1alpha1.ETagBare {
			t.Fatalf("Probe = %+v, %v", caps, err)
		}
		c.PayloadMode = caps.PayloadMode
	}
	store := connect(t, c)
	put := func(content string, cond filestore.Condition) (filestore.Object, error) {
		return store.PutObject(t.Context(), "bare", strings.NewReader(content), int64(len(content)), filestore.CreateUploadOptions{}, cond)
	}
	first, err := put("first", filestore.Condition{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := put("second", filestore.Condition{ETag: first.ETag}); err != nil {
		t.Errorf("under a condition that holds: %v", err)
	}
	if _, err := put("third", filestore.Condition{ETag: first.ETag}); !errors.Is(err, filestore.ErrPrecondition) {
		t.Errorf("under one that does not: %v", err)
	}
	wantNothingLeft(t, s)
}

// TestLostRaceIsNoFault: a backend that answers whoever loses a race with 500 is asked for the
// object (Ceph).
func TestLostRaceIsNoFault(t *testing.T) {
	s := server(t, devcluster.StoreMinIO)
	c := meddle(t, s, func(w http.ResponseWriter, r *http.Request) bool {
		return isObject(r) && answer(w, r, http.StatusInternalServerError, "InternalError")
	})
	c.PayloadMode = v1alpha1.PayloadTrailingCRC64NVME
	direct := connect(t, config(s, v1alpha1.PayloadTrailingCRC64NVME))
	opts := func(by string) filestore.CreateUploadOptions {
		return filestore.CreateUploadOptions{Metadata: map[string]string{"by": by}}
	}
	o, err := direct.PutObject(t.Context(), "race", strings.NewReader("theirs"), 6, opts("them"), filestore.Condition{})
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		key, by string
		cond    filestore.Condition
		want    error
	}{
		"another one is there":      {"race", "us", filestore.Condition{Absent: true}, filestore.ErrPrecondition},
		"another one than expected": {"race", "us", filestore.Condition{ETag: "0123"}, filestore.ErrPrecondition},
		"the expected one is gone":  {"none", "us", filestore.Condition{ETag: "0123"}, filestore.ErrPrecondition},
		"the expected one is there": {"race", "us", filestore.Condition{ETag: o.ETag}, filestore.ErrUnavailable},
		"none is there":             {"none", "us", filestore.Condition{Absent: true}, filestore.ErrUnavailable},
		"our own is there":          {"race", "them", filestore.Condition{Absent: true}, filestore.ErrUnavailable},
		"without a condition":       {"race", "us", filestore.Condition{}, filestore.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := connect(t, c).PutObject(t.Context(), tc.key, strings.NewReader("ours"), 4, opts(tc.by), tc.cond)
			if !errors.Is(err, tc.want) || errors.Is(err, filestore.ErrPrecondition) != errors.Is(tc.want, filestore.ErrPrecondition) {
				t.Errorf("the error is %v, want %v", err, tc.want)
			}
		})
	}
}

// TestDamagedChunkIsNoWrongKey: a backend may say of a chunk that was damaged on the way what it
// says of a wrong key (Ceph). Another request tells which.
func TestDamagedChunkIsNoWrongKey(t *testing.T) {
	s := server(t, devcluster.StoreMinIO)
	direct := connect(t, config(s, v1alpha1.PayloadSignedChunks))
	id, err := direct.CreateUpload(t.Context(), "chunks", filestore.CreateUploadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ref := filestore.UploadRef{Key: "chunks", UploadID: id}
	for name, tc := range map[string]struct {
		mode  v1alpha1.PayloadMode
		wrong bool // of all requests
		gone  bool
		want  error
	}{
		"damaged":             {v1alpha1.PayloadSignedChunks, false, false, filestore.ErrChecksum},
		"a wrong key":         {v1alpha1.PayloadSignedChunks, true, false, filestore.ErrAccessDenied},
		"nothing is signed":   {v1alpha1.PayloadTrailingCRC64NVME, false, false, filestore.ErrAccessDenied},
		"the upload has gone": {v1alpha1.PayloadSignedChunks, false, true, filestore.ErrNoSuchUpload},
	} {
		t.Run(name, func(t *testing.T) {
			c := meddle(t, s, func(w http.ResponseWriter, r *http.Request) bool {
				return (tc.wrong || isPart(r) || isObject(r)) && answer(w, r, http.StatusForbidden, "SignatureDoesNotMatch")
			})
			c.PayloadMode = tc.mode
			store, ref := connect(t, c), ref
			if tc.gone {
				ref.UploadID = "0b5c1d7e-0000-4000-8000-000000000000"
			}
			if _, err := store.PutPart(t.Context(), ref, 1, strings.NewReader("part"), 4); !errors.Is(err, tc.want) {
				t.Errorf("PutPart: %v, want %v", err, tc.want)
			}
			if tc.gone {
				return
			}
			if _, err := store.PutObject(t.Context(), "chunks", strings.NewReader("object"), 6, filestore.CreateUploadOptions{}, filestore.Condition{}); !errors.Is(err, tc.want) {
				t.Errorf("PutObject: %v, want %v", err, tc.want)
			}
		})
	}
	if err := direct.AbortUpload(t.Context(), ref); err != nil {
		t.Error(err)
	}
}

// TestProbeFindsKeyLimits: what a backend cannot hold of the keys that S3 takes is found out,
// whatever it answers.
func TestProbeFindsKeyLimits(t *testing.T) {
	s := server(t, devcluster.StoreMinIO) // segments of 255 bytes
	longer := func(key string, than int) bool { return len(key) > than }
	keyOf := func(r *http.Request) string { return strings.TrimPrefix(r.URL.Path, "/"+bucket+"/") }
	opens := func(r *http.Request) bool { return r.Method == http.MethodPost && r.URL.Query().Has("uploads") }
	segments := v1alpha1.FileStoreKeyLimits{MaxSegmentBytes: new(int32(255))}
	for name, tc := range map[string]struct {
		fault func(http.ResponseWriter, *http.Request) bool
		want  v1alpha1.FileStoreKeyLimits
		err   error
	}{
		"MinIO": {func(http.ResponseWriter, *http.Request) bool { return false }, segments, nil},
		"long keys are refused": {func(w http.ResponseWriter, r *http.Request) bool {
			return opens(r) && longer(keyOf(r), 969) && answer(w, r, 400, "KeyTooLongError")
		}, v1alpha1.FileStoreKeyLimits{MaxBytes: new(int32(969)), MaxSegmentBytes: segments.MaxSegmentBytes}, nil},
		"it breaks on long names of parts (Swift)": {func(w http.ResponseWriter, r *http.Request) bool {
			number := r.URL.Query().Get("partNumber")
			return number != "" && longer(keyOf(r)+"/"+strings.Repeat("i", 48)+"/"+number, 1024) && answer(w, r, 500, "InternalError")
		}, v1alpha1.FileStoreKeyLimits{MaxBytes: new(int32(969)), MaxSegmentBytes: segments.MaxSegmentBytes}, nil},
		"it breaks on long keys (SeaweedFS)": {func(w http.ResponseWriter, r *http.Request) bool {
			return isComplete(r) && longer(keyOf(r), 900) && answer(w, r, 503, "ServiceUnavailable")
		}, v1alpha1.FileStoreKeyLimits{MaxBytes: new(int32(896)), MaxSegmentBytes: segments.MaxSegmentBytes}, nil},
		"it breaks on all keys": {func(w http.ResponseWriter, r *http.Request) bool {
			return isComplete(r) && answer(w, r, 503, "ServiceUnavailable")
		}, v1alpha1.FileStoreKeyLimits{}, filestore.ErrUnavailable},
		"a backslash is a slash (SeaweedFS)": {func(_ http.ResponseWriter, r *http.Request) bool {
			if strings.Contains(r.URL.Path, `\`) {
				r.URL.Path, r.URL.RawPath = strings.ReplaceAll(r.URL.Path, `\`, "/"), ""
				resign(s, r)
			}
			return false
		}, v1alpha1.FileStoreKeyLimits{BackslashIsSlash: new(true), MaxSegmentBytes: segments.MaxSegmentBytes}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			caps, err := connect(t, meddle(t, s, tc.fault)).Probe(t.Context())
			if !errors.Is(err, tc.err) {
				t.Fatalf("Probe: %v, want %v", err, tc.err)
			}
			if err == nil && (caps.Keys == nil || !equal(caps.Keys.MaxBytes, tc.want.MaxBytes) ||
				!equal(caps.Keys.MaxSegmentBytes, tc.want.MaxSegmentBytes) || !equal(caps.Keys.BackslashIsSlash, tc.want.BackslashIsSlash)) {
				t.Errorf("the limits are %+v, want %+v", caps.Keys, tc.want)
			}
			wantNothingLeft(t, s)
		})
	}
}

func equal[T comparable](a, b *T) bool { return (a == nil) == (b == nil) && (a == nil || *a == *b) }
