package dataplane_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/dataplane"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/memory"
)

// raw is a client that does what no library does.
type raw struct {
	t testing.TB
	net.Conn
	tcp    *net.TCPConn // below TLS
	reader *bufio.Reader
}

func (s *system) dial() *raw {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	must(s.t, err)
	s.t.Cleanup(func() { conn.Close() })
	must(s.t, conn.SetDeadline(time.Now().Add(time.Minute)))
	c := &raw{t: s.t, Conn: conn, tcp: conn.(*net.TCPConn)}
	if s.scheme == "https://" {
		c.Conn = tls.Client(conn, trusting)
	}
	c.reader = bufio.NewReader(c.Conn)
	return c
}

// CloseWrite ends what is sent, without a word of TLS: as of a client that is gone.
func (c *raw) CloseWrite() error { return c.tcp.CloseWrite() }

// trusting is of clients of servers on loopback.
var trusting = &tls.Config{InsecureSkipVerify: true}

// servingTLS is of a server for loopback.
func servingTLS(t testing.TB) *tls.Config {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	server.StartTLS() // for its certificate
	server.Close()
	return &tls.Config{Certificates: server.TLS.Certificates, DynamicRecordSizingDisabled: true}
}

// eachTransport runs a test over plain HTTP and over TLS.
func eachTransport(t *testing.T, test func(t *testing.T, overTLS bool)) {
	t.Run("plain", func(t *testing.T) { test(t, false) })
	t.Run("TLS", func(t *testing.T) { test(t, true) })
}

// head sends a request line and headers.
func (c *raw) head(s *system, method, path string, headers ...string) {
	c.t.Helper()
	lines := append([]string{method + " /namespaces/" + s.namespace + path + " HTTP/1.1", "Host: 127.0.0.1"}, headers...)
	_, err := io.WriteString(c, strings.Join(lines, "\r\n")+"\r\n\r\n")
	must(c.t, err)
}

func (c *raw) reply() reply {
	c.t.Helper()
	resp, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return reply{err: err}
	}
	defer resp.Body.Close()
	out := reply{status: resp.StatusCode, header: resp.Header, closes: resp.Close}
	out.body, out.err = io.ReadAll(resp.Body)
	return out
}

// started opens an upload of file whose part 1 is stored, and returns that part.
func (s *system) started(file string) []byte {
	s.t.Helper()
	part := randomBytes(100 << 10)
	s.want(s.put(s.path(file)+"?upload=start", nil), 201)
	s.want(s.put(s.path(file)+"?part=1", part), 201)
	return part
}

// intact completes the file and compares it.
func (s *system) intact(file string, content []byte) {
	s.t.Helper()
	s.want(s.put(s.path(file)+"?upload=complete", nil), 201)
	if got := s.get(s.path(file)); !bytes.Equal(got.body, content) {
		s.t.Errorf("the file has %d bytes that are not the %d that were acknowledged", len(got.body), len(content))
	}
}

// TestExpectContinue: what can be refused is refused before the body is asked for, and a good body
// is asked for.
func TestExpectContinue(t *testing.T) { eachTransport(t, testExpectContinue) }

func testExpectContinue(t *testing.T, overTLS bool) {
	s := newSystem(t, setup{overTLS: overTLS, options: func(o *dataplane.Options) { o.MaxPartsInFlight = 1 }})
	part := s.started("x")
	for path, status := range map[string]int{
		"x?part=0": 400, "x?part=1": 400, "none?part=1": 409, "x?upload=start": 400, "none?upload=complete": 409, "x?upload=what": 400,
	} {
		length := "5000"
		if path == "x?part=1" {
			length = "1" // too small
		}
		c := s.dial()
		c.head(s, "PUT", s.path(path), "Content-Length: "+length, "Expect: 100-continue")
		if got := c.reply(); got.status != status || !got.closes {
			t.Errorf("%s: %v (closes: %v), want %d at once, and the end", path, got, got.closes, status)
		}
		if n, err := c.reader.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("%s: the connection stays open: %d, %v", path, n, err)
		}
	}
	c := s.dial()
	c.head(s, "PUT", s.path("x?part=1"), fmt.Sprintf("Content-Length: %d", len(part)), "Expect: 100-continue")
	if line, err := c.reader.ReadString('\n'); err != nil || line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatalf("a good part: %q, %v", line, err)
	}
	_, _ = c.reader.ReadString('\n')
	// While it streams, the budget is used up: the next is refused before its body.
	busy := s.dial()
	busy.head(s, "PUT", s.path("x?part=2"), "Content-Length: 5000", "Expect: 100-continue")
	if got := busy.reply(); got.status != 503 || got.header.Get("Retry-After") == "" {
		t.Errorf("beyond the budget: %v", got)
	}
	_, err := c.Write(part)
	must(t, err)
	if got := c.reply(); got.status != 201 {
		t.Errorf("a good part: %v", got)
	}
	s.intact("x", part)
}

