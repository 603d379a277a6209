package iotfile

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// These tests are of answers that the real server does not give: internal/e2e has all others.

const secret = "a.secret.token"

// serve runs handler until the test ends, and returns a client that tells of its attempts.
func serve(t *testing.T, options Options, handler http.HandlerFunc) (*Client, func() []Attempt) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	var mu sync.Mutex
	var all []Attempt
	if options.Token == nil {
		options.Token = StaticToken(secret)
	}
	options.OnAttempt = func(a Attempt) {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, a)
	}
	c, err := New(server.URL, &options)
	if err != nil {
		t.Fatal(err)
	}
	return c, func() []Attempt {
		mu.Lock()
		defer mu.Unlock()
		return all
	}
}

// TestNothingOutlivesACall: neither after a success nor after a failure is there a goroutine or a
// connection of a call, while its server still runs.
func TestNothingOutlivesACall(t *testing.T) {
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", "0")
		if r.URL.RawQuery != "" {
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	server.Config.ConnState = func(c net.Conn, state http.ConnState) {
		mu.Lock()
		defer mu.Unlock()
		switch state {
		case http.StateNew:
			open[c] = true
		case http.StateClosed:
			delete(open, c)
		}
	}
	server.Start()
	defer server.Close()
	before := goleak.IgnoreCurrent()
	c, err := New(server.URL, &Options{Token: StaticToken(secret), Attempts: 1})
	if err != nil {
		t.Fatal(err)
	}
	path := entity + "/a"
	if _, err := c.Stat(t.Context(), path); err != nil {
		t.Error(err)
	}
	if _, err := c.Upload(t.Context(), path, bytes.NewReader(make([]byte, 40*mib)), 40*mib, nil); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Stat(ctx, path); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if r, err := c.Open(t.Context(), path); err != nil || r.Close() != nil || r.Close() != nil {
		t.Error(err)
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		mu.Lock()
		left := len(open)
		mu.Unlock()
		if left == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d connections are open", left)
		}
	}
	goleak.VerifyNone(t, before)
}

// TestTokensStayHome: a token goes to no other host, and stands in no URL, log line or error.
func TestTokensStayHome(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s was asked of another host", r.URL) }))
	defer elsewhere.Close()
	var log bytes.Buffer
	c, _ := serve(t, Options{Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})), Attempts: 2}, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+secret || strings.Contains(r.URL.String(), secret) {
			t.Errorf("%s with %q", r.URL, r.Header.Get("Authorization"))
		}
		if strings.HasSuffix(r.URL.Path, "/redirect") {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
			return
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	_, redirected := c.Stat(t.Context(), entity+"/redirect")
	_, failed := c.Stat(t.Context(), entity+"/a")
	var e *Error
	if !errors.As(redirected, &e) || e.Status != http.StatusTemporaryRedirect || e.Attempts != 1 {
		t.Errorf("a redirect is %+v", redirected)
	}
	all := log.String() + fmt.Sprintf("%v %v %+v %#v %v", redirected, failed, c.options.Token, c.options.Token, slog.AnyValue(c.options.Token).Resolve())
	if strings.Contains(all, secret) || !strings.Contains(all, "op=stat") {
		t.Errorf("told: %s", all)
	}
}

// TestTokenSources: a file is read for each attempt; what cannot be a token ends the call at once,
// and is not quoted.
func TestTokenSources(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte("old\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, attempts := serve(t, Options{Token: TokenFile(path)}, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer new" {
			return
		}
		if err := os.WriteFile(path, []byte("new\n"), 0o600); err != nil {
			t.Error(err)
		}
		w.WriteHeader(http.StatusUnauthorized)
	})
	if _, err := c.Stat(t.Context(), entity+"/a"); err != nil || len(attempts()) != 2 {
		t.Errorf("%v after %+v", err, attempts())
	}
	for _, bad := range []string{"", "two words", "line\nbreak", "ü"} {
		if err := os.WriteFile(path, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Stat(t.Context(), entity+"/a"); err == nil || bad != "" && strings.Contains(err.Error(), bad) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Stat(t.Context(), entity+"/a"); !errors.Is(err, os.ErrNotExist) || errors.Is(err, ErrNotFound) {
		t.Errorf("without a token: %v", err)
	}
}

// TestRetryAfterIsHonoured: no attempt comes before the server wants it.
func TestRetryAfterIsHonoured(t *testing.T) {
	times := make(chan time.Time, 10)
	c, attempts := serve(t, Options{}, func(w http.ResponseWriter, _ *http.Request) {
		if times <- time.Now(); len(times) == 1 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
		}
	})
	if _, err := c.Stat(t.Context(), entity+"/a"); err != nil {
		t.Fatal(err)
	}
	if got := attempts(); len(got) != 2 || got[0].Wait < time.Second || got[0].Status != 429 || got[0].Err == nil || got[1].Err != nil || got[1].Number != 2 {
		t.Errorf("%+v", got)
	}
	if apart := -(<-times).Sub(<-times); apart < time.Second {
		t.Errorf("it came again after %s", apart)
	}
}

