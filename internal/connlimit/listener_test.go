package connlimit_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/connlimit"
)

// timeout is how long a state may take to be reached on a busy machine.
const timeout = time.Minute

// server is an HTTP server behind a Listener. GET / answers at once, GET /known also tells the
// Listener that the caller is known, GET /hold does that and answers when the test lets it.
type server struct {
	t             *testing.T
	addr          string
	open, waiting atomic.Int64
	holding       atomic.Int64 // requests whose caller is known, and that are held
	release       chan struct{}
	mu            sync.Mutex
	closed        map[connlimit.Reason]int
}

func serve(t *testing.T, opts connlimit.Options) *server {
	t.Helper()
	s := &server{t: t, release: make(chan struct{}), closed: map[connlimit.Reason]int{}}
	opts.Open, opts.Waiting = func(n int) { s.open.Store(int64(n)) }, func(n int) { s.waiting.Store(int64(n)) }
	opts.Closed = func(why connlimit.Reason) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.closed[why]++
	}
	inner, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	s.addr = inner.Addr().String()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /known", func(_ http.ResponseWriter, r *http.Request) { connlimit.Known(r.Context()) })
	mux.HandleFunc("GET /hold", func(_ http.ResponseWriter, r *http.Request) {
		connlimit.Known(r.Context())
		s.holding.Add(1)
		select {
		case <-s.release:
		case <-r.Context().Done(): // the caller has left
		}
	})
	http1 := &http.Server{Handler: mux, ReadHeaderTimeout: timeout, ConnContext: connlimit.ConnContext, ConnState: connlimit.ConnState}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = http1.Serve(connlimit.Limit(inner, opts))
	}()
	t.Cleanup(func() {
		_ = http1.Close()
		<-ended
	})
	return s
}

func (s *server) closedFor(why connlimit.Reason) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed[why]
}

// dial connects from a loopback address of its own.
func (s *server) dial(from string) net.Conn {
	s.t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: timeout}
	c, err := dialer.Dial("tcp", s.addr)
	must(s.t, err)
	s.t.Cleanup(func() { _ = c.Close() })
	must(s.t, c.SetDeadline(time.Now().Add(timeout)))
	return c
}

// ask sends a request and reports whether it is answered.
func ask(c net.Conn, path string) error {
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path); err != nil {
		return err
	}
	return answered(c)
}

func answered(c net.Conn) error {
	b := make([]byte, 4096)
	n, err := c.Read(b)
	if err == nil && n == 0 {
		err = io.ErrUnexpectedEOF
	}
	return err
}

func (s *server) eventually(what string, is func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(timeout); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("not within %s: %s (open %d, waiting %d, closed %v)", timeout, what, s.open.Load(), s.waiting.Load(), s.closed)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Callers that are known get a place beside strangers who hold all, whether these say nothing, or
// half a header, or were answered and stay.
func TestStrangersMakeRoom(t *testing.T) {
	for name, stranger := range map[string]func(net.Conn) error{
		"silent": func(net.Conn) error { return nil },
		"half a header": func(c net.Conn) error {
			_, err := io.WriteString(c, "GET / HTTP/1.1\r\nX:")
			return err
		},
		"idle": func(c net.Conn) error { return ask(c, "/") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, connlimit.Options{Max: 20, Wait: timeout, Proof: 50 * time.Millisecond})
			for i := range 60 {
				c := s.dial(fmt.Sprintf("127.0.1.%d", 1+i%30))
				go func() { _ = stranger(c) }()
			}
			s.eventually("all places taken", func() bool { return s.open.Load() == 20 })
			for i := range 10 {
				if err := ask(s.dial("127.0.2.1"), "/known"); err != nil {
					t.Fatalf("request %d of a known caller: %v", i, err)
				}
			}
			if n := s.open.Load(); n > 20 {
				t.Errorf("%d connections open, the limit is 20", n)
			}
		})
	}
}