// TestErrorReachesSender: a client that sends its whole body before it looks still gets the error.
func TestErrorReachesSender(t *testing.T) { eachTransport(t, testErrorReachesSender) }

func testErrorReachesSender(t *testing.T, overTLS bool) {
	s := newSystem(t, setup{overTLS: overTLS})
	body := make([]byte, 4<<20)
	for i := range 60 {
		c := s.dial()
		c.head(s, "PUT", s.path("none?part=1"), fmt.Sprintf("Content-Length: %d", len(body)))
		if _, err := c.Write(body); err != nil {
			t.Fatalf("round %d: write: %v", i, err)
		}
		if got := c.reply(); got.status != 409 {
			t.Fatalf("round %d: %v", i, got)
		}
	}
}

// TestCutBody: a body that ends early, in whichever way, leaves the earlier part alone
// (docs/rest-api.md, "Part").
func TestCutBody(t *testing.T) { eachTransport(t, testCutBody) }

func testCutBody(t *testing.T, overTLS bool) {
	s := newSystem(t, setup{overTLS: overTLS, options: func(o *dataplane.Options) { o.IdleTimeout = time.Second }})
	part := s.started("x")
	header := fmt.Sprintf("Content-Length: %d", len(part))

	half := s.dial()
	half.head(s, "PUT", s.path("x?part=1"), header)
	_, _ = half.Write(make([]byte, 50<<10))
	must(t, half.CloseWrite())
	if got := half.reply(); got.status != 400 || !strings.Contains(string(got.body), "nothing was stored") {
		t.Errorf("half closed: %v", got)
	}

	reset := s.dial()
	reset.head(s, "PUT", s.path("x?part=1"), header)
	_, _ = reset.Write(make([]byte, 50<<10))
	must(t, reset.tcp.SetLinger(0))
	must(t, reset.tcp.Close())

	idle := s.dial()
	idle.head(s, "PUT", s.path("x?part=1"), header)
	_, _ = idle.Write(make([]byte, 50<<10))
	if got := idle.reply(); got.status != 408 {
		t.Errorf("idle: %v", got)
	}
	s.eventually("all logged", func() error {
		if n := len(s.log.with(`"part"="1"`)); n != 4 {
			return fmt.Errorf("%d log lines", n)
		}
		return nil
	})
	s.intact("x", part)
}

// TestSlowBody: a client may be as slow as it likes while bytes come.
func TestSlowBody(t *testing.T) { eachTransport(t, testSlowBody) }

func testSlowBody(t *testing.T, overTLS bool) {
	s := newSystem(t, setup{overTLS: overTLS, options: func(o *dataplane.Options) { o.IdleTimeout = 3 * time.Second }})
	s.want(s.put(s.path("x?upload=start"), nil), 201)
	c := s.dial()
	c.head(s, "PUT", s.path("x?part=1"), "Content-Length: 5000")
	content := randomBytes(5000)
	for i := range 10 { // 5 s in all, longer than the time-out
		time.Sleep(500 * time.Millisecond)
		_, err := c.Write(content[i*500 : i*500+500])
		must(t, err)
	}
	if got := c.reply(); got.status != 201 {
		t.Fatalf("slow part: %v", got)
	}
	// The connection is as good as new.
	c.head(s, "GET", s.list("x"))
	if got := c.reply(); got.status != 200 {
		t.Errorf("second request: %v", got)
	}
	s.intact("x", content)
}

// TestLongBody: what comes behind Content-Length is not part of the part.
func TestLongBody(t *testing.T) { eachTransport(t, testLongBody) }

