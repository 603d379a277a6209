package splice_test

import (
	"bytes"
	"crypto/sha256"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/iotfile-operator/iotfile-operator/hack/bench/splice"
)

// TestServe: several requests on one connection arrive as they were sent, and so do their answers.
func TestServe(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		sum := sha256.Sum256(body)
		_, _ = w.Write(append([]byte(r.Header.Get("X-Name")), sum[:]...))
	}))
	defer server.Close()
	target, err := net.ResolveTCPAddr("tcp", strings.TrimPrefix(server.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() { _ = splice.Serve(l, target) }()
	for name, size := range map[string]int{"none": 0, "small": 100, "large": 5<<20 + 1} {
		body := bytes.Repeat([]byte(name), size)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+l.Addr().String(), bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Name", name)
		req.Header.Set("Expect", "100-continue")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(res.Body)
		res.Body.Close()
		if sum := sha256.Sum256(body); err != nil || !bytes.Equal(got, append([]byte(name), sum[:]...)) {
			t.Errorf("%s: the answer is not to what was sent (%v)", name, err)
		}
	}
}
