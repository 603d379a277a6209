package dataplane_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

const mebibyte = 1 << 20

// chunked sends a body of unknown length.
func (s *system) chunked(path string, body []byte, headers ...string) reply {
	s.t.Helper()
	return s.do(http.MethodPut, path, io.MultiReader(bytes.NewReader(body)), headers...)
}

// TestChunkedBodies: a body of unknown length becomes a file, a part, the last part, as one with a
// length does.
func TestChunkedBodies(t *testing.T) {
	s := newSystem(t, setup{})
	for _, size := range []int{1, 1024, mebibyte - 1, mebibyte, mebibyte + 1, 5*mebibyte + 77, 16 * mebibyte} {
		content, final := randomBytes(size), randomBytes(size)
		file := s.path(fmt.Sprintf("put-%d", size))
		checkCompleted(t, s.want(s.chunked(file, content, "Idempotency-Key", "k"), 201), "0", "/namespaces/"+s.namespace+file)
		s.want(s.chunked(file, content, "Idempotency-Key", "k"), 201)
		s.want(s.put(file, content, "Idempotency-Key", "k"), 201)
		if got := s.get(file); !bytes.Equal(got.body, content) {
			t.Errorf("%d bytes in one request became %d others", size, len(got.body))
		}
		whole := content
		file = s.path(fmt.Sprintf("parts-%d", size))
		s.want(s.put(file+"?upload=start", nil), 201)
		if size >= 1024 {
			s.want(s.chunked(file+"?part=1", content), 201)
			whole = append(bytes.Clone(content), final...)
		} else {
			final = content
		}
		for range 2 {
			s.want(s.chunked(file+"?upload=complete", final), 201)
		}
		if got := s.get(file); !bytes.Equal(got.body, whole) {
			t.Errorf("parts of %d bytes became %d others", size, len(got.body))
		}
	}
}

// TestChunkedRefusals: what can be refused is refused before the body is asked for, and what is too
// large with the way out.
func TestChunkedRefusals(t *testing.T) {
	s := newSystem(t, setup{limits: &v1alpha1.FileStoreLimits{MinPartSize: ptr.To(resource.MustParse("1Ki")), MaxPartSize: ptr.To(resource.MustParse("6Mi"))}})
	part := s.started("open")
	s.want(s.put(s.path("old"), []byte("old")), 201)
	for path, status := range map[string]int{"old": 409, "none?part=1": 409, "open?part=0": 400, "none?upload=complete": 409, "open?part=1&x=1": 400} {
		c := s.dial()
		c.head(s, "PUT", s.path(path), "Transfer-Encoding: chunked", "Expect: 100-continue")
		if got := c.reply(); got.status != status || !got.closes {
			t.Errorf("%s: %v (closes: %v), want %d at once, and the end", path, got, got.closes, status)
		}
	}
	small, larger := randomBytes(1000), randomBytes(6*mebibyte+1)
	s.want(s.chunked(s.path("open?part=2"), small), 400)
	for _, path := range []string{"new", "open?part=2", "open?upload=complete"} {
		s.want(s.chunked(s.path(path), larger), 413)
	}
	wide := newSystem(t, setup{})
	wide.started("open")
	for _, path := range []string{"new", "open?part=2", "open?upload=complete"} {
		got := wide.want(wide.chunked(wide.path(path), make([]byte, 16*mebibyte+1)), 413)
		if !strings.Contains(string(got.body), "Content-Length") || !strings.Contains(string(got.body), "upload=start") {
			t.Errorf("%s: the way out is not told: %v", path, got)
		}
	}
	wide.want(wide.get(wide.path("new")), 404)
	wide.want(wide.put(wide.path("open?upload=abort"), nil), 204)
	wide.nothingLeft()
	s.intact("open", part)
}

// TestChunkedDigests: what is announced of a body of unknown length is compared.
func TestChunkedDigests(t *testing.T) {
	s := newSystem(t, setup{})
	content, other := randomBytes(700_000), randomBytes(700_000)
	s.started("open")
	s.started("final")
	for name, h := range testkit.Digests(content) {
		for _, path := range []string{"new", "open?part=2", "final?upload=complete"} {
			if got := s.want(s.chunked(s.path(path), other, h[:]...), 400); !strings.Contains(string(got.body), "nothing was stored") {
				t.Errorf("%s of %s: %v", name, path, got)
			}
		}
		s.want(s.chunked(s.path("open?part=2"), content, h[:]...), 201)
	}
	s.want(s.chunked(s.path("open?upload=complete"), nil, "Content-MD5", testkit.Digests([]byte("x"))["Content-MD5"][1]), 400)
	s.want(s.chunked(s.path("final?upload=complete"), content, "Content-MD5", testkit.Digests(content)["Content-MD5"][1]), 201)
	s.want(s.get(s.path("new")), 404)
}

