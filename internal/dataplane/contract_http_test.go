package dataplane_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/memory"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// refusedUnread sends a request whose body nobody may ask for, and that must be refused.
func (s *system) refusedUnread(method, path string, status int, message string, headers ...string) {
	s.t.Helper()
	got := s.sized(method, path, unasked{s.t}, 2000, append([]string{"Expect", "100-continue"}, headers...)...)
	if got.status != status || !strings.Contains(string(got.body), message) {
		s.t.Errorf("%s %s %q: %v, want %d with %q", method, path, headers, got, status, message)
	}
}

// TestContentRangeOnPut: a PUT that says it is a piece of a file is refused (RFC 9110, 14.5),
// before its body.
func TestContentRangeOnPut(t *testing.T) {
	s := newSystem(t, setup{})
	s.started("open")
	for _, path := range []string{"new", "open?part=2", "open?upload=complete"} {
		s.refusedUnread(http.MethodPut, s.path(path), 400, "Content-Range", "Content-Range", "bytes 10-2009/2010")
	}
	for _, query := range []string{"?upload=start", "?upload=abort"} {
		s.want(s.put(s.path("open")+query, nil, "Content-Range", "bytes 0-0/1"), 400)
	}
	s.want(s.get(s.path("new")), 404)
	s.want(s.put(s.path("open?upload=abort"), nil), 204)
	s.nothingLeft()
}

// TestUnknownQueries: a query that nobody knows is no simple upload, and a DELETE with one deletes
// nothing.
func TestUnknownQueries(t *testing.T) {
	s := newSystem(t, setup{})
	s.want(s.put(s.path("kept"), []byte("kept")), 201)
	for _, query := range []string{"Part=1", "partNumber=1&uploadId=x", "uploads", "uploads=", "upload=start&x=1", "part=1&Upload=start", "x"} {
		s.refusedUnread(http.MethodPut, s.path("new?"+query), 400, "query parameter")
	}
	for _, query := range []string{"uploadId=x", "upload=abort", "part=1"} {
		s.want(s.do(http.MethodDelete, s.path("kept?"+query), nil), 400)
	}
	s.want(s.get(s.path("kept?anything=1")), 200)
	s.want(s.do(http.MethodDelete, s.path("kept?"), nil), 204)
	s.nothingLeft()
}

// TestEncodedSlashes: what a generated client makes of a slash is a slash, and nothing else is.
func TestEncodedSlashes(t *testing.T) {
	s := newSystem(t, setup{})
	location := func(path string) string { return "/namespaces/" + s.namespace + s.path(path) }
	checkCompleted(t, s.want(s.put(s.path("logs%2F2026%2f50%25%20x.bin"), []byte("one")), 201), "0", location("logs/2026/50%25%20x.bin"))
	checkCompleted(t, s.want(s.put(s.path("logs/2026/50%25%20x.bin"), []byte("two"), "If-Match", "0"), 204), "1", location("logs/2026/50%25%20x.bin"))
	checkCompleted(t, s.want(s.put(s.path("%6cogs%252F2026"), []byte("three")), 201), "0", location("logs%252F2026"))
	for path, want := range map[string]string{
		"logs/2026/50%25%20x.bin": "two", "logs%2f2026%2F50%25 x.bin": "two", "logs%252F2026": "three",
	} {
		if got := s.want(s.get(s.path(strings.ReplaceAll(path, " ", "%20"))), 200); string(got.body) != want {
			t.Errorf("%s: %v, want %s", path, got, want)
		}
	}
	hits, _ := s.search()
	if got := names(hits); got != "logs%2F2026 logs/2026/50% x.bin" {
		t.Errorf("the files are %q", got)
	}
	s.want(s.put(s.path("a%2Fb?upload=start"), nil), 201)
	s.want(s.put(s.path("a/b?part=1"), randomBytes(2000)), 201)
	s.want(s.get(s.list("a%2Fb")), 200)
	checkCompleted(t, s.want(s.put(s.path("a%2Fb?upload=complete"), nil), 201), "0", location("a/b"))
	for _, path := range []string{"%2Fa", "a%2F", "a%2F%2Fb", "a%2F/b", "..%2fa", "a%2F..", "a%2F.%2Fb", "a%2f%00"} {
		s.refusedUnread(http.MethodPut, s.path(path), 400, "path")
	}
	base := "/api/iotfile/v3/files/"
	s.refusedUnread(http.MethodPut, base+entity+"%2Fx", 400, "entityId")
	s.refusedUnread(http.MethodPut, base+"%2F"+entity+"/x", 400, "entityId")
	s.url = s.scheme + s.addr + "/namespaces/" + s.namespace + "%2Fx"
	s.refusedUnread(http.MethodPut, s.path("x"), 400, "namespace")
}

