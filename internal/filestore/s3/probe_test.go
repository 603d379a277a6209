package s3_test

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/signer"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/s3"
)

// meddle puts a backend with faults of its own in front of a real one: what fault answers itself is
// not passed on. It may also change the request, if it signs it again.
func meddle(t *testing.T, s *devcluster.ObjectStore, fault func(w http.ResponseWriter, r *http.Request) (answered bool)) filestore.Config {
	t.Helper()
	target, err := url.Parse(s.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = "http", target.Host, r.In.Host
		},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !fault(w, r) {
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(front.Close)
	c := config(s, "")
	c.Endpoint = front.URL
	return c
}

// answer sends an error as S3 does.
func answer(w http.ResponseWriter, r *http.Request, status int, code string) bool {
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_ = xml.NewEncoder(w).Encode(struct {
		XMLName xml.Name `xml:"Error"`
		Code    string
	}{Code: code})
	return true
}

func isPart(r *http.Request) bool {
	return r.Method == http.MethodPut && r.URL.Query().Has("partNumber")
}

func isComplete(r *http.Request) bool {
	return r.Method == http.MethodPost && r.URL.Query().Has("uploadId")
}
func payloadOf(r *http.Request) string { return r.Header.Get("X-Amz-Content-Sha256") }

// resign signs a changed request with the backend's own keys.
func resign(s *devcluster.ObjectStore, r *http.Request) {
	for _, h := range []string{"Authorization", "X-Amz-Date"} {
		r.Header.Del(h)
	}
	r.URL.Host = r.Host // which is what gets signed
	signed := signer.SignV4(*r, s.AccessKey, s.SecretKey, "", s.Region)
	r.Header = signed.Header
}

// TestProbeFindsTheMode: whatever a backend lacks, the best mode that works and was seen to be safe
// is found, or none.
func TestProbeFindsTheMode(t *testing.T) {
	versitygw, minIO := server(t, devcluster.StoreVersityGW), server(t, devcluster.StoreMinIO)
	trailer := func(r *http.Request) bool { return isPart(r) && strings.HasPrefix(payloadOf(r), "STREAMING-UNSIGNED") }
	for name, tc := range map[string]struct {
		server *devcluster.ObjectStore
		fault  func(http.ResponseWriter, *http.Request) bool
		want   v1alpha1.PayloadMode
		err    error
	}{
		"no CRC64NVME": {versitygw, func(w http.ResponseWriter, r *http.Request) bool {
			return trailer(r) && r.Header.Get("X-Amz-Trailer") == "x-amz-checksum-crc64nvme" && answer(w, r, 400, "InvalidRequest")
		}, v1alpha1.PayloadTrailingCRC32C, nil},
		"breaks on CRC64NVME every time": {versitygw, func(w http.ResponseWriter, r *http.Request) bool {
			return trailer(r) && r.Header.Get("X-Amz-Trailer") == "x-amz-checksum-crc64nvme" && answer(w, r, 500, "InternalError")
		}, v1alpha1.PayloadTrailingCRC32C, nil},
		"no trailers": {versitygw, func(w http.ResponseWriter, r *http.Request) bool {
			return trailer(r) && answer(w, r, 501, "NotImplemented")
		}, v1alpha1.PayloadSignedChunks, nil},
		"takes the signature of a trailer for a wrong one": {minIO, func(w http.ResponseWriter, r *http.Request) bool {
			return trailer(r) && answer(w, r, 403, "SignatureDoesNotMatch")
		}, v1alpha1.PayloadSignedChunks, nil},
		"does not look at checksums": {minIO, func(_ http.ResponseWriter, r *http.Request) bool {
			if trailer(r) {
				unframe(minIO, r)
			}
			return false
		}, v1alpha1.PayloadSignedChunks, nil},
		"plain bodies only, and safe": {minIO, func(w http.ResponseWriter, r *http.Request) bool {
			return isPart(r) && payloadOf(r) != "UNSIGNED-PAYLOAD" && answer(w, r, 501, "NotImplemented")
		}, v1alpha1.PayloadUnsigned, nil},
		"plain bodies only, and keeps what is cut": {versitygw, func(w http.ResponseWriter, r *http.Request) bool {
			return isPart(r) && payloadOf(r) != "UNSIGNED-PAYLOAD" && answer(w, r, 501, "NotImplemented")
		}, "", filestore.ErrIntegrityUnsupported},
		"down for all parts": {versitygw, func(w http.ResponseWriter, r *http.Request) bool {
			return isPart(r) && answer(w, r, 500, "InternalError")
		}, "", filestore.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			caps, err := connect(t, meddle(t, tc.server, tc.fault)).Probe(t.Context())
			if !errors.Is(err, tc.err) || caps.PayloadMode != tc.want {
				t.Errorf("Probe = %q, %v; want %q, %v", caps.PayloadMode, err, tc.want, tc.err)
			}
			wantNothingLeft(t, tc.server)
		})
	}
}