func testLongBody(t *testing.T, overTLS bool) {
	s := newSystem(t, setup{overTLS: overTLS})
	s.want(s.put(s.path("x?upload=start"), nil), 201)
	content := randomBytes(5000)
	c := s.dial()
	c.head(s, "PUT", s.path("x?part=1"), "Content-Length: 5000")
	_, err := c.Write(append(bytes.Clone(content), "garbage\r\n\r\n"...))
	must(t, err)
	if got := c.reply(); got.status != 201 {
		t.Fatalf("part: %v", got)
	}
	if got := c.reply(); got.status != 400 {
		t.Errorf("garbage: %v", got)
	}
	s.intact("x", content)
}

// TestSmuggling: a request whose length two readers could take differently is refused.
func TestSmuggling(t *testing.T) { eachTransport(t, testSmuggling) }

func testSmuggling(t *testing.T, overTLS bool) {
	s := newSystem(t, setup{overTLS: overTLS})
	part := s.started("x")
	for _, headers := range [][]string{
		{"Content-Length: 5000", "Content-Length: 6000"},
		{"Content-Length: 5000", "Transfer-Encoding: chunked"},
		{"Content-Length: +5000"},
		{"Content-Length: 5000, 5000"},
		{"Transfer-Encoding: gzip, chunked"},
	} {
		c := s.dial()
		c.head(s, "PUT", s.path("x?part=1"), headers...)
		_, _ = c.Write(make([]byte, 6000))
		got := c.reply()
		if got.status < 400 || got.status >= 600 {
			t.Errorf("%q: %v", headers, got)
		}
	}
	s.intact("x", part)
}

// TestUnaskedBodies: a body that nobody wants, and that never comes, holds no request up. A part
// without a body is refused.
func TestUnaskedBodies(t *testing.T) { eachTransport(t, testUnaskedBodies) }

func testUnaskedBodies(t *testing.T, overTLS bool) {
	s := newSystem(t, setup{overTLS: overTLS})
	s.started("x")
	for _, tt := range []struct {
		method, path, header string
		status               int
	}{
		{"GET", s.list("x"), "Content-Length: 1000", 200},
		{"GET", s.list("x"), "Transfer-Encoding: chunked", 200},
		{"PUT", s.path("x?part=2"), "No: length", 400},
		{"PUT", s.path("x?upload=abort"), "Content-Length: 1000", 204},
	} {
		c := s.dial()
		begin := time.Now()
		c.head(s, tt.method, tt.path, tt.header)
		if got := c.reply(); got.status != tt.status {
			t.Errorf("%s %s: %v, want %d", tt.method, tt.header, got, tt.status)
		}
		if took := time.Since(begin); took > 30*time.Second {
			t.Errorf("%s %s: answered after %v", tt.method, tt.header, took)
		}
	}
}

// TestStoreStalls: object storage that takes no byte, or does not answer, is given up.
func TestStoreStalls(t *testing.T) { eachTransport(t, testStoreStalls) }

func testStoreStalls(t *testing.T, overTLS bool) {
	store := memory.New(memory.Options{MinPartSize: -1})
	s := newSystem(t, setup{overTLS: overTLS, store: store, options: func(o *dataplane.Options) { o.StoreIdleTimeout = 300 * time.Millisecond }})
	part := s.started("x")
	for _, fault := range []memory.Fault{
		{Operation: memory.PutPart, Times: 1, Before: memory.Hang},
		{Operation: memory.PutPart, Times: 1, Before: memory.Fail(&filestore.Error{Op: "UploadPart", Kind: filestore.ErrUnavailable, Cause: errors.New("secret-bucket is down")})},
		{Operation: memory.PutPart, Times: 1, Before: memory.Fail(filestore.ErrBusy)},
	} {
		store.Inject(fault)
		got := s.put(s.path("x?part=1"), randomBytes(len(part)))
		if got.status < 502 || got.header.Get("Retry-After") == "" {
			t.Errorf("got %v, want 502, 503 or 504 with Retry-After", got)
		}
	}
	s.intact("x", part)
}

// TestKeepAlive: a deadline of one request does not strike the next one of its connection.
func TestKeepAlive(t *testing.T) { eachTransport(t, testKeepAlive) }