// TestMediaTypeRules: what is no media type does not become one.
func TestMediaTypeRules(t *testing.T) {
	s := newSystem(t, setup{})
	const unknown = "application/octet-stream"
	for i, tt := range []struct{ kind, contentType, listed, served string }{
		{"", "", unknown, unknown},
		{"", "*/*", unknown, unknown},
		{"", "application/*", unknown, unknown},
		{"", "*/*; q=0.8", unknown, unknown},
		{"", "text/plain", "text/plain", "text/plain"},
		{"*/*", "text/plain", "text/plain", "text/plain"},
		{"text/x-a", "*/*", "text/x-a", "text/x-a"},
		{"pdf", "text/plain", "pdf", unknown},
		{"", "no type at all", "no type at all", unknown},
		{"", "a/b/c", "a/b/c", "a/b/c"},
		{"", "application/vnd.x+json; charset=utf-8", "application/vnd.x+json; charset=utf-8", "application/vnd.x+json; charset=utf-8"},
	} {
		headers := []string{"Content-Type", tt.contentType, "type", tt.kind}
		for _, way := range []string{"put", "parts"} {
			file := fmt.Sprintf("%s-%02d", way, i)
			if way == "put" {
				s.want(s.put(s.path(file), []byte("x"), headers...), 201)
			} else {
				s.want(s.put(s.path(file+"?upload=start"), nil, headers...), 201)
				s.want(s.put(s.path(file+"?upload=complete"), []byte("x"), "Content-Type", "application/json"), 201)
			}
			if got := s.get(s.path(file)).header.Get("Content-Type"); got != tt.served {
				t.Errorf("%s: %+v is served as %q", way, tt, got)
			}
			if hits, _ := s.search("filter", "name eq "+file); len(hits) != 1 || hits[0].Type != tt.listed {
				t.Errorf("%s: %+v is listed as %+v", way, tt, hits)
			}
		}
	}
}

// contentHeaders are headers of a representation that are kept with the file.
var contentHeaders = []string{
	"Content-Encoding", "gzip", "Content-Language", "de, en", "Content-Disposition", `attachment; filename="50% x.bin"`, "Cache-Control", "max-age=60",
}

