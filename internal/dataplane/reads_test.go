package dataplane_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/iotfile-operator/iotfile-operator/internal/dataplane"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/memory"
	"github.com/iotfile-operator/iotfile-operator/internal/identity"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// TestSeveralRanges: the bytes of each, as RFC 9110 says, and the whole file for a client that asks
// for too much.
func TestSeveralRanges(t *testing.T) {
	s := newSystem(t, setup{})
	content := randomBytes(10_000)
	s.want(s.put(s.path("x"), content, "type", "text/plain"), 201)
	got := s.want(s.get(s.path("x"), "Range", "bytes=9000-9999, 0-9, 20000-, -0, 500-500"), 206)
	kind, params, err := mime.ParseMediaType(got.header.Get("Content-Type"))
	if err != nil || kind != "multipart/byteranges" || got.header.Get("Content-Length") != fmt.Sprint(len(got.body)) || got.header.Get("ETag") != "0" || got.header.Get("Content-Range") != "" {
		t.Fatalf("%v, %v", got.header, err)
	}
	reader := multipart.NewReader(bytes.NewReader(got.body), params["boundary"])
	for _, want := range []struct{ from, to int }{{9000, 10_000}, {0, 10}, {500, 501}} {
		part, err := reader.NextPart()
		must(t, err)
		body, err := io.ReadAll(part)
		must(t, err)
		if !bytes.Equal(body, content[want.from:want.to]) || part.Header.Get("Content-Range") != fmt.Sprintf("bytes %d-%d/10000", want.from, want.to-1) || part.Header.Get("Content-Type") != "text/plain" {
			t.Errorf("%+v: %d bytes, %v", want, len(body), part.Header)
		}
	}
	if _, err := reader.NextPart(); err != io.EOF {
		t.Errorf("after the last range: %v", err)
	}
	for _, header := range []string{"bytes=" + strings.Repeat("0-,", 1300) + "0-", "bytes=0-100,50-150", "bytes=0-0" + strings.Repeat(",9999-9999", 20)} {
		if got := s.want(s.get(s.path("x"), "Range", header), 200); !bytes.Equal(got.body, content) {
			t.Errorf("%.40s: %d bytes", header, len(got.body))
		}
	}
	if got := s.want(s.get(s.path("x"), "Range", "bytes=20000-30000,40000-"), 416); got.header.Get("Content-Range") != "bytes */10000" {
		t.Errorf("%v", got.header)
	}
}

// TestConditionalReads: 304 and 412 have no body of the file, and If-Range only continues the same
// version.
func TestConditionalReads(t *testing.T) {
	s := newSystem(t, setup{})
	s.want(s.put(s.path("x"), []byte("first"), "description", "a test"), 201)
	s.want(s.put(s.path("x"), []byte("second"), "If-Match", "0"), 204)
	modified := s.get(s.path("x")).header.Get("Last-Modified")
	for _, method := range []string{"GET", "HEAD"} {
		for _, tt := range []struct {
			name, value string
			status      int
		}{
			{"If-None-Match", "1", 304},
			{"If-None-Match", `"0", W/"1"`, 304},
			{"If-None-Match", "*", 304},
			{"If-None-Match", "0", 200},
			{"If-Modified-Since", modified, 304},
			{"If-Modified-Since", "Fri, 02 Jan 1970 03:04:06 GMT", 200},
			{"If-Match", "1", 200},
			{"If-Match", "0", 412},
			{"If-Match", "what", 412},
			{"If-Unmodified-Since", "Fri, 02 Jan 1970 03:04:06 GMT", 412},
		} {
			got := s.want(s.do(method, s.path("x"), nil, tt.name, tt.value), tt.status)
			if tt.status == 304 && (got.header.Get("ETag") != "1" || len(got.body) != 0 || got.header.Get("Content-Type") != "" || got.header.Get("Content-Length") != "") {
				t.Errorf("%s: %s: %v %q", tt.name, tt.value, got.header, got.body)
			}
		}
		s.want(s.do(method, s.path("none"), nil, "If-Match", "0"), 404)
		s.want(s.do(method, s.path("none"), nil, "If-None-Match", "*"), 404)
	}
	// Both versions may be of one second, which the date then does not tell apart.
	for ifRange, status := range map[string]int{"1": 206, `"1"`: 206, modified: 200, "0": 200, `W/"1"`: 200, "Fri, 02 Jan 1970 03:04:06 GMT": 200} {
		s.want(s.get(s.path("x"), "Range", "bytes=1-2", "If-Range", ifRange), status)
	}
	// A condition that fails comes before the range.
	s.want(s.get(s.path("x"), "Range", "bytes=1-2", "If-None-Match", "1"), 304)
	s.want(s.get(s.path("x"), "Range", "bytes=100-", "If-None-Match", "1"), 304)
}