// unframe makes a plain part of a framed one, as a backend does that ignores the checksum behind
// it.
func unframe(s *devcluster.ObjectStore, r *http.Request) {
	framed, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // the body was cut
	}
	head, rest, _ := bytes.Cut(framed, []byte("\r\n")) // one chunk: a probe is small
	size, _ := strconv.ParseInt(string(head), 16, 64)
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(rest[:size])), size
	for _, h := range []string{"Content-Encoding", "X-Amz-Trailer", "X-Amz-Decoded-Content-Length", "Content-Length"} {
		r.Header.Del(h)
	}
	r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
	resign(s, r)
}

// TestProbeRidesOutAFault: one failure does not cost a backend its best mode.
func TestProbeRidesOutAFault(t *testing.T) {
	for _, kind := range kinds {
		s := server(t, kind)
		var failures atomic.Int32
		c := meddle(t, s, func(w http.ResponseWriter, r *http.Request) bool {
			return isPart(r) && failures.Add(1) == 2 && answer(w, r, 503, "SlowDown")
		})
		caps, err := connect(t, c).Probe(t.Context())
		if err != nil || caps.PayloadMode != v1alpha1.PayloadTrailingCRC64NVME {
			t.Errorf("%s: Probe = %q, %v", kind, caps.PayloadMode, err)
		}
		wantNothingLeft(t, s)
	}
}

// TestProbeKeepsTheMode: uploads are open in the mode that was found before, so it is given up only
// when the backend refuses it.
func TestProbeKeepsTheMode(t *testing.T) {
	s := server(t, devcluster.StoreVersityGW)
	const crc64, crc32c = v1alpha1.PayloadTrailingCRC64NVME, v1alpha1.PayloadTrailingCRC32C
	for name, tc := range map[string]struct {
		known, want v1alpha1.PayloadMode
		status      int // of parts in CRC64NVME
		err         error
	}{
		"a better one works":     {crc32c, crc32c, 0, nil},
		"it breaks":              {crc64, "", http.StatusInternalServerError, filestore.ErrUnavailable},
		"it is refused":          {crc64, crc32c, http.StatusNotImplemented, nil},
		"it works":               {crc64, crc64, 0, nil},
		"another one is refused": {crc32c, crc32c, http.StatusNotImplemented, nil},
	} {
		t.Run(name, func(t *testing.T) {
			c := meddle(t, s, func(w http.ResponseWriter, r *http.Request) bool {
				return tc.status != 0 && isPart(r) && r.Header.Get("X-Amz-Trailer") == "x-amz-checksum-crc64nvme" && answer(w, r, tc.status, "")
			})
			c.PayloadMode = tc.known
			caps, err := connect(t, c).Probe(t.Context())
			if !errors.Is(err, tc.err) || caps.PayloadMode != tc.want {
				t.Errorf("Probe = %q, %v; want %q, %v", caps.PayloadMode, err, tc.want, tc.err)
			}
			wantNothingLeft(t, s)
		})
	}
}