// TestContentHeaders: what is said of the content is kept with the file and served, in parts as in
// one request.
func TestContentHeaders(t *testing.T) {
	s := newSystem(t, setup{})
	s.want(s.put(s.path("put"), []byte("0123456789"), contentHeaders...), 201)
	s.want(s.put(s.path("parts?upload=start"), nil, contentHeaders...), 201)
	s.want(s.put(s.path("parts?upload=complete"), []byte("0123456789"), "Content-Encoding", "br", "Cache-Control", "public"), 201)
	s.store.(*memory.Store).SetObject(s.key("foreign"), []byte("0123456789"), filestore.CreateUploadOptions{
		ContentHeaders: filestore.ContentHeaders{
			ContentEncoding: "aws-chunked,gzip", ContentLanguage: "de, en", ContentDisposition: `attachment; filename="50% x.bin"`, CacheControl: "public, s-maxage=9, max-age=60",
		},
	})
	for _, file := range []string{"put", "parts", "foreign"} {
		want := map[string]string{
			"Content-Encoding": "gzip", "Content-Language": "de, en", "Content-Disposition": `attachment; filename="50% x.bin"`, "Cache-Control": "private, max-age=60",
		}
		check := func(what string, h http.Header, without ...string) {
			t.Helper()
			for name, value := range want {
				for _, not := range without {
					if name == not {
						value = ""
					}
				}
				if got := strings.Join(h.Values(name), "|"); got != value {
					t.Errorf("%s of %s: %s is %q, want %q", what, file, name, got, value)
				}
			}
		}
		raw := []string{"Accept-Encoding", "identity"} // or the client would decode
		check("GET", s.want(s.get(s.path(file), raw...), 200).header)
		check("HEAD", s.want(s.do(http.MethodHead, s.path(file), nil, raw...), 200).header)
		check("a range", s.want(s.get(s.path(file), append(raw, "Range", "bytes=1-2")...), 206).header)
		check("304", s.want(s.get(s.path(file), append(raw, "If-None-Match", "0")...), 304).header, "Content-Encoding", "Content-Language", "Content-Disposition")
		several := s.want(s.get(s.path(file), append(raw, "Range", "bytes=1-2,4-5")...), 206)
		check("ranges", several.header, "Content-Encoding", "Content-Language") // they are the parts'
		if n := strings.Count(string(several.body), "\r\nContent-Encoding: gzip\r\n"); n != 2 {
			t.Errorf("%s: %d of two ranges say how they are encoded:\n%s", file, n, several.body)
		}
	}
	// An update says anew what its content is.
	s.want(s.put(s.path("put"), []byte("new"), "If-Match", "0", "Content-Encoding", "identity"), 204)
	if h := s.get(s.path("put")).header; h.Get("Content-Encoding")+h.Get("Content-Language")+h.Get("Content-Disposition")+h.Get("Cache-Control") != "" {
		t.Errorf("after an update without them: %v", h)
	}
	for sent, served := range map[string]string{
		"no-store": "private, no-store", "private": "private", `private="Set-Cookie", no-cache`: "private, no-cache", "PUBLIC": "private", " , ,": "",
		`x="a, public", immutable`: `private, x="a, public", immutable`, "S-MaxAge=1, must-revalidate": "private, must-revalidate",
	} {
		cached := s.path("cached/" + url.PathEscape(sent))
		s.want(s.put(cached, []byte("x"), "Cache-Control", sent), 201)
		if got := s.get(cached).header.Get("Cache-Control"); got != served {
			t.Errorf("Cache-Control %q is served as %q, want %q", sent, got, served)
		}
	}
}

// TestContentHeaderRefusals: what cannot be kept is refused, and so is a body that is framed for
// S3.
func TestContentHeaderRefusals(t *testing.T) {
	s := newSystem(t, setup{})
	s.started("open")
	for _, path := range []string{"new", "open?part=2", "open?upload=complete"} {
		for _, headers := range [][]string{
			{"Content-Encoding", "aws-chunked"},
			{"Content-Encoding", "gzip, AWS-Chunked"},
			{"X-Amz-Content-Sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"},
			{"X-Amz-Content-Sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"},
			{"X-Amz-Decoded-Content-Length", "1000"},
		} {
			s.refusedUnread(http.MethodPut, s.path(path), 415, "aws-chunked", headers...)
		}
	}
	s.want(s.put(s.path("new?upload=start"), nil, "Content-Encoding", "aws-chunked"), 415)
	for name, limit := range map[string]int{"Content-Encoding": 255, "Content-Language": 255, "Cache-Control": 255, "Content-Disposition": 1024} {
		for i, value := range []string{strings.Repeat("x", limit+1), "größe", "a\tb"} {
			s.refusedUnread(http.MethodPut, s.path("new"), 400, name, name, value)
			s.want(s.put(s.path(fmt.Sprintf("new-%d?upload=start", i)), nil, name, value), 400)
		}
		s.want(s.put(s.path(name), []byte("x"), name, strings.Repeat("x", limit)), 201)
		s.want(s.put(s.path(name+"-parts?upload=start"), nil, name, strings.Repeat("x", limit)), 201)
		s.want(s.put(s.path(name+"-parts?upload=complete"), []byte("x")), 201)
	}
	s.want(s.put(s.path("plain"), []byte("x"), "X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"), 201)
}