// TestEmptyChunkedBodies: no bytes are no body.
func TestEmptyChunkedBodies(t *testing.T) {
	s := newSystem(t, setup{})
	send := func(path string, status int) {
		t.Helper()
		c := s.dial()
		c.head(s, "PUT", s.path(path), "Transfer-Encoding: chunked")
		_, err := io.WriteString(c, "0\r\n\r\n")
		must(t, err)
		if got := c.reply(); got.status != status {
			t.Fatalf("%s: %v, want %d", path, got, status)
		}
	}
	send("x?upload=start", 201)
	send("x?upload=abort", 204)
	send("x?upload=start", 201)
	s.want(s.put(s.path("x?part=1"), randomBytes(2000)), 201)
	send("x?part=2", 400)
	send("new", 400)
	send("x?upload=complete", 201)
	send("x?upload=complete", 201)
	s.want(s.chunked(s.path("y?upload=start"), []byte("x")), 400)
}

// TestChunkedCut: a body of unknown length that ends in the middle, stands still or trickles leaves
// nothing, and its memory is free again.
func TestChunkedCut(t *testing.T) {
	s := newSystem(t, setup{options: func(o *dataplane.Options) {
		// Room for one body of 2 MiB, and one part.
		o.MaxBufferedBytes, o.IdleTimeout, o.MinBodyRate, o.BodyGrace = 12*mebibyte, 2*time.Second, 100_000, time.Second
	}})
	part := s.started("x")
	for _, path := range []string{"new", "x?part=1", "x?upload=complete"} {
		cut := s.dial()
		cut.head(s, "PUT", s.path(path), "Transfer-Encoding: chunked")
		_, _ = io.WriteString(cut, "400\r\n"+strings.Repeat("x", 700))
		must(t, cut.CloseWrite())
		if got := cut.reply(); got.status != 400 {
			t.Errorf("%s, cut: %v", path, got)
		}
		still := s.dial()
		still.head(s, "PUT", s.path(path), "Transfer-Encoding: chunked")
		_, _ = io.WriteString(still, "400\r\n"+strings.Repeat("x", 0x400)+"\r\n")
		if got := still.reply(); got.status != 408 {
			t.Errorf("%s, standing still: %v", path, got)
		}
		slow := s.dial()
		slow.head(s, "PUT", s.path(path), "Transfer-Encoding: chunked")
		go func() {
			for {
				time.Sleep(20 * time.Millisecond)
				if _, err := io.WriteString(slow, "1\r\nx\r\n"); err != nil {
					return
				}
			}
		}()
		if got := slow.reply(); got.status != 408 {
			t.Errorf("%s, trickling: %v", path, got)
		}
	}
	s.eventually("the memory free again", func() error {
		if got := s.chunked(s.path("y"), randomBytes(2*mebibyte)); got.status != 201 {
			return fmt.Errorf("%v", got)
		}
		return nil
	})
	s.want(s.get(s.path("new")), 404)
	s.intact("x", part)
}

// TestChunkedBudget: bodies of unknown length take no more than a quarter of the buffers, and what
// they do not get they are told at once.
func TestChunkedBudget(t *testing.T) {
	s := newSystem(t, setup{options: func(o *dataplane.Options) { o.MaxBufferedBytes = 16 * mebibyte }})
	s.want(s.chunked(s.path("fits"), randomBytes(2*mebibyte)), 201)
	got := s.chunked(s.path("too-much"), randomBytes(9*mebibyte))
	if got.err == nil && (got.status != 503 || got.header.Get("Retry-After") == "") {
		t.Errorf("more than the quarter: %v", got)
	}
	// One that has begun does not keep bodies with a length out.
	held := s.dial()
	held.head(s, "PUT", s.path("held"), "Transfer-Encoding: chunked")
	_, err := io.WriteString(held, fmt.Sprintf("%x\r\n%s\r\n", 2*mebibyte, strings.Repeat("x", 2*mebibyte)))
	must(t, err)
	s.want(s.put(s.path("sized"), randomBytes(9*mebibyte)), 201)
	_, err = io.WriteString(held, "0\r\n\r\n")
	must(t, err)
	if got := held.reply(); got.status != 201 {
		t.Errorf("the body that was held: %v", got)
	}
	s.eventually("all given back", func() error {
		if got := s.chunked(s.path("again"), randomBytes(2*mebibyte)); got.status != 201 && got.status != 409 {
			return fmt.Errorf("%v", got)
		}
		return nil
	})
}
