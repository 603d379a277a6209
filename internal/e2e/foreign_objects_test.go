package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"golang.org/x/sync/errgroup"
)

// give stores an object as somebody else would. It returns an error where the backend takes no such
// object.
func (f *file) give(t *testing.T, path, content, mediaType string, metadata map[string]string) error {
	t.Helper()
	_, err := f.s3.PutObject(t.Context(), bucket, f.namespace+"/"+f.entity+"/"+path, strings.NewReader(content), int64(len(content)), "", "",
		minio.PutObjectOptions{
			ContentType: mediaType, UserMetadata: metadata,
			// Signed in chunks, minio-go sends no bytes with Transfer-Encoding: chunked. versitygw
			// takes the end of that body for the next request of the connection, and refuses it.
			DisableContentSha256: true,
		})
	return err
}

// TestForeignObjects: whatever others put into the bucket beside the files, files are found, and
// what has an address of this API can be read and updated.
func TestForeignObjects(t *testing.T) {
	onEachStore(t, func(t *testing.T, tn *tenant) {
		f := tn.newFile("ours.txt")
		f.must(t, 201, http.MethodPut, "", []byte("ours"))
		good := []string{"amp&lt<.txt", "back\\slash", "percent%25", "pl+us", "q?mark", "quote'\"", "sp ace", "\u202e.txt"}
		for _, path := range good {
			if err := f.give(t, path, "foreign", "text/plain", nil); err != nil {
				t.Fatalf("%q: %v", path, err)
			}
		}
		for _, path := range []string{"x\x01y", "x\ny", "x\uFFFFy", "dir/", "a//b"} {
			_ = f.give(t, path, "no file of this API", "", nil) // some are refused by one backend or the other
		}
		if err := f.give(t, "odd-metadata", "foreign", "", map[string]string{"a!b": "c", "d&e": "<f>", "g'h": "&"}); err != nil {
			t.Fatal(err)
		}
		if err := f.give(t, "empty", "", "text/x-empty", nil); err != nil {
			t.Fatal(err)
		}
		good = append(good, "odd-metadata", "empty", f.path)
		slices.Sort(good)
		for _, query := range []string{"", "?order=name", "?order=etag", "?filter=" + url.QueryEscape("etag eq 0")} {
			hits, total := f.search(t, query)
			names := make([]string, 0, len(hits))
			for _, h := range hits {
				if h.Path != "a/" && h.Path != "dir/" { // what versitygw makes of a//b, and the S3 client of dir/
					names = append(names, h.Path+h.Name)
				}
			}
			slices.Sort(names)
			if !slices.Equal(names, good) || total != strconv.Itoa(len(hits)) {
				t.Errorf("%q: %q of %s, want %q", query, names, total, good)
			}
		}
		for _, path := range good {
			other := &file{f.tenant, f.entity, url.PathEscape(path)}
			other.must(t, 200, http.MethodGet, "", nil)
			other.must(t, 204, http.MethodPut, "", []byte("taken over"), "If-Match", "0")
			other.must(t, 204, http.MethodPut, "?upload=start", nil, "If-Match", "1")
			other.must(t, 204, http.MethodPut, "?upload=complete", []byte("and again"))
			other.must(t, 204, http.MethodDelete, "", nil)
		}
	})
}

// TestEmptyForeignObject: a file without a byte, which this API never makes, can be read and
// updated.
func TestEmptyForeignObject(t *testing.T) {
	onEachStore(t, func(t *testing.T, tn *tenant) {
		f := tn.newFile("empty")
		if err := f.give(t, f.path, "", "text/x-empty", nil); err != nil {
			t.Fatal(err)
		}
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			if a := f.must(t, 200, method, "", nil); a.header.Get("ETag") != "0" || a.header.Get("Content-Type") != "text/x-empty" || len(a.body) != 0 {
				t.Errorf("%s: %v", method, a.header)
			}
		}
		for _, rng := range []string{"bytes=0-", "bytes=0-0", "bytes=-1"} {
			if a := f.must(t, 416, http.MethodGet, "", nil, "Range", rng); a.header.Get("Content-Range") != "bytes */0" {
				t.Errorf("%s: %q", rng, a.header.Get("Content-Range"))
			}
		}
		f.must(t, 204, http.MethodPut, "", []byte("no longer"), "If-Match", "0")
	})
}