// TestProbeFindsConditions: a backend that ignores a condition, or does not know it, has none.
func TestProbeFindsConditions(t *testing.T) {
	s := server(t, devcluster.StoreMinIO)
	for name, tc := range map[string]struct {
		fault func(http.ResponseWriter, *http.Request) bool
		want  bool
	}{
		"both": {func(http.ResponseWriter, *http.Request) bool { return false }, true},
		"ignores If-None-Match": {func(_ http.ResponseWriter, r *http.Request) bool {
			if isComplete(r) && r.Header.Get("If-None-Match") != "" {
				r.Header.Del("If-None-Match")
				resign(s, r)
			}
			return false
		}, false},
		"ignores If-Match": {func(_ http.ResponseWriter, r *http.Request) bool {
			if isComplete(r) && r.Header.Get("If-Match") != "" {
				r.Header.Del("If-Match")
				resign(s, r)
			}
			return false
		}, false},
		"refuses If-Match": {func(w http.ResponseWriter, r *http.Request) bool {
			return isComplete(r) && r.Header.Get("If-Match") != "" && answer(w, r, 501, "NotImplemented")
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			caps, err := connect(t, meddle(t, s, tc.fault)).Probe(t.Context())
			if err != nil || caps.ConditionalComplete == nil || *caps.ConditionalComplete != tc.want {
				t.Errorf("Probe = %+v, %v; want conditionalComplete %v", caps, err, tc.want)
			}
			wantNothingLeft(t, s)
		})
	}
}

func TestProbeFindsListing(t *testing.T) {
	s := server(t, devcluster.StoreVersityGW)
	for name, tc := range map[string]struct {
		status int
		code   string
	}{"not implemented": {501, "NotImplemented"}, "not allowed": {403, "AccessDenied"}} {
		t.Run(name, func(t *testing.T) {
			c := meddle(t, s, func(w http.ResponseWriter, r *http.Request) bool {
				return r.Method == http.MethodGet && r.URL.Query().Has("uploads") && answer(w, r, tc.status, tc.code)
			})
			caps, err := connect(t, c).Probe(t.Context())
			if err != nil || caps.UploadListing != v1alpha1.UploadListingNone {
				t.Errorf("Probe = %+v, %v", caps, err)
			}
			wantNothingLeft(t, s)
		})
	}
}

// TestProbeSweeps: what a probe that died has left, a later one removes, but not what is young.
func TestProbeSweeps(t *testing.T) {
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) { testProbeSweeps(t, kind, "", 3) })
		t.Run(string(kind)+"/OtherKeys", func(t *testing.T) { testProbeSweeps(t, kind, "-segment", 1) })
	}
}

// testProbeSweeps has a probe die at the nth part of a key that holds a text.
func testProbeSweeps(t *testing.T, kind devcluster.StoreKind, key string, nth int32) {
	s := server(t, kind)
	dead := errors.New("the process died")
	ctx, die := context.WithCancelCause(t.Context())
	var parts atomic.Int32
	c := meddle(t, s, func(w http.ResponseWriter, r *http.Request) bool {
		if isPart(r) && strings.Contains(r.URL.Path, key) && parts.Add(1) == nth {
			die(dead)
		}
		return ctx.Err() != nil && answer(w, r, 503, "SlowDown") // it cannot clean up either
	})
	if _, err := connect(t, c).Probe(ctx); !errors.Is(err, dead) {
		t.Fatalf("the probe that was to die: %v", err)
	}
	if objects, uploads := leftovers(t, s); objects == 0 || uploads == 0 {
		t.Fatalf("the probe that died has left %d objects and %d uploads", objects, uploads)
	}
	later := connect(t, config(s, ""))
	if _, err := later.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	if objects, uploads := leftovers(t, s); objects == 0 || uploads == 0 {
		t.Error("a probe that may still be running was swept")
	}
	s3.SetLeftoverAge(later, -time.Minute)
	if _, err := later.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantNothingLeft(t, s)
}

