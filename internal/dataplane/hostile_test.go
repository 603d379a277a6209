package dataplane_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/memory"
)

// nothingLeft fails the test if object storage or the cluster holds anything of the tenant.
func (s *system) nothingLeft() {
	s.t.Helper()
	store := s.store.(*memory.Store)
	must(s.t, store.ListObjects(s.t.Context(), "", "", func(o filestore.Object) bool {
		if o.Key != filestore.ClaimKey { // which is the cluster's
			s.t.Errorf("object storage holds %q", o.Key)
		}
		return true
	}))
	if uploads, records := store.OpenUploads(), s.records(); len(uploads)+len(records) > 0 {
		s.t.Errorf("left behind: uploads %v, %d records", uploads, len(records))
	}
}

// TestHostilePaths: whatever a path is spelled like, it is refused, or is one clean file; nothing
// is redirected and nothing is left.
func TestHostilePaths(t *testing.T) {
	s := newSystem(t, setup{})
	files := "/api/iotfile/v3/files/"
	long := strings.Repeat("a", 1100)
	for _, tt := range []struct {
		path   string
		status int // 0 for a 400 of net/http itself, which is not JSON
	}{
		{files + entity + "/../x", 400},
		{files + entity + "/%2e%2e/x", 400},
		{files + entity + "/%2E./x", 400},
		{files + entity + "/a/..%2fx", 400},
		{files + entity + "/a/%2e%2e%2fx", 400},
		{files + entity + "/a%2f..%2fx", 400},
		{files + entity + "/%c0%ae%c0%ae/x", 400}, // overlong UTF-8
		{files + entity + "/%e0%80%ae%e0%80%ae/x", 400},
		{files + entity + "/%ff", 400},
		{files + entity + "/.", 400},
		{files + entity + "/./x", 400},
		{files + entity + "//x", 400},
		{files + entity + "/x/", 400},
		{files + entity + "/", 400},
		{files + entity + "/x%00.bin", 400},
		{files + entity + "/%0d%0aX-Injected:%201", 400},
		{files + entity + "/%7f", 400},
		{files + entity + "/%C2%85", 400},
		{files + entity + "/%EF%BF%BF", 400},
		{files + entity + "/%ed%a0%80", 400}, // half a surrogate pair
		{files + entity + "/" + long, 400},
		{files + entity + "/" + strings.Repeat("%E6%97%A5", 350), 400},
		{files + entity + "/x%", 0},
		{files + entity + "/x%zz", 0},
		{files + entity + "/x%2", 0},
		{files + strings.ToUpper(entity) + "/x", 400},
		{files + entity + "0/x", 400},
		{files + entity[1:] + "/x", 400},
		{files + "../" + entity + "/x", 400},
		{files + "%2e%2e/x", 400},
		{files + entity + "%00/x", 400},
		{files + entity + "%2fx", 400},
		{"/api/iotfile/v3/../v3/files/" + entity + "/x", 404},
		{"/api//iotfile/v3/files/" + entity + "/x", 404},
		{"/api/iotfile/v3/FILES/" + entity + "/x", 404},
		{files + entity + "/x?part=", 400},
		{files + entity + "/x?part=0", 400},
		{files + entity + "/x?part=%2B1", 400},
		{files + entity + "/x?part=+1", 400},
		{files + entity + "/x?part=01", 400},
		{files + entity + "/x?part=1e3", 400},
		{files + entity + "/x?part=0x1", 400},
		{files + entity + "/x?part=1_0", 400},
		{files + entity + "/x?part=1.0", 400},
		{files + entity + "/x?part=-1", 400},
		{files + entity + "/x?part=1001", 400},
		{files + entity + "/x?part=9223372036854775808", 400},
		{files + entity + "/x?part=18446744073709551617", 400},
		{files + entity + "/x?part=%D9%A1", 400}, // an Arabic one
		{files + entity + "/x?part=1%00", 400},
		{files + entity + "/x?part=1&part=1", 400},
		{files + entity + "/x?part=1&upload=start", 400},
		{files + entity + "/x?upload", 400},
		{files + entity + "/x?upload=START", 400},
		{files + entity + "/x?upload=start%00", 400},
		{files + entity + "/x?upload=start;part=1", 400},
		{files + entity + "/x?%zz", 400},
		{files + entity + "/x?" + strings.Repeat("a&", 7_000) + "part=0", 400},
	} {
		c := s.dial()
		c.head(s, "PUT", tt.path, "Content-Length: 2000", "Expect: 100-continue")
		got := c.reply()
		want := tt.status
		if want == 0 {
			want = 400
		}
		if got.status != want || !got.closes || got.header.Get("Location") != "" || got.header.Get("X-Injected") != "" {
			t.Errorf("%.120q: %v, want %d", tt.path, got, want)
		}
		if tt.status != 0 {
			checkErrorBody(t, got)
		}
	}
	s.nothingLeft()
}