func testKeepAlive(t *testing.T, overTLS bool) {
	s := newSystem(t, setup{overTLS: overTLS, options: func(o *dataplane.Options) { o.IdleTimeout = time.Second }})
	part := s.started("x")
	c := s.dial()
	for range 3 {
		c.head(s, "PUT", s.path("x?part=1"), fmt.Sprintf("Content-Length: %d", len(part)), "Expect: 100-continue")
		if line, err := c.reader.ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
			t.Fatalf("no 100 Continue: %q, %v", line, err)
		}
		_, _ = c.reader.ReadString('\n')
		_, err := c.Write(part)
		must(t, err)
		if got := c.reply(); got.status != 201 {
			t.Fatalf("part: %v", got)
		}
		time.Sleep(1500 * time.Millisecond) // past the deadlines that were set
	}
	s.intact("x", part)
}

// TestWaitOutlastsBody: the deadline of the final part's body does not end the wait for the file.
func TestWaitOutlastsBody(t *testing.T) { eachTransport(t, testWaitOutlastsBody) }

func testWaitOutlastsBody(t *testing.T, overTLS bool) {
	store := memory.New(memory.Options{MinPartSize: -1})
	s := newSystem(t, setup{overTLS: overTLS, store: store, options: func(o *dataplane.Options) { o.IdleTimeout = 500 * time.Millisecond }})
	s.want(s.put(s.path("x?upload=start"), nil), 201)
	hold := make(chan struct{})
	store.Inject(memory.Fault{Operation: memory.CompleteUpload, Times: 1, Before: memory.WaitFor(hold)})
	time.AfterFunc(2*time.Second, func() { close(hold) })
	s.want(s.put(s.path("x?upload=complete"), []byte("whole")), 201)
}

// TestSlowReader: a client that takes no byte of its file is cut; what it got is a beginning of the
// file.
func TestSlowReader(t *testing.T) { eachTransport(t, testSlowReader) }

func testSlowReader(t *testing.T, overTLS bool) {
	// Long enough for the upload, whose client pauses too on a machine that is busy.
	s := newSystem(t, setup{overTLS: overTLS, options: func(o *dataplane.Options) { o.IdleTimeout = 8 * time.Second }})
	s.want(s.put(s.path("x?upload=start"), nil), 201)
	content := randomBytes(48 << 20)
	s.want(s.put(s.path("x?upload=complete"), content), 201)
	c := s.dial()
	c.head(s, "GET", s.path("x"))
	s.eventually("cut", func() error {
		if len(s.log.with(`"route"="download"`)) == 0 {
			return errors.New("still sending")
		}
		return nil
	})
	got := c.reply()
	if got.status != 200 || got.err == nil || !bytes.HasPrefix(content, got.body) || len(got.body) == len(content) {
		t.Errorf("status %d, %d of %d bytes, error %v", got.status, len(got.body), len(content), got.err)
	}
}

// TestDownloadCut: a body that object storage cuts short does not end well for the client either.
func TestDownloadCut(t *testing.T) { eachTransport(t, testDownloadCut) }

func testDownloadCut(t *testing.T, overTLS bool) {
	store := memory.New(memory.Options{MinPartSize: -1})
	s := newSystem(t, setup{overTLS: overTLS, store: cutting{store}})
	s.want(s.put(s.path("x?upload=start"), nil), 201)
	s.want(s.put(s.path("x?upload=complete"), randomBytes(1<<20)), 201)
	got := s.get(s.path("x"))
	if got.status != 200 || got.err == nil || len(got.body) != cutAfter {
		t.Errorf("status %d, %d bytes, error %v; want a cut in the middle", got.status, len(got.body), got.err)
	}
}

// TestConcurrentParts: many parts at once, of one upload, are each what their client sent.
func TestConcurrentParts(t *testing.T) { eachTransport(t, testConcurrentParts) }

func testConcurrentParts(t *testing.T, overTLS bool) {
	// A client may send its next part before the place of the one before is free.
	s := newSystem(t, setup{overTLS: overTLS, options: func(o *dataplane.Options) { o.QueueTimeout = time.Minute }})
	s.want(s.put(s.path("x?upload=start"), nil), 201)
	parts := make([][]byte, 100)
	var wg sync.WaitGroup
	for i := range parts {
		parts[i] = bytes.Repeat([]byte{byte(i)}, 20_000+i)
		wg.Go(func() {
			for range 2 { // the second replaces the first with the same
				if got := s.put(fmt.Sprintf("%s?part=%d", s.path("x"), i+1), parts[i]); got.status != 201 {
					t.Errorf("part %d: %v", i+1, got)
				}
			}
		})
	}
	wg.Wait()
	s.intact("x", bytes.Join(parts, nil))
}
