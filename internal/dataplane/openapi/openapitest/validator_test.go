package openapitest_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/openapi"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/openapi/openapitest"
)

const (
	entity   = "0123456789abcdef0123456789abcdef"
	fileURL  = "/api/iotfile/v3/files/" + entity + "/a/b.bin"
	id       = "d3681dcb-f5c1-449b-8cc7-6015f19ac906"
	anError  = `{"id":"` + id + `","message":"no"}`
	jsonType = "application/json"
	date     = "Fri, 02 Jan 2026 03:04:05 GMT"
	csp      = "default-src 'none'; sandbox"
	tag      = "3-9c56cc51b374c3ba"
)

// exchange is a request and its answer. Headers are name, value, name, value.
type exchange struct {
	name    string
	method  string
	url     string
	header  []string
	body    string
	status  int
	answer  []string
	content string
	// wrong is part of the complaint; empty if the exchange fits.
	wrong string
}

var (
	file   = []string{"ETag", "3", "Last-Modified", date, "Accept-Ranges", "bytes", "Content-Security-Policy", csp, "X-File-Tag", tag, "Content-Type", "text/plain"}
	failed = []string{"Content-Type", jsonType}
	parts  = `[{"objectKey":"default/` + entity + `/a/b.bin","partNo":1,"created":1795372349000,"size":5,"checksum":"crc64nvme:MN2ofvMjpIQ="}]`
	found  = `[{"name":"b.bin","path":"a/","type":"x/y","size":1,"timestamp":"2026-01-02T03:04:05Z","created":"2026-01-02T03:04:05Z","updated":"2026-01-02T03:04:05Z","createdBy":"c","updatedBy":"u","description":"d","etag":0,"tenantId":"default","storagePrefix":"default"}]`
	limits = []string{"X-Part-Size-Min", "5242880", "X-Part-Size-Max", "5368709120", "X-Part-Number-Max", "1000"}
	search = []string{"Content-Type", jsonType, "X-Total-Count", "1", "count", "1"}
)

func with(base []string, more ...string) []string {
	return append(append([]string{}, base...), more...)
}

var fitting = []exchange{
	{name: "start", method: "PUT", url: fileURL + "?upload=start", header: []string{"If-Match", `"3"`, "Idempotency-Key", "k", "timestamp", "yesterday"}, status: 204, answer: limits},
	{name: "start in a namespace", method: "PUT", url: "/namespaces/ns" + fileURL + "?upload=start", status: 201, answer: limits},
	{name: "start with content headers", method: "PUT", url: fileURL + "?upload=start", header: []string{"Content-Encoding", "gzip", "Cache-Control", "max-age=1", "If-None-Match", "*"}, status: 201, answer: limits},
	{name: "part", method: "PUT", url: fileURL + "?part=7", body: "x", status: 201, answer: []string{"X-Part-ETag", `"e"`}},
	{name: "complete", method: "PUT", url: fileURL + "?upload=complete", status: 201, answer: []string{"ETag", "0", "Location", fileURL}},
	{name: "abort", method: "PUT", url: fileURL + "?upload=abort", status: 204},
	{name: "simple", method: "PUT", url: fileURL, body: "x", status: 201, answer: []string{"ETag", "0", "Location", fileURL}},
	{name: "both part and upload", method: "PUT", url: fileURL + "?part=1&upload=start", status: 400, answer: failed, content: anError},
	{name: "a bad request is not judged", method: "PUT", url: fileURL + "?part=0", status: 400, answer: failed, content: anError},
	{name: "parts", method: "GET", url: strings.Replace(fileURL, "files", "fileslist", 1), status: 200, answer: failed, content: parts},
	{name: "parts by an alias", method: "GET", url: strings.Replace(fileURL, "files", "fileList", 1), status: 200, answer: failed, content: "[]"},
	{name: "file", method: "GET", url: fileURL, status: 200, answer: with(file, "description", "d", "timestamp", "2026-01-02T03:04:05Z"), content: "bytes"},
	{name: "a file of an S3 tool", method: "GET", url: fileURL, status: 200, answer: with(file, "Content-Encoding", "br", "Content-Language", "de", "Content-Disposition", "inline", "Cache-Control", "private, max-age=1"), content: "bytes"},
	{name: "a file of JSON that is none", method: "GET", url: fileURL, status: 200, answer: with(file[:10], "Content-Type", jsonType), content: "{"},
	{name: "a file of a strange type", method: "GET", url: fileURL, status: 200, answer: with(file[:10], "Content-Type", "strange"), content: "{"},
	{name: "range", method: "GET", url: fileURL, status: 206, answer: with(file, "Content-Range", "bytes 0-4/9"), content: "bytes"},
	{name: "ranges", method: "GET", url: fileURL, status: 206, answer: with(file[:10], "Content-Type", "multipart/byteranges; boundary=x"), content: "--x--"},
	{name: "condition", method: "GET", url: fileURL, header: []string{"If-Match", `"1", "2"`}, status: 412, answer: failed, content: anError},
	{name: "no such range", method: "GET", url: fileURL, status: 416, answer: with(failed, "Content-Range", "bytes */9"), content: anError},
	{name: "not modified", method: "GET", url: fileURL, status: 304, answer: []string{"ETag", "3"}},
	{name: "head", method: "HEAD", url: fileURL, status: 200, answer: file},
	{name: "head of nothing", method: "HEAD", url: fileURL, status: 404, answer: failed},
	{name: "delete", method: "DELETE", url: fileURL, status: 204},
	{name: "search", method: "GET", url: "/api/iotfile/v3/files/" + entity + "?filter=name+eq+x&limit=5", status: 200, answer: search, content: found},
	{name: "another address", method: "GET", url: "/", status: 404, answer: failed, content: anError},
	{name: "another method", method: "POST", url: fileURL, status: 405, answer: with(failed, "Allow", "GET, HEAD"), content: anError},
	{name: "document", method: "GET", url: "/openapi.yaml", status: 200, answer: []string{"Content-Type", "application/yaml"}, content: "openapi: 3.1.0"},
}

