package e2e

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

const (
	mib      = 1 << 20
	partSize = 8 * mib
)

// TestUpload is the main job: 100 MiB in parallel parts out of order, one of them sent twice with
// different bytes, the last one with the completing request, and back byte for byte.
func TestUpload(t *testing.T) {
	onEachStore(t, func(t *testing.T, tn *tenant) {
		content := random(100 * mib)
		f := tn.newFile("logs/2026/engine%20%C3%BC.bin")
		path := "logs/2026/engine ü.bin"
		f.must(t, 201, http.MethodPut, "?upload=start", nil, "Content-Type", "application/x-engine", "description", "a test run", "timestamp", "2026-01-02T03:04:05Z")
		if list := f.parts(t, "fileslist"); len(list) != 0 {
			t.Errorf("an upload without parts lists %v", list)
		}
		f.must(t, 201, http.MethodPut, "?part=3", random(partSize)) // replaced below (docs/rest-api.md, "Part")
		full := len(content) / partSize
		order := rand.Perm(full)
		var group errgroup.Group
		group.SetLimit(4)
		for _, i := range order {
			group.Go(func() error {
				a, err := f.do(t.Context(), http.MethodPut, f.url("files", fmt.Sprintf("?part=%d", i+1)), content[i*partSize:(i+1)*partSize])
				if err == nil && a.status != 201 {
					err = fmt.Errorf("part %d: %d %s", i+1, a.status, a.body)
				}
				return err
			})
		}
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
		for _, alias := range []string{"fileslist", "filelist", "fileList"} {
			list := f.parts(t, alias)
			if len(list) != full {
				t.Fatalf("%s lists %d parts, not %d", alias, len(list), full)
			}
			for i, p := range list {
				key := fmt.Sprintf("%s/%s/%s", tn.namespace, f.entity, path)
				if p.PartNo != i+1 || p.ObjectKey != key || time.Since(time.UnixMilli(p.Created)).Abs() > time.Hour {
					t.Errorf("%s lists %+v at place %d; the key should be %s", alias, p, i, key)
				}
			}
		}
		eventually(t, "progress is shown", func() error {
			list := tn.kubectl(t, "", "get", "mpu")
			if !strings.Contains(list, "96 MiB") || !strings.Contains(list, "Uploading") {
				return fmt.Errorf("kubectl get mpu prints:\n%s", list)
			}
			return nil
		})

		done := f.must(t, 201, http.MethodPut, "?upload=complete", content[full*partSize:])
		if etag := done.header.Get("ETag"); etag != "0" {
			t.Errorf("the new file has ETag %q, not 0", etag)
		}
		f.checkContent(t, content)
		head := f.must(t, 200, http.MethodHead, "", nil)
		for header, want := range map[string]string{
			"Content-Length": fmt.Sprint(len(content)), "Content-Type": "application/x-engine", "description": "a test run",
			"timestamp": "2026-01-02T03:04:05Z", "ETag": "0", "Accept-Ranges": "bytes",
		} {
			if got := head.header.Get(header); got != want {
				t.Errorf("HEAD: %s is %q, not %q", header, got, want)
			}
		}
		f.must(t, 201, http.MethodPut, "?upload=complete", content[full*partSize:]) // the answer got lost (docs/rest-api.md, "Complete")
		f.checkContent(t, content)
	})
}

// checkContent downloads the file whole and in ranges, and compares.
func (f *file) checkContent(t *testing.T, content []byte) {
	t.Helper()
	whole := f.must(t, 200, http.MethodGet, "", nil)
	if sha256.Sum256(whole.body) != sha256.Sum256(content) {
		t.Fatalf("the file has other bytes than were sent (%d, sent %d)", len(whole.body), len(content))
	}
	size := len(content)
	for _, r := range []struct {
		header     string
		start, end int
	}{
		{"bytes=0-0", 0, 1},
		{fmt.Sprintf("bytes=%d-%d", size/3, size/2), size / 3, size/2 + 1},
		{fmt.Sprintf("bytes=%d-", size-1000), size - 1000, size},
		{"bytes=-7", size - 7, size},
		{fmt.Sprintf("bytes=0-%d", 2*size), 0, size},
	} {
		a := f.must(t, 206, http.MethodGet, "", nil, "Range", r.header)
		if sha256.Sum256(a.body) != sha256.Sum256(content[r.start:r.end]) {
			t.Errorf("%s gives other bytes than were sent", r.header)
		}
		if got, want := a.header.Get("Content-Range"), fmt.Sprintf("bytes %d-%d/%d", r.start, r.end-1, size); got != want {
			t.Errorf("%s: Content-Range is %q, not %q", r.header, got, want)
		}
	}
	a := f.must(t, 416, http.MethodGet, "", nil, "Range", fmt.Sprintf("bytes=%d-", size))
	if got, want := a.header.Get("Content-Range"), fmt.Sprintf("bytes */%d", size); got != want {
		t.Errorf("416: Content-Range is %q, not %q", got, want)
	}
}