// TestTimestamps: a time keeps its milliseconds, in parts as in one request, and what is no usable
// time is ignored.
func TestTimestamps(t *testing.T) {
	s := newSystem(t, setup{})
	for i, tt := range []struct{ sent, kept string }{
		{"2026-01-02T03:04:05.678Z", "2026-01-02T03:04:05.678Z"},
		{"2026-01-02T03:04:05.67+01:00", "2026-01-02T02:04:05.67Z"},
		{"2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"},
		{"2026-01-02T03:04:05,678Z", "2026-01-02T03:04:05.678Z"},
		{"9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"},
		{"9999-12-31T23:59:59-01:00", ""}, // a year of five digits, in UTC
		{"0001-01-01T00:00:00+01:00", ""}, // a year before the first
		{"0001-01-01T00:00:00Z", ""},
		{"0000-01-01T00:00:00Z", ""},
		{"2026-02-30T00:00:00Z", ""},
		{"Fri Jan 02 2026 03:04:05 GMT+0000", ""},
		{"1767323045678", ""},
		{"2026-01-02T03:04:05Z trailing", ""},
	} {
		put, parts := fmt.Sprintf("put-%02d", i), fmt.Sprintf("parts-%02d", i)
		s.want(s.put(s.path(put), []byte("x"), "timestamp", tt.sent), 201)
		s.want(s.put(s.path(parts+"?upload=start"), nil, "timestamp", tt.sent), 201)
		s.want(s.put(s.path(parts+"?upload=complete"), []byte("x")), 201)
		for _, file := range []string{put, parts} {
			if got := s.get(s.path(file)).header.Get("timestamp"); got != tt.kept {
				t.Errorf("%s: %q is kept as %q, want %q", file, tt.sent, got, tt.kept)
			}
		}
	}
}

// TestListingIsWhole: every file in a listing has all that clients of the real service read, also
// the files of others.
func TestListingIsWhole(t *testing.T) {
	store := memory.New(memory.Options{MinPartSize: -1})
	s := newSystem(t, setup{store: leanListing{store}})
	s.want(s.put(s.path("a/with"), []byte("x"), "timestamp", "2026-01-02T03:04:05.6Z", "description", "d"), 201)
	s.want(s.put(s.path("a/without"), []byte("x")), 201)
	store.SetObject(s.key("foreign"), []byte("x"), filestore.CreateUploadOptions{})
	var files []map[string]any
	got := s.want(s.get("/api/iotfile/v3/files/"+entity+"?order=name"), 200)
	if err := json.Unmarshal(got.body, &files); err != nil || len(files) != 3 {
		t.Fatalf("%v: %s", err, got.body)
	}
	for _, f := range files {
		for _, name := range []string{
			"name", "path", "type", "size", "timestamp", "created", "updated", "createdBy", "updatedBy", "description", "etag", "tenantId", "storagePrefix",
		} {
			if f[name] == nil {
				t.Errorf("%v has no %s", f["name"], name)
			}
		}
		if f["tenantId"] != s.namespace || f["storagePrefix"] != s.namespace {
			t.Errorf("%v: tenantId %v, storagePrefix %v", f["name"], f["tenantId"], f["storagePrefix"])
		}
		want := f["updated"]
		if f["name"] == "with" {
			want = "2026-01-02T03:04:05.600Z"
		}
		if f["timestamp"] != want {
			t.Errorf("%v: timestamp %v, want %v", f["name"], f["timestamp"], want)
		}
	}
	// What is shown is what is searched for.
	if hits, _ := s.search("filter", "timestamp gt '2026-01-03'", "order", "timestamp asc"); len(hits) != 2 {
		t.Errorf("%d files are newer, want the two without a time of their own", len(hits))
	}
	if h := s.get(s.path("a/without")).header; len(h["Timestamp"]) != 0 {
		t.Errorf("a download tells a timestamp that nobody gave: %v", h)
	}
}