var unfitting = []exchange{
	{name: "status of another request", method: "PUT", url: fileURL + "?upload=start", status: 416, answer: failed, content: anError, wrong: "status is not documented"},
	{name: "start that does not tell the limits", method: "PUT", url: fileURL + "?upload=start", status: 201, wrong: "X-Part-Size-Min"},
	{name: "file for all caches", method: "GET", url: fileURL, status: 200, answer: with(file, "Cache-Control", "max-age=1"), content: "bytes", wrong: "cache-control"},
	{name: "listing without a timestamp", method: "GET", url: "/api/iotfile/v3/files/" + entity, status: 200, answer: search, content: strings.Replace(found, `"timestamp":"2026-01-02T03:04:05Z",`, "", 1), wrong: "timestamp"},
	{name: "status of no request", method: "PUT", url: fileURL + "?part=1", body: "x", status: 200, wrong: "status is not documented"},
	{name: "redirect", method: "PUT", url: fileURL + "?part=1", body: "x", status: 301, answer: []string{"Location", "/"}, wrong: "status is not documented"},
	{name: "internal error", method: "GET", url: fileURL, status: 500, answer: failed, content: anError, wrong: "always a fault"},
	{name: "ETag missing", method: "PUT", url: fileURL + "?upload=complete", status: 201, answer: []string{"Location", fileURL}, wrong: "ETag"},
	{name: "ETag quoted", method: "PUT", url: fileURL + "?upload=complete", status: 201, answer: []string{"ETag", `"0"`, "Location", fileURL}, wrong: "etag"},
	{name: "ETag negative", method: "GET", url: fileURL, status: 200, answer: with(file[2:], "ETag", "-1"), content: "x", wrong: "etag"},
	{name: "ETag missing on HEAD", method: "HEAD", url: fileURL, status: 200, answer: file[2:], wrong: "ETag"},
	{name: "Location elsewhere", method: "PUT", url: fileURL, body: "x", status: 201, answer: []string{"ETag", "0", "Location", "http://x/"}, wrong: "location"},
	{name: "Content-Range missing", method: "GET", url: fileURL, status: 206, answer: file, content: "x", wrong: "Content-Range"},
	{name: "Content-Range of several", method: "GET", url: fileURL, status: 206, answer: with(file[:10], "Content-Type", "multipart/byteranges; boundary=x", "Content-Range", "bytes 0-4/9"), content: "x", wrong: "Content-Range"},
	{name: "412 for a write", method: "PUT", url: fileURL, body: "x", status: 412, answer: failed, content: anError, wrong: "status is not documented"},
	{name: "Content-Range of the wrong kind", method: "GET", url: fileURL, status: 416, answer: with(failed, "Content-Range", "bytes 0-1/2"), content: anError, wrong: "content-range"},
	{name: "Retry-After missing", method: "PUT", url: fileURL + "?part=1", body: "x", status: 503, answer: failed, content: anError, wrong: "Retry-After"},
	{name: "Allow missing", method: "POST", url: fileURL, status: 405, answer: failed, content: anError, wrong: "Allow"},
	{name: "header nobody knows", method: "PUT", url: fileURL + "?upload=abort", status: 204, answer: []string{"X-Amz-Request-Id", "1"}, wrong: "X-Amz-Request-Id is not documented"},
	{name: "error in plain text", method: "GET", url: fileURL, status: 404, answer: []string{"Content-Type", "text/plain"}, content: "not found", wrong: "text/plain"},
	{name: "error without a type", method: "GET", url: fileURL, status: 404, content: anError, wrong: "404"},
	{name: "error that is not JSON", method: "GET", url: fileURL, status: 404, answer: failed, content: "{", wrong: "decoded"},
	{name: "error without a body", method: "GET", url: fileURL, status: 404, answer: failed, wrong: "missing"},
	{name: "error without a message", method: "GET", url: fileURL, status: 404, answer: failed, content: `{"id":"` + id + `"}`, wrong: "message"},
	{name: "error with an id that is none", method: "GET", url: fileURL, status: 404, answer: failed, content: `{"id":"7","message":"no"}`, wrong: "uuid"},
	{name: "error that tells more", method: "GET", url: fileURL, status: 404, answer: failed, content: strings.Replace(anError, "{", `{"stack":"x",`, 1), wrong: "stack"},
	{name: "body where there is none", method: "PUT", url: fileURL + "?upload=start", status: 201, content: "ok", wrong: "none is documented"},
	{name: "file without a type", method: "GET", url: fileURL, status: 200, answer: file[:10], content: "x", wrong: "no Content-Type"},
	{name: "parts as an object", method: "GET", url: strings.Replace(fileURL, "files", "fileslist", 1), status: 200, answer: failed, content: "{}", wrong: "array"},
	{name: "partNo as text", method: "GET", url: strings.Replace(fileURL, "files", "fileslist", 1), status: 200, answer: failed, content: strings.Replace(parts, `"partNo":1`, `"partNo":"1"`, 1), wrong: "integer"},
	{name: "total missing", method: "GET", url: "/api/iotfile/v3/files/" + entity, status: 200, answer: with(failed, "count", "1"), content: found, wrong: "X-Total-Count"},
	{name: "count missing", method: "GET", url: "/api/iotfile/v3/files/" + entity, status: 200, answer: search[:4], content: found, wrong: "count"},
	{name: "etag of a file as text", method: "GET", url: "/api/iotfile/v3/files/" + entity, status: 200, answer: search, content: strings.Replace(found, `"etag":0`, `"etag":"0"`, 1), wrong: "integer"},
	{name: "path of a file without slash", method: "GET", url: "/api/iotfile/v3/files/" + entity, status: 200, answer: search, content: strings.Replace(found, `"a/"`, `"a"`, 1), wrong: "path"},
	{name: "success for a bad entity", method: "PUT", url: strings.Replace(fileURL, "0123", "XYZ0", 1) + "?upload=abort", status: 204, wrong: "entityId"},
	{name: "success for a bad part number", method: "PUT", url: fileURL + "?part=10000", body: "x", status: 201, wrong: "9,999"},
	{name: "success for a bad If-Match", method: "PUT", url: fileURL + "?upload=start", header: []string{"If-Match", "*"}, status: 201, wrong: "If-Match"},
	{name: "success for a body too many", method: "PUT", url: fileURL + "?upload=start", body: "x", status: 201, wrong: "took a body"},
	{name: "success for a body too few", method: "PUT", url: fileURL + "?part=1", status: 201, wrong: "one is required"},
	{name: "success at another address", method: "GET", url: "/metrics", status: 200, answer: []string{"Content-Type", "text/plain"}, content: "x", wrong: "status is not documented"},
}