// stepping gives an object in pieces, and looks at it anew for each, as a store does that reads
// from disk. Unlike the usual ones it does not keep the old bytes for those who read them.
type stepping struct {
	*memory.Store
	// middle is closed when a reader has had its first piece, goOn when it may have the next.
	middle, goOn chan struct{}
}

const piece = 64 << 10

// Open implements filestore.Reader.
func (s stepping) Open(ctx context.Context, seen filestore.Object, rng filestore.ByteRange) (io.ReadCloser, error) {
	first, err := s.Store.Open(ctx, seen, filestore.ByteRange{Offset: rng.Offset, Length: min(piece, rng.Length)})
	if err != nil || rng.Length <= piece {
		return first, err
	}
	var rest io.Reader
	later := readerFunc(func(p []byte) (int, error) {
		if rest == nil {
			close(s.middle)
			<-s.goOn
			body, err := s.Store.Open(ctx, seen, filestore.ByteRange{Offset: rng.Offset + piece, Length: rng.Length - piece})
			if err != nil {
				return 0, fmt.Errorf("%w: %w", io.ErrUnexpectedEOF, err)
			}
			rest = body
		}
		return rest.Read(p)
	})
	return struct {
		io.Reader
		io.Closer
	}{io.MultiReader(first, later), first}, nil
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// TestReplacedMidDownload: a file that is replaced while it is being sent is not mixed: the
// connection is cut.
func TestReplacedMidDownload(t *testing.T) {
	store := stepping{memory.New(memory.Options{MinPartSize: -1}), make(chan struct{}), make(chan struct{})}
	s := newSystem(t, setup{store: store})
	old, replacement := bytes.Repeat([]byte("o"), 10*piece), bytes.Repeat([]byte("n"), 10*piece)
	s.want(s.put(s.path("x"), old), 201)
	done := make(chan reply)
	go func() { done <- s.get(s.path("x")) }()
	<-store.middle
	s.want(s.put(s.path("x"), replacement, "If-Match", "0"), 204)
	close(store.goOn)
	got := <-done
	if got.status != 200 || got.err == nil || got.header.Get("ETag") != "0" || bytes.Contains(got.body, []byte("n")) {
		t.Errorf("status %d, ETag %s, error %v, %d bytes, of the new version: %v", got.status, got.header.Get("ETag"), got.err, len(got.body), bytes.Contains(got.body, []byte("n")))
	}
}

// TestReplacedBetweenRanges: the same, between two ranges of one answer.
func TestReplacedBetweenRanges(t *testing.T) {
	store := memory.New(memory.Options{MinPartSize: -1})
	s := newSystem(t, setup{store: store})
	s.want(s.put(s.path("x"), bytes.Repeat([]byte("o"), 1000)), 201)
	store.Inject(memory.Fault{Operation: memory.Open, Times: 2, Before: counted(2, func(context.Context) error {
		store.SetObject(s.key("x"), bytes.Repeat([]byte("n"), 1000), filestore.CreateUploadOptions{Metadata: upload.FileMetadata{Version: 1}.Encode()})
		return nil
	})})
	c := s.dial() // which does not send the request again by itself
	c.head(s, "GET", s.path("x"), "Range: bytes=0-9,900-999")
	if got := c.reply(); got.err == nil || bytes.Contains(got.body, []byte("nnn")) {
		t.Errorf("status %d, error %v, %q", got.status, got.err, got.body)
	}
}

// TestOpenAPIRoute: the description is served to anybody.
func TestOpenAPIRoute(t *testing.T) {
	s := newSystem(t, setup{options: func(o *dataplane.Options) { o.Authenticator = nobody{} }, noReadyProbe: true})
	base := &system{t: t, url: s.scheme + s.addr}
	got := base.want(base.get("/openapi.yaml"), 200)
	if got.header.Get("Content-Type") != "application/yaml" || !bytes.HasPrefix(got.body, []byte("openapi: 3.1")) {
		t.Errorf("%v: %.100s", got.header, got.body)
	}
	if head := base.want(base.do(http.MethodHead, "/openapi.yaml", nil), 200); head.header.Get("Content-Length") != fmt.Sprint(len(got.body)) || len(head.body) != 0 {
		t.Errorf("HEAD: %v", head.header)
	}
	base.want(base.put("/openapi.yaml", []byte("x")), 405)
	base.want(base.get("/openapi.yaml/"), 404)
	base.want(base.get("/api/iotfile/v3/files/"+entity), 401)
}

// nobody knows no token.
type nobody struct{}

// Authenticate implements dataplane.Authenticator.
func (nobody) Authenticate(*http.Request) (identity.Identity, error) {
	return identity.Identity{}, identity.ErrUnauthenticated
}

// TestVerbs: which right each request needs, any one of two where the request does not say whether
// it creates or updates.
func TestVerbs(t *testing.T) {
	var asked verbs
	s := newSystem(t, setup{options: func(o *dataplane.Options) { o.Authorizer = &asked }, noReadyProbe: true})
	search := "/api/iotfile/v3/files/" + entity
	for _, tt := range []struct{ method, path, ifMatch, verb string }{
		{"PUT", s.path("x"), "", "create"},
		{"PUT", s.path("x"), "0", "update"},
		{"PUT", s.path("x?upload=start"), "", "create"},
		{"PUT", s.path("x?part=1"), "0", "update"},
		{"PUT", s.path("x?part=1"), "", "create update"},
		{"PUT", s.path("x?upload=complete"), "", "create update"},
		{"PUT", s.path("x?upload=abort"), "", "create update"},
		{"DELETE", s.path("x"), "", "delete"},
		{"DELETE", s.path("x"), "0", "delete"},
		{"GET", s.path("x"), "", "get"},
		{"HEAD", s.path("x"), "0", "get"},
		{"GET", s.list("x"), "", "get"},
		{"GET", search, "", "list"},
		{"HEAD", search, "", "list"},
	} {
		headers := []string{}
		if tt.ifMatch != "" {
			headers = []string{"If-Match", tt.ifMatch}
		}
		got := s.do(tt.method, tt.path, strings.NewReader("x"), headers...)
		want := []string{}
		for verb := range strings.FieldsSeq(tt.verb) {
			want = append(want, verb+" "+s.namespace+" "+entity)
		}
		if all := asked.take(); got.status != 403 || !slices.Equal(all, want) {
			t.Errorf("%s %s If-Match %q: %v, asked %q, want %q", tt.method, tt.path, tt.ifMatch, got, all, want)
		}
	}
	if n := len(s.records()); n != 0 {
		t.Errorf("%d records", n)
	}
}

// verbs refuses everything and remembers what it was asked.
type verbs struct {
	mu    sync.Mutex
	asked []string
}

// Authorize implements dataplane.Authorizer.
func (v *verbs) Authorize(_ context.Context, _ identity.Identity, right identity.Right) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.asked = append(v.asked, right.Verb+" "+right.Namespace+" "+right.Name)
	return identity.ErrForbidden
}

// take gives what was asked since the last take, in order.
func (v *verbs) take() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	asked := v.asked
	v.asked = nil
	return asked
}