// TestAnswersOfOthers: what something in between says, or cuts, is no success.
func TestAnswersOfOthers(t *testing.T) {
	whole := []byte(`[{"partNo":1,"size":7,"created":1000}]`)
	var calls atomic.Int64
	c, _ := serve(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
		calls := calls.Add(1)
		switch {
		case strings.HasSuffix(r.URL.Path, "/proxy"):
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, "<html>go away</html>")
		case calls == 1:
			w.Header().Set("Content-Length", fmt.Sprint(len(whole)))
			_, _ = w.Write(whole[:10])
		default:
			_, _ = w.Write(whole)
		}
	})
	parts, err := c.Parts(t.Context(), entity+"/cut")
	if err != nil || len(parts) != 1 || parts[0].Size != 7 || calls.Load() != 2 {
		t.Errorf("%+v after %d calls, %v", parts, calls.Load(), err)
	}
	_, err = c.Parts(t.Context(), entity+"/proxy")
	if !errors.Is(err, ErrForbidden) || !strings.Contains(err.Error(), "go away") {
		t.Error(err)
	}
}

// TestLostAnswers: what is gone after an attempt without an answer was removed by it.
func TestLostAnswers(t *testing.T) {
	var calls atomic.Int64
	c, _ := serve(t, Options{}, func(w http.ResponseWriter, _ *http.Request) {
		if calls.Add(1) == 1 {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(http.StatusNotFound)
	})
	if err := c.Delete(t.Context(), entity+"/a", nil); err != nil {
		t.Error(err)
	}
	if err := c.Delete(t.Context(), entity+"/a", nil); !errors.Is(err, ErrNotFound) {
		t.Errorf("the second deletion: %v", err)
	}
}

// failing is a source that breaks in its second part.
type failing struct{}

func (failing) ReadAt(p []byte, offset int64) (int, error) {
	if offset+int64(len(p)) > 20*mib {
		return 0, errors.New("the disk is broken")
	}
	return len(p), nil
}

// TestBrokenSources: no attempt is made for what cannot be read, and nothing of it is completed.
func TestBrokenSources(t *testing.T) {
	c, attempts := serve(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.Method == http.MethodGet {
			_, _ = io.WriteString(w, "[]")
		}
	})
	_, err := c.Upload(t.Context(), entity+"/a", failing{}, 48*mib, nil)
	if err == nil || !strings.Contains(err.Error(), "the disk is broken") {
		t.Error(err)
	}
	for _, a := range attempts() {
		if a.Number > 1 || a.Op == "complete" {
			t.Errorf("%+v", a)
		}
	}
	if _, err := c.Upload(t.Context(), entity+"/a", failing{}, 0, nil); !errors.Is(err, ErrInvalid) {
		t.Errorf("an empty file: %v", err)
	}
	_, err = c.Upload(t.Context(), entity+"/a", failing{}, 1, &UploadOptions{Header: http.Header{"X-Other": {"x"}}})
	if !errors.Is(err, ErrInvalid) {
		t.Errorf("another header: %v", err)
	}
}

// TestCertificates: who is not trusted is asked once, and whoever has signed may be named by a
// file.
func TestCertificates(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	path := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(path, pemOf(server.Certificate().Raw), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		options Options
		trusted bool
	}{{Options{CAFile: path}, true}, {Options{}, false}} {
		tt.options.Token = StaticToken(secret)
		c, err := New(server.URL, &tt.options)
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Stat(t.Context(), entity+"/a")
		var e *Error
		if (err == nil) != tt.trusted || err != nil && (!errors.As(err, &e) || e.Attempts != 1) {
			t.Errorf("trusted: %t, and %v", tt.trusted, err)
		}
	}
	if err := os.WriteFile(path, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{path, path + ".missing"} {
		if _, err := New(server.URL, &Options{CAFile: bad}); err == nil {
			t.Errorf("%s is an authority", bad)
		}
	}
}

func pemOf(certificate []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})
}
