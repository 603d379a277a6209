package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"
)

// TestFiles: a file in one request, its update, its ranges, its place in a search, and its end.
func TestFiles(t *testing.T) {
	onEachStore(t, func(t *testing.T, tn *tenant) {
		f := tn.newFile("logs/small.bin")
		one, two := random(3*mib+7), random(1000)
		a := f.must(t, 201, http.MethodPut, "", one, "Content-Type", "text/x-one", "description", "a small one", "timestamp", "2026-01-02T03:04:05Z")
		if etag := a.header["Etag"]; len(etag) != 1 || etag[0] != "0" || !strings.HasSuffix(a.header.Get("Location"), "/files/"+f.entity+"/logs/small.bin") {
			t.Errorf("created: ETag %q, Location %q", etag, a.header.Get("Location"))
		}
		if got := f.must(t, 200, http.MethodGet, "", nil); !bytes.Equal(got.body, one) || got.header.Get("Content-Type") != "text/x-one" {
			t.Errorf("read back %d bytes of %d, %v", len(got.body), len(one), got.header)
		}
		f.must(t, 409, http.MethodPut, "", two)
		f.must(t, 409, http.MethodPut, "", two, "If-Match", "7")
		f.must(t, 400, http.MethodPut, "", []byte{})
		f.must(t, 204, http.MethodPut, "", two, "If-Match", "0", "Idempotency-Key", "once")
		if a := f.must(t, 204, http.MethodPut, "", two, "If-Match", "0", "Idempotency-Key", "once"); a.header.Get("ETag") != "1" {
			t.Errorf("sent again: ETag %q", a.header.Get("ETag"))
		}
		f.checkReads(t, two)
		f.checkSearch(t)
		f.must(t, 204, http.MethodDelete, "", nil)
		f.must(t, 404, http.MethodDelete, "", nil)
		f.must(t, 404, http.MethodGet, "", nil)
		if _, err := f.s3.StatObject(t.Context(), bucket, f.key(), minio.StatObjectOptions{}); minio.ToErrorResponse(err).Code != "NoSuchKey" {
			t.Errorf("the object in the bucket: %v", err)
		}
	})
}

// key is where the file is stored.
func (f *file) key() string { return f.namespace + "/" + f.entity + "/" + f.path }

func (f *file) checkReads(t *testing.T, content []byte) {
	t.Helper()
	if a := f.must(t, 206, http.MethodGet, "", nil, "Range", "bytes=-10", "If-Range", "1"); !bytes.Equal(a.body, content[len(content)-10:]) {
		t.Errorf("the last bytes: %q", a.header.Get("Content-Range"))
	}
	f.must(t, 304, http.MethodGet, "", nil, "If-None-Match", `"1"`)
	f.must(t, 416, http.MethodGet, "", nil, "Range", "bytes=1000-")
}

// hit is a file that a search has found.
type hit struct {
	Name, Path, Type, Description, CreatedBy string
	Size                                     int64
	ETag                                     int64
}

func (f *file) search(t *testing.T, query string) ([]hit, string) {
	t.Helper()
	address := strings.TrimSuffix(f.url("files", ""), "/"+f.path) + query
	a := f.mustAt(t, 200, http.MethodGet, address, nil)
	var hits []hit
	if err := json.Unmarshal(a.body, &hits); err != nil {
		t.Fatal(err)
	}
	return hits, a.header.Get("X-Total-Count")
}

func (f *file) checkSearch(t *testing.T) {
	t.Helper()
	if _, err := f.s3.PutObject(t.Context(), bucket, f.namespace+"/"+f.entity+"/foreign.txt", strings.NewReader("of others"), 9, "", "", minio.PutObjectOptions{ContentType: "text/plain"}); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		other := &file{f.tenant, f.entity, fmt.Sprintf("many/%02d.txt", i)}
		other.must(t, 201, http.MethodPut, "", random(i+1))
	}
	hits, total := f.search(t, "?count=true")
	if len(hits) != 22 || total != "22" {
		t.Errorf("%d files of %s", len(hits), total)
	}
	hits, _ = f.search(t, "?filter="+url.QueryEscape("name eq 'small*' and size eq 1000"))
	if want := (hit{"small.bin", "logs/", "application/octet-stream", "", hits[0].CreatedBy, 1000, 1}); len(hits) != 1 || hits[0] != want || hits[0].CreatedBy == "" {
		t.Errorf("found %+v, want %+v", hits, want)
	}
	hits, total = f.search(t, "?limit=3&offset=1&order=size+desc&filter="+url.QueryEscape("path eq 'many'"))
	if len(hits) != 3 || total != "20" || hits[0].Size != 19 || hits[2].Size != 17 {
		t.Errorf("page %+v of %s", hits, total)
	}
	hits, _ = f.search(t, "?filter="+url.QueryEscape("type eq 'text/plain' and etag eq 0"))
	if len(hits) != 1 || hits[0].Name != "foreign.txt" || hits[0].Path != "" {
		t.Errorf("the file of others: %+v", hits)
	}
	foreign := &file{f.tenant, f.entity, "foreign.txt"}
	foreign.must(t, 204, http.MethodPut, "", []byte("taken over"), "If-Match", "0")
	if a := foreign.must(t, 200, http.MethodGet, "", nil); a.header.Get("ETag") != "1" {
		t.Errorf("after the update of a file of others: ETag %q", a.header.Get("ETag"))
	}
}