// TestMediaTypes: what the bytes are said to be changes nothing about how they are stored. Forms,
// which both backends would read as such, are refused.
func TestMediaTypes(t *testing.T) {
	onEachStore(t, func(t *testing.T, tn *tenant) {
		form := tn.newFile("form")
		form.must(t, 400, http.MethodPut, "", []byte("--x"), "Content-Type", "multipart/form-data; boundary=x")
		form.must(t, 400, http.MethodPut, "?upload=start", nil, "type", "Multipart/Form-Data")
		for _, kind := range []string{"multipart/mixed; boundary=x", "application/x-www-form-urlencoded", "application/xml", "no type at all"} {
			f := tn.newFile("typed")
			f.must(t, 201, http.MethodPut, "", []byte("the bytes"), "Content-Type", kind)
			served := kind
			if !strings.Contains(kind, "/") {
				served = "application/octet-stream"
			}
			if a := f.must(t, 200, http.MethodGet, "", nil); string(a.body) != "the bytes" || !strings.EqualFold(a.header.Get("Content-Type"), served) {
				t.Errorf("%s: %q as %s", kind, a.body, a.header.Get("Content-Type"))
			}
			f.must(t, 204, http.MethodPut, "?upload=start", nil, "If-Match", "0", "type", kind)
			f.must(t, 204, http.MethodPut, "?upload=complete", []byte("other bytes"))
			if a := f.must(t, 200, http.MethodGet, "", nil); string(a.body) != "other bytes" || !strings.EqualFold(a.header.Get("Content-Type"), served) {
				t.Errorf("%s: %q as %s", kind, a.body, a.header.Get("Content-Type"))
			}
		}
	})
}

// manyFiles is how many files TestSearchManyFiles makes: IOTFILE_SEARCH_FILES, or more than one
// page of a listing.
func manyFiles(t *testing.T) int {
	t.Helper()
	s := os.Getenv("IOTFILE_SEARCH_FILES")
	if s == "" {
		return 1500
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1001 || n > 10_500 {
		t.Fatalf("IOTFILE_SEARCH_FILES is %q: give a number from 1001 to 10500", s)
	}
	return n
}

// TestSearchManyFiles searches an entity whose listing has more than one page: each file is found
// once, in order, and counted.
func TestSearchManyFiles(t *testing.T) {
	onEachStore(t, func(t *testing.T, tn *tenant) {
		f, count := tn.newFile("any"), manyFiles(t)
		var group errgroup.Group
		group.SetLimit(16)
		for i := range count {
			group.Go(func() error {
				return f.give(t, fmt.Sprintf("d%d/f%05d", i%7, i), strings.Repeat("x", i%1000), "text/plain", map[string]string{"iotfile-version": strconv.Itoa(i % 5)})
			})
		}
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
		before := memoryKiB(t, "VmRSS:")
		f.pageThrough(t, count)
		for _, tt := range []struct {
			filter string
			want   int
		}{
			{"name gte f00100 and name lt f00200", 100},
			{"path eq d3", (count + 3) / 7},
			{"etag eq 4", count / 5},
			{"size lt 10 and type eq 'text/plain'", 10*(count/1000) + min(10, count%1000)},
		} {
			begin := time.Now()
			_, total := f.search(t, "?limit=1&order="+url.QueryEscape("etag desc")+"&filter="+url.QueryEscape(tt.filter))
			t.Logf("%d files, %s: %s of them, in %s", count, tt.filter, total, time.Since(begin).Round(time.Millisecond))
			if total != strconv.Itoa(tt.want) {
				t.Errorf("%s: %s files, want %d", tt.filter, total, tt.want)
			}
		}
		t.Logf("%d files: the operator's resident memory was %d MiB before the searches, %d MiB after, at most %d MiB ever",
			count, before>>10, memoryKiB(t, "VmRSS:")>>10, memoryKiB(t, "VmHWM:")>>10)
	})
}

// pageThrough reads all files, the last first, page by page.
func (f *file) pageThrough(t *testing.T, count int) {
	t.Helper()
	begin, seen := time.Now(), 0
	for offset := 0; offset < min(count, 10_000); offset += 500 {
		hits, total := f.search(t, fmt.Sprintf("?order=name+desc&offset=%d&limit=500", offset))
		if total != strconv.Itoa(count) {
			t.Fatalf("%s files in all, want %d", total, count)
		}
		for _, h := range hits {
			i := count - 1 - seen
			if h.Name != fmt.Sprintf("f%05d", i) || h.Path != fmt.Sprintf("d%d/", i%7) || h.Size != int64(i%1000) || h.ETag != int64(i%5) {
				t.Fatalf("file %d from the end is %+v", seen, h)
			}
			seen++
		}
	}
	if want := min(count, 10_500); seen != want {
		t.Errorf("%d files on all pages, want %d", seen, want)
	}
	t.Logf("%d files in pages of 500, ordered by name: %s", seen, time.Since(begin).Round(time.Millisecond))
}

// memoryKiB is a line of what Linux tells of the operator's memory, 0 elsewhere.
func memoryKiB(t *testing.T, line string) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", system.operator.PID()))
	if err != nil {
		return 0
	}
	for l := range bytes.Lines(status) {
		if fields := strings.Fields(string(l)); len(fields) > 1 && fields[0] == line {
			kib, _ := strconv.Atoi(fields[1])
			return kib
		}
	}
	return 0
}