// TestUpdate replaces a file under If-Match: its version rises by one, and until then readers see
// the old one (docs/rest-api.md, "Versions").
func TestUpdate(t *testing.T) {
	onEachStore(t, func(t *testing.T, tn *tenant) {
		f := tn.newFile("a.bin")
		first, second := random(1000), random(2*partSize)
		f.must(t, 409, http.MethodPut, "?upload=start", nil, "If-Match", "0") // no file yet
		f.must(t, 201, http.MethodPut, "?upload=start", nil)
		f.must(t, 400, http.MethodPut, "?upload=start", nil) // already open, and it stays so
		f.must(t, 201, http.MethodPut, "?upload=complete", first)
		f.must(t, 409, http.MethodPut, "?upload=start", nil)                  // the file exists
		f.must(t, 409, http.MethodPut, "?upload=start", nil, "If-Match", "1") // stale
		f.must(t, 204, http.MethodPut, "?upload=start", nil, "If-Match", "0")
		f.must(t, 204, http.MethodPut, "?part=1", second[:partSize], "If-Match", `"0"`)
		f.must(t, 409, http.MethodPut, "?part=1", second[:partSize], "If-Match", "7")
		f.must(t, 204, http.MethodPut, "?part=2", second[partSize:], "If-Match", "0")
		if a := f.must(t, 200, http.MethodGet, "", nil); sha256.Sum256(a.body) != sha256.Sum256(first) || a.header.Get("ETag") != "0" {
			t.Error("before the update is complete, readers do not see the old file")
		}
		if a := f.must(t, 204, http.MethodPut, "?upload=complete", nil, "If-Match", "0"); a.header.Get("ETag") != "1" {
			t.Errorf("the updated file has ETag %q, not 1", a.header.Get("ETag"))
		}
		f.checkContent(t, second)
	})
}

// TestRefusals are requests that the contract refuses; none of them changes anything.
func TestRefusals(t *testing.T) {
	onEachStore(t, func(t *testing.T, tn *tenant) {
		f := tn.newFile("refused.bin")
		part := random(5 * mib)
		f.must(t, 409, http.MethodPut, "?part=1", part)          // none open
		f.must(t, 409, http.MethodPut, "?upload=complete", part) // none open
		f.must(t, 404, http.MethodPut, "?upload=abort", nil)     // none open
		f.mustAt(t, 404, http.MethodGet, f.url("fileslist", ""), nil)
		f.must(t, 404, http.MethodGet, "", nil)
		f.must(t, 400, http.MethodPut, "?upload=start", []byte("x"))
		f.must(t, 400, http.MethodPut, "?upload=begin", nil)
		f.must(t, 400, http.MethodPut, "?upload=start&part=1", nil)
		f.must(t, 201, http.MethodPut, "?upload=start", nil)
		f.must(t, 400, http.MethodPut, "?upload=complete", nil) // no part at all
		for _, n := range []string{"0", "1001", "-1", "+1", "01", "1e3", "9223372036854775808", "x", ""} {
			f.must(t, 400, http.MethodPut, "?part="+n, part)
		}
		f.must(t, 400, http.MethodPut, "?part=1", part[:5*mib-1])
		f.must(t, 201, http.MethodPut, "?part=1", part)
		f.must(t, 201, http.MethodPut, "?part=3", part)
		a := f.must(t, 400, http.MethodPut, "?upload=complete", nil)
		if !strings.Contains(string(a.body), "missing 2") {
			t.Errorf("the message does not name the missing part: %s", a.body)
		}
		if n := len(f.parts(t, "fileslist")); n != 2 {
			t.Errorf("after the refused complete there are %d parts, not 2", n)
		}
		f.must(t, 201, http.MethodPut, "?part=2", part)
		f.must(t, 201, http.MethodPut, "?upload=complete", nil) // a retry succeeds
		f.must(t, 404, http.MethodPut, "?upload=abort", nil)    // never touches a completed file
		if a := f.must(t, 200, http.MethodGet, "", nil); len(a.body) != 15*mib {
			t.Errorf("the file has %d bytes", len(a.body))
		}
		bad := tn.newFile("a//b")
		bad.must(t, 400, http.MethodPut, "?upload=start", nil)
		bad.entity = "XYZ"
		bad.must(t, 400, http.MethodPut, "?upload=start", nil)
	})
}