// TestWhatAClientMustKnow: start tells how to cut the file, and the list of parts tells which part
// is which.
func TestWhatAClientMustKnow(t *testing.T) {
	s := newSystem(t, setup{})
	for _, query := range []string{"?upload=start", "?upload=start"} { // the repetition, too
		got := s.want(s.put(s.path("x")+query, nil, "Idempotency-Key", "k"), 201)
		for header, want := range map[string]string{"X-Part-Size-Min": "1024", "X-Part-Size-Max": strconv.Itoa(5 << 30), "X-Part-Number-Max": "1000"} {
			if got.header.Get(header) != want {
				t.Errorf("%s is %q, want %s", header, got.header.Get(header), want)
			}
		}
	}
	content := map[int][]byte{1: randomBytes(2000), 3: randomBytes(3000)}
	for number, part := range content {
		s.want(s.put(s.path(fmt.Sprintf("x?part=%d", number)), part), 201)
	}
	var parts []struct {
		ObjectKey, Checksum string
		PartNo              int
		Created, Size       int64
	}
	got := s.want(s.get(s.list("x")), 200)
	if err := json.Unmarshal(got.body, &parts); err != nil || len(parts) != 2 {
		t.Fatalf("%v: %s", err, got.body)
	}
	for _, p := range parts {
		if p.Size != int64(len(content[p.PartNo])) || p.Checksum != "crc64nvme:"+testkit.CRC64NVME(content[p.PartNo]) || p.ObjectKey == "" || p.Created == 0 {
			t.Errorf("part %+v", p)
		}
	}
}

// TestIfRangeWithADate: two versions of one second are not spliced, and a date that names one
// version alone is good.
func TestIfRangeWithADate(t *testing.T) {
	var now atomic.Int64
	set := func(ms int64) { now.Store(1_767_323_045_000 + ms) }
	set(100)
	store := memory.New(memory.Options{MinPartSize: -1, Now: func() time.Time { return time.UnixMilli(now.Load()) }})
	s := newSystem(t, setup{store: store})
	old := time.UnixMilli(now.Load()).Add(-time.Hour)
	read := func(file string, status int, body string) {
		t.Helper()
		modified := s.get(s.path(file)).header.Get("Last-Modified")
		if got := s.want(s.get(s.path(file), "Range", "bytes=2-", "If-Range", modified), status); string(got.body) != body {
			t.Errorf("%s: If-Range: %s gives %q, want %q", file, modified, got.body, body)
		}
		s.want(s.get(s.path(file), "Range", "bytes=2-", "If-Range", "Fri, 02 Jan 1970 03:04:06 GMT"), 200)
		s.want(s.get(s.path(file), "Range", "bytes=2-", "If-Range", "what"), 200)
	}
	s.want(s.put(s.path("x"), []byte("AAAA")), 201)
	read("x", 200, "AAAA") // another file may have been there, and gone, within the same second
	set(900)
	s.want(s.put(s.path("x"), []byte("BBBB"), "If-Match", "0"), 204)
	read("x", 200, "BBBB")
	set(5000)
	s.want(s.put(s.path("x"), []byte("CCCC"), "If-Match", "1"), 204)
	read("x", 206, "CC")
	s.want(s.put(s.path("x?upload=start"), nil, "If-Match", "2"), 204)
	set(7000)
	s.want(s.put(s.path("x?upload=complete"), []byte("DDDD")), 204)
	read("x", 206, "DD")
	s.want(s.put(s.path("x?upload=start"), nil, "If-Match", "3"), 204)
	s.want(s.put(s.path("x?upload=complete"), []byte("EEEE")), 204)
	read("x", 200, "EEEE")
	// A new file that took long to arrive had no predecessor in the second in which it was there.
	store.SetObject(s.key("slow"), []byte("FFFF"), filestore.CreateUploadOptions{Metadata: upload.FileMetadata{Created: old}.Encode()})
	read("slow", 206, "FF")
	store.SetObject(s.key("foreign"), []byte("GGGG"), filestore.CreateUploadOptions{})
	read("foreign", 200, "GGGG")
	if got := s.want(s.get(s.path("foreign"), "Range", "bytes=2-", "If-Range", "0"), 206); !bytes.Equal(got.body, []byte("GG")) {
		t.Errorf("by its ETag: %v", got)
	}
}