func newValidator(t *testing.T) *openapitest.Validator {
	t.Helper()
	v, err := openapitest.New(openapi.Document())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// do answers the exchange's request as it says, over a real connection.
func (e *exchange) do(t *testing.T, v *openapitest.Validator) ([]byte, error) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("X-Request-Id", id)
		h.Set("X-Content-Type-Options", "nosniff")
		h["Content-Type"] = nil // no guess
		for i := 0; i < len(e.answer); i += 2 {
			h.Set(e.answer[i], e.answer[i+1])
		}
		w.WriteHeader(e.status)
		_, _ = io.WriteString(w, e.content)
	}))
	defer server.Close()
	req, err := http.NewRequestWithContext(t.Context(), e.method, server.URL+e.url, strings.NewReader(e.body))
	if err != nil {
		t.Fatal(err)
	}
	if e.body == "" {
		req.Body, req.ContentLength = http.NoBody, 0
	}
	for i := 0; i < len(e.header); i += 2 {
		req.Header.Set(e.header[i], e.header[i+1])
	}
	client := http.Client{
		Transport:     v.Transport(http.DefaultTransport),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	return io.ReadAll(res.Body)
}

func TestFitting(t *testing.T) {
	v := newValidator(t)
	for _, e := range fitting {
		t.Run(e.name, func(t *testing.T) {
			body, err := e.do(t, v)
			if err != nil {
				t.Fatal(err)
			}
			if string(body) != e.content && e.method != http.MethodHead {
				t.Errorf("the body arrives as %q", body)
			}
		})
	}
}

