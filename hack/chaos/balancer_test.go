package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// serverNamed answers each request with its name and how many bytes it has been sent.
func serverNamed(t *testing.T, name string) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		_, _ = fmt.Fprintf(w, "%s %d", name, n)
	}))
	t.Cleanup(s.Close)
	return s
}

// TestBalancer: connections go to all servers, none fails because one is not there, and a
// connection that stood and is cut goes nowhere else.
func TestBalancer(t *testing.T) {
	one, other := serverNamed(t, "one"), serverNamed(t, "other")
	hits := make(chan struct{}, 10)
	cutting := hosted(t, func(conn *net.TCPConn) { // takes a little of each request, and hangs up
		_, _ = io.CopyN(io.Discard, conn, 10)
		hits <- struct{}{}
	})
	var servers atomic.Pointer[[]string]
	servers.Store(&[]string{one.URL, other.URL})
	b, err := newBalancer(func() []string { return *servers.Load() })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.stop)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	send := func() (string, error) {
		res, err := client.Post(b.url(), "text/plain", bytes.NewReader(make([]byte, 1<<20)))
		if err != nil {
			return "", err
		}
		defer func() { _ = res.Body.Close() }()
		text, err := io.ReadAll(res.Body)
		return string(text), err
	}
	answers := func(n int) map[string]int {
		t.Helper()
		out := map[string]int{}
		for range n {
			text, err := send()
			if err != nil {
				t.Fatal(err)
			}
			out[text]++
		}
		return out
	}
	if got := answers(10); got["one 1048576"] != 5 || got["other 1048576"] != 5 {
		t.Errorf("10 requests were answered by %v", got)
	}
	one.Close()
	if got := answers(10); got["other 1048576"] != 10 {
		t.Errorf("with one server gone, 10 requests were answered by %v", got)
	}
	if n := b.refused.Load(); n != 5 {
		t.Errorf("%d connections were refused", n)
	}
	servers.Store(&[]string{"http://" + cutting, other.URL})
	failed := 0
	for range 10 {
		if _, err := send(); err != nil {
			failed++
		}
	}
	if failed != 5 || len(hits) != 5 {
		t.Errorf("of 10 requests, %d failed, and %d were cut", failed, len(hits))
	}
	other.Close()
	servers.Store(&[]string{one.URL, other.URL})
	if text, err := send(); err == nil {
		t.Errorf("nobody is there, and the answer is %q", text)
	}
}

// TestBalancerEarlyAnswer: an answer that comes before the body has ended reaches the client, as it
// does without a balancer.
func TestBalancerEarlyAnswer(t *testing.T) {
	server := hosted(t, func(conn *net.TCPConn) {
		_, _ = bufio.NewReader(conn).ReadString('\n')
		_, _ = io.WriteString(conn, "no\n")
		_ = conn.CloseWrite()
		_, _ = io.Copy(io.Discard, conn)
	})
	b, err := newBalancer(func() []string { return []string{"http://" + server} })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.stop)
	for range 20 {
		conn, err := net.Dial("tcp", strings.TrimPrefix(b.url(), "http://"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write(append([]byte("hello\n"), make([]byte, 4<<20)...)); err != nil {
			t.Fatal(err)
		}
		if line, err := bufio.NewReader(conn).ReadString('\n'); line != "no\n" {
			t.Fatalf("the answer is %q, %v", line, err)
		}
		_ = conn.Close()
	}
}
