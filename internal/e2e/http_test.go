package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
)

const longAgo = "Fri, 02 Jan 1970 03:04:06 GMT"

// TestContentHeaders: the headers of the content are kept by object storage and served, also those
// that an S3 tool has stored, and never for shared caches.
func TestContentHeaders(t *testing.T) {
	onEachStore(t, func(t *testing.T, tn *tenant) {
		sent := []string{
			"Content-Encoding", "gzip", "Content-Language", "de, en", "Content-Disposition", `attachment; filename="50% x.bin"`, "Cache-Control", "public, max-age=60",
		}
		put, parts, foreign := tn.newFile("put.gz"), tn.newFile("parts.gz"), tn.newFile("foreign.gz")
		content := random(partSize + 1000)
		put.must(t, 201, http.MethodPut, "", content, sent...)
		parts.must(t, 201, http.MethodPut, "?upload=start", nil, sent...)
		if u := parts.mustRecord(t); u.Spec.ContentEncoding != "gzip" || u.Spec.ContentLanguage != "de, en" || u.Spec.CacheControl != "public, max-age=60" || u.Spec.ContentDisposition != sent[5] {
			t.Errorf("the record has %+v", u.Spec)
		}
		parts.must(t, 201, http.MethodPut, "?part=1", content[:partSize])
		parts.must(t, 201, http.MethodPut, "?upload=complete", content[partSize:])
		_, err := tn.s3.PutObject(t.Context(), bucket, foreign.key(), bytes.NewReader(content), int64(len(content)), "", "", minio.PutObjectOptions{
			ContentType: "text/plain", ContentEncoding: "gzip", ContentLanguage: "de, en", ContentDisposition: sent[5], CacheControl: "public, max-age=60",
		})
		if err != nil {
			t.Fatal(err)
		}
		for name, f := range map[string]*file{"put": put, "parts": parts, "foreign": foreign} {
			for _, tt := range []struct {
				method string
				status int
				header []string
				want   []byte
			}{
				{http.MethodGet, 200, nil, content}, {http.MethodHead, 200, nil, nil}, {http.MethodGet, 206, []string{"Range", "bytes=5-9"}, content[5:10]},
			} {
				a := f.must(t, tt.status, tt.method, "", nil, append(tt.header, "Accept-Encoding", "identity")...)
				if !bytes.Equal(a.body, tt.want) {
					t.Errorf("%s: %s gives %d bytes that are not those that were stored", name, tt.method, len(a.body))
				}
				for header, want := range map[string]string{
					"Content-Encoding": "gzip", "Content-Language": "de, en", "Content-Disposition": sent[5], "Cache-Control": "private, max-age=60",
				} {
					if got := a.header.Get(header); got != want {
						t.Errorf("%s: %s %s: %s is %q, want %q", name, tt.method, tt.header, header, got, want)
					}
				}
			}
		}
		put.must(t, 415, http.MethodPut, "", content, "If-Match", "0", "Content-Encoding", "aws-chunked")
	})
}

// TestChunkedBodies: a body of unknown length becomes a file, a part and the last part.
func TestChunkedBodies(t *testing.T) {
	onEachStore(t, func(t *testing.T, tn *tenant) {
		one, two := random(partSize+1), random(16*mib)
		send := func(f *file, query string, status int, content []byte) {
			t.Helper()
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, f.url("files", query), io.MultiReader(bytes.NewReader(content)))
			if err != nil {
				t.Fatal(err)
			}
			req.ContentLength = -1
			req.Header.Set("Authorization", "Bearer "+tn.token)
			res, err := httpClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = res.Body.Close() }()
			if body, _ := io.ReadAll(res.Body); res.StatusCode != status {
				t.Fatalf("%s: %d, not %d: %s", query, res.StatusCode, status, body)
			}
		}
		put, parts := tn.newFile("put.bin"), tn.newFile("parts.bin")
		send(put, "", 201, one)
		parts.must(t, 201, http.MethodPut, "?upload=start", nil)
		send(parts, "?part=1", 201, two)
		send(parts, "?upload=complete", 201, one)
		send(tn.newFile("large.bin"), "", 413, append(two, 'x'))
		if a := put.must(t, 200, http.MethodGet, "", nil); !bytes.Equal(a.body, one) {
			t.Errorf("%d bytes became %d others", len(one), len(a.body))
		}
		if a := parts.must(t, 200, http.MethodGet, "", nil); !bytes.Equal(a.body, append(bytes.Clone(two), one...)) {
			t.Errorf("the parts became %d other bytes", len(a.body))
		}
	})
}