func TestUnfitting(t *testing.T) {
	v := newValidator(t)
	for _, e := range unfitting {
		t.Run(e.name, func(t *testing.T) {
			_, err := e.do(t, v)
			if err == nil {
				t.Fatal("it is taken for right")
			}
			if !strings.Contains(err.Error(), e.wrong) {
				t.Errorf("the complaint does not tell of %q: %v", e.wrong, err)
			}
		})
	}
}

// endless fails the test when someone reads it.
type endless struct{ t *testing.T }

func (e endless) Read([]byte) (int, error) {
	e.t.Error("a binary body is read")
	return 0, errors.New("no")
}

// TestBinaryBodiesAreNotRead makes sure that files of any size pass.
func TestBinaryBodiesAreNotRead(t *testing.T) {
	v := newValidator(t)
	req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, fileURL, nil)
	for _, contentType := range []string{"application/octet-stream", jsonType, "text/json; charset=utf-8"} {
		res := &http.Response{StatusCode: http.StatusOK, ContentLength: 1 << 50, Body: io.NopCloser(endless{t}), Header: http.Header{
			"X-Request-Id": {id}, "X-Content-Type-Options": {"nosniff"}, "Content-Type": {contentType},
		}}
		for i := 0; i < 10; i += 2 {
			res.Header.Set(file[i], file[i+1])
		}
		if err := v.Check(req, res); err != nil {
			t.Errorf("%s: %v", contentType, err)
		}
	}
}

// TestNewRefuses makes sure that a document with a fault is none.
func TestNewRefuses(t *testing.T) {
	for name, change := range map[string][2]string{
		"a parameter nowhere":   {"in: path", "in: nowhere"},
		"a response without":    {"description: It is gone.", "comment: It is gone."},
		"a reference to naught": {"#/components/schemas/Error", "#/components/schemas/Mistake"},
		"no rule for the rest":  {"anythingElse:", "nothingElse:"},
	} {
		broken := bytes.ReplaceAll(openapi.Document(), []byte(change[0]), []byte(change[1]))
		if _, err := openapitest.New(broken); err == nil {
			t.Errorf("%s: it is taken", name)
		}
	}
}