// TestHostileHeads: requests that no client library sends get an error of ours or of net/http,
// within bounds, and leave nothing behind.
func TestHostileHeads(t *testing.T) {
	s := newSystem(t, setup{})
	put := "PUT /namespaces/" + s.namespace + s.path("x")
	body := strings.Repeat("x", 2000)
	for name, request := range map[string]string{
		"two lengths":            put + " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n" + body,
		"odd coding":             put + " HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: xchunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		"coding with a tab":      put + " HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding:\tchunked\r\nTransfer-Encoding: identity\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		"space before the colon": put + " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length : 5\r\n\r\nhello",
		"folded header":          put + " HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\r\n Content-Length: 5\r\n\r\nhello",
		"negative length":        put + " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -5\r\n\r\nhello",
		"signed length":          put + " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: +5\r\n\r\nhello",
		"hexadecimal length":     put + " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0x5\r\n\r\nhello",
		"endless length":         put + " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999999999999999\r\n\r\nhello",
		"huge length":            put + " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9223372036854775807\r\n\r\nhello",
		"no host":                put + " HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
		"two hosts":              put + " HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: u\r\nContent-Length: 5\r\n\r\nhello",
		"NUL in a header":        put + " HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\x00b\r\nContent-Length: 5\r\n\r\nhello",
		"bare CR":                put + " HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\rContent-Length: 5\r\n\r\n",
		"unknown expectation":    put + " HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: 200-ok\r\nContent-Length: 5\r\n\r\nhello",
		"a header of 64 KiB":     put + " HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + strings.Repeat("a", 64<<10) + "\r\nContent-Length: 5\r\n\r\nhello",
		"10000 headers":          put + " HTTP/1.1\r\nHost: 127.0.0.1\r\n" + strings.Repeat("X: a\r\n", 10_000) + "Content-Length: 5\r\n\r\nhello",
		"HTTP/3":                 put + " HTTP/3.0\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/2 preface":         "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"TLS":                    "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + body,
		"upgrade":                put + " HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nContent-Length: 0\r\n\r\n",
		"an absolute address":    "PUT http://u" + s.path("//x") + " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\n\r\nhello",
		"connect":                "CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
		"no path":                "PUT * HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\n\r\nhello",
		"If-Match twice":         put + " HTTP/1.1\r\nHost: 127.0.0.1\r\nIf-Match: 0\r\nIf-Match: 1\r\nContent-Length: 5\r\n\r\nhello",
		"If-Match of any":        put + " HTTP/1.1\r\nHost: 127.0.0.1\r\nIf-Match: *\r\nContent-Length: 5\r\n\r\nhello",
		"If-Match beyond":        put + " HTTP/1.1\r\nHost: 127.0.0.1\r\nIf-Match: 9223372036854775808\r\nContent-Length: 5\r\n\r\nhello",
		"media type of 300":      put + " HTTP/1.1\r\nHost: 127.0.0.1\r\ntype: " + strings.Repeat("a", 300) + "\r\nContent-Length: 5\r\n\r\nhello",
		"media type with a tab":  put + " HTTP/1.1\r\nHost: 127.0.0.1\r\ntype: a\tb\r\nContent-Length: 5\r\n\r\nhello",
	} {
		t.Run(name, func(t *testing.T) {
			c := s.dial()
			_, _ = io.WriteString(c, request) // the server may close first
			resp, err := http.ReadResponse(c.reader, nil)
			switch {
			case err != nil:
				t.Fatalf("no answer: %v", err)
			case resp.StatusCode < 400 || resp.StatusCode >= 600 || resp.StatusCode == http.StatusInternalServerError:
				t.Errorf("answered with %s", resp.Status)
			}
			resp.Body.Close()
		})
	}
	s.nothingLeft()
}