// A connection with a request of a known caller is never closed; what finds no place is, in time,
// and the next one is served when a place is free.
func TestRequestsAreNotCut(t *testing.T) {
	s := serve(t, connlimit.Options{Max: 4, Wait: 200 * time.Millisecond, Proof: time.Millisecond})
	held := make(chan error, 4)
	for i := range 4 {
		c := s.dial(fmt.Sprintf("127.0.3.%d", 1+i))
		go func() { held <- ask(c, "/hold") }()
		s.eventually("its caller is known", func() bool { return s.holding.Load() == int64(i+1) })
	}
	if err := ask(s.dial("127.0.4.1"), "/known"); err == nil {
		t.Error("a connection beyond the limit was served")
	}
	s.eventually("the refusal is counted", func() bool { return s.closedFor(connlimit.NoPlace) == 1 })
	close(s.release)
	for range 4 {
		must(t, <-held)
	}
	must(t, ask(s.dial("127.0.4.1"), "/known"))
}

// A connection that waits is served as soon as a place is free.
func TestWaitsForAPlace(t *testing.T) {
	s := serve(t, connlimit.Options{Max: 1, Wait: 2 * timeout})
	first, second := s.dial("127.0.5.1"), s.dial("127.0.5.2")
	held := make(chan error, 1)
	go func() { held <- ask(first, "/hold") }()
	s.eventually("the first has its place, the second waits", func() bool { return s.open.Load() == 1 && s.waiting.Load() == 1 })
	close(s.release)
	must(t, <-held)
	must(t, first.Close())
	must(t, ask(second, "/known"))
}

// One address has three quarters of the places at most, and all others the rest; while most places
// are free it has what it needs.
func TestShareOfAnAddress(t *testing.T) {
	s := serve(t, connlimit.Options{Max: 40, Wait: timeout})
	for range 60 {
		c := s.dial("127.0.6.1")
		go func() { _ = ask(c, "/hold") }()
	}
	s.eventually("30 of 40 places", func() bool { return s.open.Load() == 31 && s.waiting.Load() == 29 })
	for i := range 5 {
		must(t, ask(s.dial(fmt.Sprintf("127.0.7.%d", 1+i)), "/known"))
	}
	if got := s.waiting.Load(); got != 29 {
		t.Errorf("%d of the first address wait, want 29", got)
	}
	close(s.release)
}

// Of those who wait, the one whose address has the fewest places is first.
func TestFewestFirst(t *testing.T) {
	s := serve(t, connlimit.Options{Max: 4, Wait: 2 * timeout})
	for i := range 3 {
		c := s.dial("127.0.8.1")
		go func() { _ = ask(c, "/hold") }()
		s.eventually("its place", func() bool { return s.open.Load() == int64(i+1) })
	}
	last := s.dial("127.0.8.9")
	go func() { _ = ask(last, "/hold") }()
	s.eventually("all places taken", func() bool { return s.open.Load() == 4 })
	more := s.dial("127.0.8.1")
	s.eventually("one more waits", func() bool { return s.waiting.Load() == 1 })
	other := s.dial("127.0.8.2")
	s.eventually("two wait", func() bool { return s.waiting.Load() == 2 })
	served := make(chan string, 2)
	for name, c := range map[string]net.Conn{"more": more, "other": other} {
		go func() {
			if ask(c, "/known") == nil {
				served <- name
			}
		}()
	}
	must(t, last.Close()) // one place is free
	if got := <-served; got != "other" {
		t.Errorf("%s was served first", got)
	}
	close(s.release)
}

// A closed listener keeps nothing that waits, and Accept says so.
func TestClose(t *testing.T) {
	inner, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	l := connlimit.Limit(inner, connlimit.Options{Max: 1})
	s := &server{t: t, addr: inner.Addr().String()}
	ended := make(chan error, 1)
	go func() {
		for {
			if _, err := l.Accept(); err != nil {
				ended <- err
				return
			}
		}
	}()
	first, second := s.dial("127.0.9.1"), s.dial("127.0.9.1")
	_ = first
	must(t, l.Close())
	_ = l.Close() // twice
	if err := <-ended; err == nil {
		t.Error("Accept gives no error")
	}
	if err := answered(second); err == nil {
		t.Error("a connection that waits stays open")
	}
}

// Without a connection that counts, as in tests of handlers, Known does nothing.
func TestKnownWithoutConnection(*testing.T) {
	connlimit.Known(context.Background())
}
