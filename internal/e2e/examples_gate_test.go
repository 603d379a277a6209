package e2e

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
)

// gateFault is what happens to a request on its way to the operator.
type gateFault int

const (
	// faultNone: nothing.
	faultNone gateFault = iota
	// faultRefused: 503 with Retry-After, and the operator never sees it.
	faultRefused
	// faultCut: the connection breaks in the middle of the body.
	faultCut
	// faultStopped: the body comes to a stop in the middle, until the gate is opened, and then
	// breaks.
	faultStopped
	// faultUnanswered: the operator does it, and the client is told 503.
	faultUnanswered
	// faultSilent: the operator does it, and the client is told nothing until the gate is opened.
	faultSilent
)

// gate stands between a client and the operator. It notes every request, and does to some of them
// what judge says.
type gate struct {
	// address is its URL.
	address string

	mu sync.Mutex
	// judge says what happens to the request with this query. It is asked under the lock.
	judge func(query string) gateFault
	// said is "PUT part=1 201" and so on, in the order of the answers.
	said []string
	// tokens are those of the requests, in their order.
	tokens []string
	// stuck counts requests that are stopped or silent.
	stuck int
	open  chan struct{}
}

func newGate(t *testing.T) *gate {
	t.Helper()
	g := &gate{open: make(chan struct{})}
	target, err := url.Parse(system.operator.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:      func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { hangUp(w) },
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { g.serve(proxy, w, r) }))
	t.Cleanup(func() {
		g.release()
		server.Close()
	})
	g.address = server.URL
	return g
}

// serve does to the request what is to be done to it.
func (g *gate) serve(proxy http.Handler, w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	f := faultNone
	if g.judge != nil {
		f = g.judge(r.URL.RawQuery)
	}
	g.tokens = append(g.tokens, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	open := g.open
	g.mu.Unlock()
	switch f {
	case faultNone:
	case faultRefused:
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusServiceUnavailable)
		g.note(r, http.StatusServiceUnavailable)
		return
	case faultCut:
		_, _ = io.CopyN(io.Discard, r.Body, r.ContentLength/2)
		g.note(r, 0)
		hangUp(w)
		return
	case faultStopped:
		r.Body = &halfBody{Reader: io.LimitReader(r.Body, r.ContentLength/2), body: r.Body, wait: func() { g.wait(open) }}
	case faultUnanswered, faultSilent:
		heard := &noted{ResponseWriter: discarded{}}
		proxy.ServeHTTP(heard, r)
		g.note(r, heard.status)
		if f == faultSilent {
			g.wait(open)
			hangUp(w)
			return
		}
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	answer := &noted{ResponseWriter: w}
	proxy.ServeHTTP(answer, r)
	g.note(r, answer.status)
}

// wait waits until the gate is opened.
func (g *gate) wait(open <-chan struct{}) {
	g.mu.Lock()
	g.stuck++
	g.mu.Unlock()
	<-open
	g.mu.Lock()
	g.stuck--
	g.mu.Unlock()
}

// release opens the gate for those that are stuck.
func (g *gate) release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.open)
	g.open = make(chan struct{})
}

func (g *gate) note(r *http.Request, status int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.said = append(g.said, fmt.Sprintf("%s %s %d", r.Method, r.URL.RawQuery, status))
}

// once does f to the first request with each of these queries.
func (g *gate) once(faults map[string]gateFault) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.judge = func(query string) gateFault {
		f := faults[query]
		delete(faults, query)
		return f
	}
}

// take returns what was said since it was last asked.
func (g *gate) take() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := g.said
	g.said = nil
	return out
}

// heard waits until enough requests were answered so, and are stuck.
func (g *gate) heard(t *testing.T, stuck int, want ...string) {
	t.Helper()
	eventually(t, "the client has come so far", func() error {
		g.mu.Lock()
		defer g.mu.Unlock()
		for _, w := range want {
			if !slices.Contains(g.said, w) {
				return fmt.Errorf("it was not told %s, but %q", w, g.said)
			}
		}
		if g.stuck < stuck {
			return fmt.Errorf("%d of %d requests are stuck", g.stuck, stuck)
		}
		return nil
	})
}

// noted is a ResponseWriter that remembers the status. An interim one is none.
type noted struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (n *noted) WriteHeader(status int) {
	if status >= 200 {
		n.status = status
	}
	n.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (n *noted) Unwrap() http.ResponseWriter { return n.ResponseWriter }

// discarded is a ResponseWriter that nobody reads.
type discarded http.Header

// Header implements http.ResponseWriter.
func (d discarded) Header() http.Header { return http.Header(d) }

// Write implements io.Writer.
func (d discarded) Write(p []byte) (int, error) { return len(p), nil }

// WriteHeader implements http.ResponseWriter.
func (d discarded) WriteHeader(int) {}

// halfBody is a body that stops in the middle.
type halfBody struct {
	io.Reader
	body io.Closer
	wait func()
}

// Read implements io.Reader.
func (b *halfBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		b.wait()
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// Close implements io.Closer.
func (b *halfBody) Close() error { return b.body.Close() }

// hangUp closes the connection without an answer.
func hangUp(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