// TestWritesKeepTheirConditions: what HTTP's conditions forbid does not happen, and what a header
// or a query says that nobody can do is refused.
func TestWritesKeepTheirConditions(t *testing.T) {
	onEachStore(t, func(t *testing.T, tn *tenant) {
		f := tn.newFile("a/b.bin")
		f.must(t, 201, http.MethodPut, "", []byte("zero"), "If-None-Match", "*")
		for _, headers := range [][]string{{"If-Unmodified-Since", longAgo}, {"If-None-Match", "*"}, {"If-None-Match", "0"}} {
			f.must(t, 409, http.MethodDelete, "", nil, headers...)
		}
		f.must(t, 409, http.MethodPut, "", []byte("one"), "If-Match", "0", "If-None-Match", "*")
		f.must(t, 409, http.MethodPut, "?upload=start", nil, "If-Match", "0", "If-None-Match", "0")
		f.must(t, 400, http.MethodPut, "", []byte("one"), "If-Match", "0", "Content-Range", "bytes 0-2/3")
		for _, query := range []string{"?Part=1", "?partNumber=1&uploadId=x", "?uploads"} {
			f.must(t, 400, http.MethodPut, query, []byte("one"), "If-Match", "0")
		}
		f.must(t, 400, http.MethodDelete, "?uploadId=x", nil)
		// Two versions, of one second as a rule: the date tells nothing.
		modified := f.must(t, 200, http.MethodHead, "", nil).header.Get("Last-Modified")
		f.must(t, 204, http.MethodPut, "", []byte("ONE!"), "If-Match", "0")
		a := f.must(t, 200, http.MethodGet, "", nil, "Range", "bytes=2-", "If-Range", modified)
		if string(a.body) != "ONE!" {
			t.Errorf("after an update, If-Range of the date before gives %q", a.body)
		}
		// A later version has a second of its own.
		eventually(t, "the second is over", func() error {
			if at, err := http.ParseTime(f.must(t, 200, http.MethodHead, "", nil).header.Get("Last-Modified")); err != nil || time.Since(at) < 2*time.Second {
				return io.ErrNoProgress
			}
			return nil
		})
		f.must(t, 204, http.MethodPut, "?upload=start", nil, "If-Match", "1")
		f.must(t, 204, http.MethodPut, "?upload=complete", []byte("TWO!"))
		modified = f.must(t, 200, http.MethodHead, "", nil).header.Get("Last-Modified")
		if a := f.must(t, 206, http.MethodGet, "", nil, "Range", "bytes=2-", "If-Range", modified); string(a.body) != "O!" {
			t.Errorf("by its date, the rest of the file is %q", a.body)
		}
		f.must(t, 204, http.MethodDelete, "", nil, "If-Unmodified-Since", modified)
	})
}

// TestAnyTypeAndTime: a type that is no media type is listed and not served, a time keeps its
// milliseconds, and each element of the listing is whole.
func TestAnyTypeAndTime(t *testing.T) {
	onEachStore(t, func(t *testing.T, tn *tenant) {
		put := tn.newFile("put")
		parts, wild := &file{tn, put.entity, "parts"}, &file{tn, put.entity, "wild"}
		given := []string{"type", "engine log", "timestamp", "2026-01-02T03:04:05.678Z"}
		put.must(t, 201, http.MethodPut, "", []byte("x"), given...)
		parts.must(t, 201, http.MethodPut, "?upload=start", nil, given...)
		parts.must(t, 201, http.MethodPut, "?upload=complete", []byte("xx"))
		wild.must(t, 201, http.MethodPut, "", []byte("xxx"), "Content-Type", "*/*")
		for _, f := range []*file{put, parts} {
			h := f.must(t, 200, http.MethodGet, "", nil).header
			if h.Get("Content-Type") != "application/octet-stream" || h.Get("timestamp") != "2026-01-02T03:04:05.678Z" {
				t.Errorf("%s: %v", f.path, h)
			}
		}
		a := put.mustAt(t, 200, http.MethodGet, strings.TrimSuffix(put.url("files", ""), "/put")+"?order=size", nil)
		var files []listedFile
		if err := json.Unmarshal(a.body, &files); err != nil || len(files) != 3 {
			t.Fatalf("%v: %s", err, a.body)
		}
		for i, f := range files {
			f.checkWhole(t, tn.namespace)
			want := []string{"engine log", "engine log", "application/octet-stream"}[i]
			if f.Type != want || (i < 2) != (f.Timestamp == "2026-01-02T03:04:05.678Z") || (i == 2) != (f.Timestamp == f.Updated) {
				t.Errorf("%+v", f)
			}
		}
	})
}

// TestCredentialsAreReadOneWay: a good token that is sent in a way that others might read
// differently is refused.
func TestCredentialsAreReadOneWay(t *testing.T) {
	f := system.tenants[0].newFile("x")
	for i, values := range [][]string{
		{"Bearer  " + f.token}, {"Bearer " + f.token + " "}, {"Bearer " + f.token + " x"}, {"Bearer " + f.token, "Bearer " + f.token}, {"Bearer " + f.token, "Basic eDp5"},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.url("files", ""), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header["Authorization"] = values
		res, err := httpClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		want := http.StatusUnauthorized
		if i == 1 {
			want = http.StatusNotFound // blanks at the end are no part of a header
		}
		if res.StatusCode != want {
			t.Errorf("case %s: %s, want %d", strconv.Itoa(i), res.Status, want)
		}
	}
}