// TestProbeLosesAnAnswer: an upload whose opening had no good answer is aborted all the same, also
// one that is opened after the probe has cleaned up.
func TestProbeLosesAnAnswer(t *testing.T) {
	for _, kind := range kinds {
		for _, key := range []string{"", "-1024/", "-segment256/"} {
			for _, lost := range []string{"connection", "busy", "error", "late"} {
				t.Run(string(kind)+"/"+lost+key, func(t *testing.T) { testProbeLosesAnAnswer(t, kind, key, lost) })
			}
		}
	}
}

// testProbeLosesAnAnswer spoils the answer to the first opening of an upload of a key that holds a
// text.
func testProbeLosesAnAnswer(t *testing.T, kind devcluster.StoreKind, key, lost string) {
	s := server(t, kind)
	var opened []string // keys
	opening := func() {}
	c := meddle(t, s, func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPost || !r.URL.Query().Has("uploads") || !strings.Contains(r.URL.Path, key) || len(opened) > 0 {
			return false
		}
		opened = append(opened, strings.TrimPrefix(r.URL.Path, "/"+bucket+"/"))
		opening = func() { passOn(t, s, r.Clone(context.Background())) }
		if lost != "late" {
			opening()
			opening = func() {}
		}
		switch lost {
		case "busy":
			return answer(w, r, http.StatusServiceUnavailable, "SlowDown")
		case "error":
			return answer(w, r, http.StatusInternalServerError, "InternalError")
		}
		panic(http.ErrAbortHandler)
	})
	_, err := connect(t, c).Probe(t.Context())
	if opening(); len(opened) == 0 {
		t.Fatalf("no such upload was opened: %v", err)
	}
	sweeper := connect(t, config(s, ""))
	s3.SetLeftoverAge(sweeper, -time.Minute)
	if _, err := sweeper.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantNothingLeft(t, s)
	dirs, err := s.UploadDirs(t.Context(), bucket, opened...)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range dirs {
		if d.Key == opened[0] {
			t.Errorf("an upload of %.80q is left on the disk", d.Key)
		}
	}
}

// passOn has the backend do a request without a body.
func passOn(t *testing.T, s *devcluster.ObjectStore, r *http.Request) {
	target, err := url.Parse(s.Endpoint)
	if err != nil {
		t.Error(err)
		return
	}
	r.URL.Scheme, r.URL.Host, r.RequestURI = "http", target.Host, ""
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Error(err)
		return
	}
	if _ = response.Body.Close(); response.StatusCode != http.StatusOK {
		t.Errorf("the backend answers %s", response.Status)
	}
}

func wantNothingLeft(t *testing.T, s *devcluster.ObjectStore) {
	t.Helper()
	if objects, uploads := leftovers(t, s); objects > 0 || uploads > 0 {
		t.Errorf("%d objects and %d uploads of probes are left", objects, uploads)
	}
}

// leftovers counts what probes have left, by another client. Uploads are listed by prefix where
// that works, else by the keys of the objects.
func leftovers(t *testing.T, s *devcluster.ObjectStore) (objects, uploads int) {
	t.Helper()
	client, err := minio.NewCore(hostOf(t, s.Endpoint), &minio.Options{Creds: credentials.NewStaticV4(s.AccessKey, s.SecretKey, ""), Region: s.Region})
	if err != nil {
		t.Fatal(err)
	}
	dir := "probes/.iotfile-probe/"
	prefixes := []string{dir}
	for o := range client.Client.ListObjects(t.Context(), bucket, minio.ListObjectsOptions{Prefix: dir, Recursive: true}) {
		if o.Err != nil {
			t.Fatal(o.Err)
		}
		objects++
		if s.Kind == devcluster.StoreMinIO {
			prefixes = append(prefixes, s3.ProbeKeys(o.Key)...)
		}
	}
	for _, prefix := range prefixes {
		page, err := client.ListMultipartUploads(t.Context(), bucket, prefix, "", "", "", 1000)
		if err != nil {
			t.Fatal(err)
		}
		uploads += len(page.Uploads)
	}
	return objects, uploads
}