// TestOnlyTheFinalPart completes an upload without parts: the request's body is the whole file
// (docs/rest-api.md, "Complete").
func TestOnlyTheFinalPart(t *testing.T) {
	onEachStore(t, func(t *testing.T, tn *tenant) {
		f := tn.newFile("tiny.txt")
		f.must(t, 201, http.MethodPut, "?upload=start", nil)
		f.must(t, 201, http.MethodPut, "?upload=complete", []byte("x"))
		if a := f.must(t, 200, http.MethodGet, "", nil); string(a.body) != "x" {
			t.Errorf("the file holds %q", a.body)
		}
	})
}

// TestAbort deletes the parts and the record (docs/rest-api.md, "Abort"), and the path is free
// again.
func TestAbort(t *testing.T) {
	onEachStore(t, func(t *testing.T, tn *tenant) {
		f := tn.newFile("aborted.bin")
		f.must(t, 201, http.MethodPut, "?upload=start", nil)
		f.must(t, 201, http.MethodPut, "?part=1", random(partSize))
		f.must(t, 201, http.MethodPut, "?part=2", random(partSize))
		u := f.mustRecord(t)
		f.must(t, 204, http.MethodPut, "?upload=abort", nil)
		f.waitNoParts(t, u)
		f.waitNoRecord(t)
		f.must(t, 409, http.MethodPut, "?part=1", random(partSize))
		f.must(t, 404, http.MethodGet, "", nil)
		f.must(t, 201, http.MethodPut, "?upload=start", nil)
		f.must(t, 204, http.MethodPut, "?upload=abort", nil)
	})
}

// TestExpiry gives an upload that was started over REST a short ttl: its parts and, in the end, its
// path are free (docs/rest-api.md, "Start").
func TestExpiry(t *testing.T) {
	onEachStore(t, func(t *testing.T, tn *tenant) {
		f := tn.newFile("expired.bin")
		f.must(t, 201, http.MethodPut, "?upload=start", nil)
		f.must(t, 201, http.MethodPut, "?part=1", random(partSize))
		u := f.mustRecord(t)
		if got := u.Status.ExpirationTime.Sub(u.Status.StartTime.Time); got != 48*time.Hour {
			t.Errorf("by default an upload expires after %s, not 48h", got)
		}
		tn.kubectl(t, "", "patch", "mpu", u.Name, "--type=merge", "-p", `{"spec":{"ttl":"1s"}}`)
		tn.kubectl(t, "", "wait", "--for=jsonpath={.status.phase}=Expired", "mpu/"+u.Name, "--timeout=120s")
		f.waitNoParts(t, u)
		f.must(t, 409, http.MethodPut, "?part=1", random(partSize))
		f.must(t, 201, http.MethodPut, "?upload=start", nil) // the path is free again
		if again := f.mustRecord(t); again.UID == u.UID {
			t.Error("the second start did not make a record of its own")
		}
		f.must(t, 204, http.MethodPut, "?upload=abort", nil)
	})
}

// TestRestart kills the operator in the middle of an upload: what was acknowledged is kept, and the
// upload goes on.
func TestRestart(t *testing.T) {
	onEachStore(t, func(t *testing.T, tn *tenant) {
		content := random(2*partSize + 77)
		f := tn.newFile("restarted.bin")
		f.must(t, 201, http.MethodPut, "?upload=start", nil)
		f.must(t, 201, http.MethodPut, "?part=1", content[:partSize])
		restartOperator(t)
		f.must(t, 201, http.MethodPut, "?part=2", content[partSize:2*partSize])
		f.must(t, 201, http.MethodPut, "?upload=complete", content[2*partSize:])
		f.checkContent(t, content)
		u := f.mustRecord(t)
		if u.Status.Size == nil || *u.Status.Size != int64(len(content)) || u.Status.FileVersion == nil || *u.Status.FileVersion != 0 {
			t.Errorf("the status says size %v and version %v", u.Status.Size, u.Status.FileVersion)
		}
		if u.Status.Phase != v1alpha1.PhaseCompleted {
			t.Errorf("the phase is %s", u.Status.Phase)
		}
	})
}