// TestLengthAndChunks: of two lengths of a body the chunks count, and what stands behind it is no
// request (RFC 9112, 6.1).
func TestLengthAndChunks(t *testing.T) {
	s := newSystem(t, setup{})
	for i, lengths := range []string{"Content-Length: 5\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 5", "Transfer-Encoding: chunked"} {
		c, file := s.dial(), s.path(fmt.Sprintf("x-%d", i))
		c.head(s, "PUT", file, lengths)
		_, err := io.WriteString(c, "3\r\nabc\r\n0\r\n\r\nDELETE /namespaces/"+s.namespace+file+" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
		must(t, err)
		if got := c.reply(); got.status != 201 || !got.closes {
			t.Errorf("%q: %v (closes: %v), want 201 and the end", lengths, got, got.closes)
		}
		if got := c.reply(); got.err == nil {
			t.Errorf("%q: a second answer: %v", lengths, got)
		}
		if got := s.want(s.get(file), 200); string(got.body) != "abc" {
			t.Errorf("%q: the file is %q", lengths, got.body)
		}
	}
}

// TestSlowLoris: neither headers nor bodies that trickle hold a connection, or a place among the
// parts in flight, for ever.
func TestSlowLoris(t *testing.T) {
	s := newSystem(t, setup{options: func(o *dataplane.Options) {
		o.MaxPartsInFlight, o.MinBodyRate, o.BodyGrace = 1, 100_000, time.Second
	}})
	trickle := func(c *raw) {
		for {
			time.Sleep(20 * time.Millisecond)
			if _, err := c.Write([]byte("x")); err != nil {
				return
			}
		}
	}
	body := s.dial()
	body.head(s, "PUT", s.path("x"), "Content-Length: 1000000")
	go trickle(body)
	if got := body.reply(); got.status != 408 {
		t.Errorf("a body that trickles: %v", got)
	}
	s.eventually("the place free again", func() error { // also of the part that was in flight
		if got := s.put(s.path("y"), []byte("fast")); got.status != 201 {
			return fmt.Errorf("%v", got)
		}
		return nil
	})
	s.want(s.do(http.MethodDelete, s.path("y"), nil), 204)

	head := s.dial()
	_, err := io.WriteString(head, "GET /openapi.yaml HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ")
	must(t, err)
	go trickle(head)
	if _, err := io.Copy(io.Discard, head.reader); isTimeout(err) {
		t.Error("a header that trickles holds its connection")
	}
	s.nothingLeft()
}

// isTimeout reports whether the test itself gave up.
func isTimeout(err error) bool {
	netErr, ok := err.(net.Error) //nolint:errorlint // as net gives it
	return ok && netErr.Timeout()
}

// TestIdleConnections: what a connection costs that does nothing, and that thousands of them keep
// nobody out.
func TestIdleConnections(t *testing.T) {
	var limit syscall.Rlimit
	must(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	count := min(10_000, (int(min(limit.Cur, 1<<20))-1000)/2) // both ends are in this process
	if testing.Short() || count < 1000 {
		t.Skipf("needs thousands of files open at once, the limit is %d", limit.Cur)
	}
	s := newSystem(t, setup{})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	conns := make([]net.Conn, count)
	defer func() {
		for _, c := range conns {
			if c != nil {
				c.Close()
			}
		}
	}()
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Go(func() {
			buffer := make([]byte, 1024)
			for i := w; i < count; i += 16 {
				conn, err := net.Dial("tcp", s.addr)
				if err == nil {
					conns[i] = conn
					_, err = io.WriteString(conn, "HEAD /openapi.yaml HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
				}
				if err == nil {
					_, err = conn.Read(buffer)
				}
				if err != nil {
					t.Errorf("connection %d: %v", i, err)
					return
				}
			}
		})
	}
	wg.Wait()
	runtime.GC()
	runtime.ReadMemStats(&after)
	used := after.HeapInuse + after.StackInuse - before.HeapInuse - before.StackInuse
	t.Logf("%d idle connections: %d KiB each, both ends", count, used/uint64(count)>>10)
	if used/uint64(count) > 48<<10 {
		t.Errorf("an idle connection costs %d bytes", used/uint64(count))
	}
	s.want(s.put(s.path("x"), []byte("still served")), 201)
}

// TestRepeatedEnds: deletions and aborts may be sent twice, at once and later; each is answered,
// and at least one did it.
func TestRepeatedEnds(t *testing.T) {
	s := newSystem(t, setup{})
	for round := range 10 {
		s.started("x")
		counts := statuses(4, func(int) reply { return s.put(s.path("x?upload=abort"), nil) })
		if counts[204] == 0 || counts[204]+counts[404] != 4 {
			t.Fatalf("round %d: aborts at once: %v", round, counts)
		}
		s.want(s.put(s.path("x?upload=abort"), nil), 404)
		s.want(s.put(s.path("x"), []byte("x")), 201)
		counts = statuses(4, func(int) reply { return s.do(http.MethodDelete, s.path("x"), nil) })
		if counts[204] == 0 || counts[204]+counts[404] != 4 {
			t.Fatalf("round %d: deletions at once: %v", round, counts)
		}
		s.want(s.do(http.MethodDelete, s.path("x"), nil), 404)
	}
	// A deletion whose answer is lost is found done.
	s.want(s.put(s.path("x"), []byte("x")), 201)
	s.store.(*memory.Store).Inject(memory.Fault{Operation: memory.DeleteObject, Times: 1, After: memory.Fail(filestore.ErrUnavailable)})
	s.want(s.do(http.MethodDelete, s.path("x"), nil), 502)
	s.want(s.do(http.MethodDelete, s.path("x"), nil), 404)
	s.nothingLeft()
}

// TestHalfClosed: a client that closes its side after the request cannot be told from one that has
// left. It gets an answer that HTTP knows, nothing of a request that was given up is left, and one
// that can be recognised gets its result when it is sent again.
func TestHalfClosed(t *testing.T) {
	store := memory.New(memory.Options{MinPartSize: -1})
	s := newSystem(t, setup{store: store})
	send := func(fault memory.Fault, path, body string) {
		t.Helper()
		remove := store.Inject(fault)
		defer remove()
		c := s.dial()
		c.head(s, "PUT", s.path(path), fmt.Sprintf("Content-Length: %d", len(body)), "Idempotency-Key: k")
		_, _ = io.WriteString(c, body)
		must(t, c.CloseWrite())
		got := c.reply()
		if got.status != 400 || !strings.Contains(string(got.body), "closed the connection") {
			t.Errorf("%s: %v", path, got)
		}
		checkErrorBody(t, got)
	}
	hold := make(chan struct{})
	send(memory.Fault{Operation: memory.CreateUpload, Before: memory.WaitFor(hold)}, "x?upload=start", "")
	close(hold)
	s.want(s.put(s.path("x?upload=start"), nil, "Idempotency-Key", "k"), 201)
	s.want(s.put(s.path("x?upload=abort"), nil, "Idempotency-Key", "k"), 204)

	send(memory.Fault{Operation: memory.PutObject, After: memory.Hang}, "y", "stored")
	s.want(s.put(s.path("y"), []byte("stored"), "Idempotency-Key", "k"), 201)
	s.want(s.do(http.MethodDelete, s.path("y"), nil), 204)
	s.nothingLeft()
	if n := len(s.log.with(`"status"=499`)); n != 2 {
		t.Errorf("%d log lines tell that the client left, want 2", n)
	}
}

// TestPartNumberLimit: the highest part number is the FileStore's to say, and the body of the
// completion may be one higher.
func TestPartNumberLimit(t *testing.T) {
	s := newSystem(t, setup{limits: &v1alpha1.FileStoreLimits{MinPartSize: ptr.To(resource.MustParse("1")), MaxPartNumber: ptr.To(int32(9999))}})
	s.want(s.put(s.path("x?upload=start"), nil), 201)
	s.want(s.put(s.path("x?part=1001"), []byte("x")), 201)
	s.want(s.put(s.path("x?part=9999"), []byte("x")), 201)
	got := s.want(s.put(s.path("x?part=10000"), []byte("x")), 400)
	if !strings.Contains(string(got.body), "1 to 9999") {
		t.Errorf("beyond the limit: %v", got)
	}
	s.want(s.put(s.path("x?upload=abort"), nil), 204)
}
