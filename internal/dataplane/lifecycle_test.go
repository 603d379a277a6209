package dataplane_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"sync"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/memory"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

var uuidPattern = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func checkErrorBody(t testing.TB, got reply) {
	t.Helper()
	var body struct{ ID, Message string }
	decoder := json.NewDecoder(bytes.NewReader(got.body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&body); err != nil || !uuidPattern.MatchString(body.ID) || body.Message == "" {
		t.Errorf("not a proper error body: %s (%v)", got, err)
	}
	if ct := got.header.Get("Content-Type"); ct != "application/json" {
		t.Errorf("error with Content-Type %q", ct)
	}
}

// TestLifecycle takes a file through its whole life: parts in any order and at once, one sent
// twice, a small last one, an update.
func TestLifecycle(t *testing.T) {
	s := newSystem(t, setup{})
	file := s.path("a/b%20c.bin")
	got := s.want(s.put(file+"?upload=start", nil, "type", "application/zip", "Content-Type", "text/plain", "description", "größe", "timestamp", "2026-01-02T03:04:05+0100"), 201)
	if len(got.body) != 0 {
		t.Errorf("start: body %q, want none", got.body)
	}
	if got := s.want(s.get(s.list("a/b%20c.bin")), 200); string(got.body) != "[]" {
		t.Errorf("no parts: %s, want []", got.body)
	}
	const parts = 12
	content := make([][]byte, parts+1)
	var wg sync.WaitGroup
	s.want(s.put(file+"?part=3", randomBytes(4096)), 201) // replaced below
	for i := range parts {
		content[i] = randomBytes(64<<10 + i)
		wg.Go(func() {
			if got := s.put(fmt.Sprintf("%s?part=%d", file, i+1), content[i]); got.status != 201 || got.header.Get("X-Part-ETag") == "" {
				t.Errorf("part %d: %v", i+1, got)
			}
		})
	}
	wg.Wait()
	checkPartsList(t, s, parts)
	content[parts] = []byte("x")
	got = s.want(s.put(file+"?upload=complete", content[parts]), 201)
	checkCompleted(t, got, "0", "/namespaces/"+s.namespace+file)
	whole := bytes.Join(content, nil)
	got = s.want(s.get(file), 200)
	if !bytes.Equal(got.body, whole) {
		t.Errorf("downloaded %d bytes that differ from the %d sent", len(got.body), len(whole))
	}
	for key, want := range map[string]string{
		"ETag": "0", "Content-Type": "application/zip", "Accept-Ranges": "bytes", "description": "größe", "timestamp": "2026-01-02T02:04:05Z",
		"X-Content-Type-Options": "nosniff",
	} {
		if value := got.header.Get(key); value != want {
			t.Errorf("header %s: %q, want %q", key, value, want)
		}
	}
	s.want(s.get(s.list("a/b%20c.bin")), 404)

	// The update: 204 all the way, and an ETag one higher. Readers see the old file meanwhile.
	s.want(s.put(file+"?upload=start", nil), 409)
	s.want(s.put(file+"?upload=start", nil, "If-Match", "1"), 409)
	s.want(s.put(file+"?upload=start", nil, "If-Match", `"0"`), 204)
	second := randomBytes(2048)
	s.want(s.put(file+"?part=1", second, "If-Match", "3"), 409)
	s.want(s.put(file+"?part=1", second, "If-Match", "0"), 204)
	if got := s.get(file); !bytes.Equal(got.body, whole) || got.header.Get("ETag") != "0" {
		t.Error("the old file is not served while the new one is uploaded")
	}
	s.want(s.put(file+"?upload=complete", nil, "If-Match", "4"), 409)
	checkCompleted(t, s.want(s.put(file+"?upload=complete", nil, "If-Match", "0"), 204), "1", "/namespaces/"+s.namespace+file)
	if got := s.get(file); !bytes.Equal(got.body, second) || got.header.Get("ETag") != "1" {
		t.Error("the update is not served")
	}
}

func checkCompleted(t *testing.T, got reply, etag, location string) {
	t.Helper()
	if raw := got.header["Etag"]; len(raw) != 1 || raw[0] != etag {
		t.Errorf("complete: ETag %q, want %q", raw, etag)
	}
	if got.header.Get("Location") != location || len(got.body) != 0 {
		t.Errorf("complete: Location %q and body %q, want %q and none", got.header.Get("Location"), got.body, location)
	}
}

func checkPartsList(t *testing.T, s *system, parts int) {
	t.Helper()
	for _, alias := range []string{"fileslist", "filelist", "fileList"} {
		got := s.want(s.get("/api/iotfile/v3/"+alias+"/"+entity+"/a/b%20c.bin"), 200)
		var listed []struct {
			ObjectKey string
			PartNo    int
			Created   int64
		}
		must(t, json.Unmarshal(got.body, &listed))
		if len(listed) != parts {
			t.Fatalf("%s: %d parts listed, want %d", alias, len(listed), parts)
		}
		for i, p := range listed {
			if p.PartNo != i+1 || p.ObjectKey != s.namespace+"/"+entity+"/a/b c.bin" || p.Created < 1_600_000_000_000 {
				t.Errorf("%s: part %d is %+v", alias, i+1, p)
			}
		}
	}
}

// TestUploadByManifest shows that an upload of any name that kubectl made takes its bytes over
// REST.
func TestUploadByManifest(t *testing.T) {
	s := newSystem(t, setup{})
	create := func(name, path string) *v1alpha1.MultipartUpload {
		u := &v1alpha1.MultipartUpload{}
		u.Namespace, u.Name, u.Spec.EntityID, u.Spec.Path = s.namespace, name, entity, path
		must(t, s.kube.Create(t.Context(), u))
		s.eventually("open", func() error {
			must(t, s.kube.Get(t.Context(), client.ObjectKeyFromObject(u), u))
			if !upload.TakesParts(u) || s.get(s.list(path)).status != 200 {
				return fmt.Errorf("%s: %+v", name, u.Status)
			}
			return nil
		})
		return u
	}
	create("any-name", "by/manifest.bin")
	file := s.path("by/manifest.bin")
	s.want(s.put(file+"?upload=start", nil), 400)
	s.want(s.put(file+"?part=1", randomBytes(5000)), 201)
	s.want(s.put(file+"?upload=complete", nil), 201)
	s.want(s.get(file), 200)

	u := create("to-abort", "aborted.bin")
	s.want(s.put(s.path("aborted.bin")+"?part=1", randomBytes(5000)), 201)
	s.want(s.put(s.path("aborted.bin")+"?upload=abort", nil), 204)
	must(t, s.kube.Get(t.Context(), client.ObjectKeyFromObject(u), u)) // its owner deletes it, not the data plane
	if !upload.Ended(u) || upload.Completed(u) {
		t.Errorf("after the abort: %+v", u.Status)
	}
	s.want(s.put(s.path("aborted.bin")+"?upload=abort", nil), 404)
	s.want(s.put(s.path("aborted.bin")+"?upload=start", nil), 201)
	if open := s.store.(*memory.Store).OpenUploads(); len(open) != 1 {
		t.Errorf("%d uploads are open in the store, want 1", len(open))
	}
}

// TestAbort shows that parts and record are gone when the answer comes.
func TestAbort(t *testing.T) {
	s := newSystem(t, setup{})
	file := s.path("x")
	s.want(s.put(file+"?upload=abort", nil), 404)
	for range 3 {
		s.want(s.put(file+"?upload=start", nil), 201)
		s.want(s.put(file+"?part=1", randomBytes(2000)), 201)
		s.want(s.put(file+"?upload=abort", nil), 204)
		if open := s.store.(*memory.Store).OpenUploads(); len(open) != 0 || len(s.records()) != 0 {
			t.Fatalf("after the abort: %d uploads in the store, %d records", len(open), len(s.records()))
		}
		s.want(s.put(file+"?upload=abort", nil), 404)
		s.want(s.put(file+"?part=1", randomBytes(2000)), http.StatusConflict)
		s.want(s.get(s.list("x")), 404)
	}
	// A completed file is never touched.
	s.want(s.put(file+"?upload=start", nil), 201)
	s.want(s.put(file+"?upload=complete", []byte("whole")), 201)
	s.want(s.put(file+"?upload=abort", nil), 404)
	if got := s.get(file); string(got.body) != "whole" {
		t.Errorf("after an abort of nothing: %v", got)
	}
}
