package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
)

// wiretap passes the bytes of connections on to the operator as they are, and reads along: it keeps
// every request and answer, and holds each against the OpenAPI document.
type wiretap struct {
	listener net.Listener
	target   string

	mu sync.Mutex
	// busy counts the connections on which the client has said something that was not answered yet.
	busy      int
	exchanges []exchange
	faults    []error
	// cut, if not nil, reports whether the connection of a request is cut when its header has been
	// seen. It is asked under the lock.
	cut func(*http.Request) bool
}

// exchange is a request and its answer. The status is 0 if there was none.
type exchange struct {
	request *http.Request
	status  int
	answer  http.Header
}

func (e exchange) String() string {
	path := e.request.URL.EscapedPath()
	if e.request.URL.RawQuery != "" || e.request.URL.ForceQuery {
		path += "?" + e.request.URL.RawQuery
	}
	return fmt.Sprintf("%s %s %d", e.request.Method, path, e.status)
}

// tap starts a wiretap before the address of the operator as it is now.
func tap(t *testing.T) *wiretap {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wiretap{listener: listener, target: strings.TrimPrefix(system.operator.URL, "http://")}
	var done sync.WaitGroup
	done.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			done.Go(func() {
				l := &line{tap: w}
				err := l.connect(client.(*net.TCPConn))
				l.mark(false)
				w.mu.Lock()
				defer w.mu.Unlock()
				w.faults = append(w.faults, err)
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		done.Wait()
	})
	return w
}

func (w *wiretap) url() string { return "http://" + w.listener.Addr().String() }

// take returns what was said since it was last asked, when everything is answered.
func (w *wiretap) take(t *testing.T) []exchange {
	t.Helper()
	var out []exchange
	eventually(t, "the client is answered", func() error {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.busy > 0 {
			return fmt.Errorf("%d requests are not", w.busy)
		}
		if err := errors.Join(w.faults...); err != nil {
			t.Fatal(err)
		}
		out, w.exchanges, w.faults = w.exchanges, nil, nil
		return nil
	})
	return out
}

// line is a connection of the client.
type line struct {
	tap  *wiretap
	busy bool
}

// mark notes whether the client waits for an answer.
func (l *line) mark(busy bool) {
	l.tap.mu.Lock()
	defer l.tap.mu.Unlock()
	if busy != l.busy {
		l.busy = busy
		l.tap.busy += map[bool]int{true: 1, false: -1}[busy]
	}
}

// connect passes on what the two sides say until they are silent. What one says is heard here
// before it is heard there.
func (l *line) connect(client *net.TCPConn) error {
	defer func() { _ = client.Close() }()
	conn, err := net.Dial("tcp", l.tap.target)
	if err != nil {
		return err
	}
	server := conn.(*net.TCPConn)
	defer func() { _ = server.Close() }()
	heardClient, sayClient := io.Pipe()
	heardServer, sayServer := io.Pipe()
	var all sync.WaitGroup
	pass := func(to, from *net.TCPConn, first ...io.Writer) {
		_, _ = io.Copy(io.MultiWriter(append(first, to)...), from) // whoever ends it, the other side sees it
		_ = to.CloseWrite()
	}
	all.Go(func() {
		pass(server, client, notice(func() { l.mark(true) }), sayClient)
		_ = sayClient.Close()
	})
	all.Go(func() {
		pass(client, server, sayServer)
		_ = sayServer.Close()
	})
	requests := make(chan *http.Request, 100)
	all.Go(func() {
		defer close(requests)
		reader := bufio.NewReader(heardClient)
		for {
			req, err := http.ReadRequest(reader)
			if err != nil {
				break
			}
			requests <- req
			if l.tap.mustCut(req) {
				_, _ = client.Close(), server.Close()
			}
			_, _ = io.Copy(io.Discard, req.Body)
		}
		_, _ = io.Copy(io.Discard, heardClient)
	})
	err = l.listen(requests, heardServer)
	all.Wait()
	return err
}

// notice is a writer that only notices.
type notice func()

// Write implements io.Writer.
func (n notice) Write(p []byte) (int, error) {
	n()
	return len(p), nil
}

func (w *wiretap) mustCut(req *http.Request) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cut != nil && w.cut(req)
}

// listen reads the answers to requests and judges them.
func (l *line) listen(requests <-chan *http.Request, heard io.Reader) error {
	var errs []error
	reader := bufio.NewReader(heard)
	for req := range requests {
		e := exchange{request: req}
		if res, err := http.ReadResponse(reader, req); err == nil {
			e.status, e.answer = res.StatusCode, res.Header
			errs = append(errs, contract.Check(req, res))
			_, _ = io.Copy(io.Discard, res.Body)
		}
		l.tap.mu.Lock()
		l.tap.exchanges = append(l.tap.exchanges, e)
		l.tap.mu.Unlock()
		l.mark(false)
	}
	_, _ = io.Copy(io.Discard, reader)
	return errors.Join(errs...)
}

// cutOnce makes the next request that has this query end in the middle of its body.
func (w *wiretap) cutOnce(query string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = func(req *http.Request) bool {
		if req.URL.RawQuery != query {
			return false
		}
		w.cut = nil
		return true
	}
}

// said makes sure that these requests were sent and answered so. Which of several parts came first
// is nobody's business.
func (w *wiretap) said(t *testing.T, want ...string) []exchange {
	t.Helper()
	all := w.take(t)
	got := make([]string, len(all))
	for i, e := range all {
		got[i] = e.String()
	}
	sorted := func(s []string) []string { return slices.Sorted(slices.Values(s)) }
	if !slices.Equal(sorted(got), sorted(want)) {
		t.Errorf("the client said\n%s\nand not\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	return all
}
