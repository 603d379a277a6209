package dataplane_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/iotfile-operator/iotfile-operator/internal/dataplane"
	"github.com/iotfile-operator/iotfile-operator/internal/identity"
)

// tokenAuthenticator knows one token.
type tokenAuthenticator struct{}

func (tokenAuthenticator) Authenticate(r *http.Request) (identity.Identity, error) {
	if r.Header.Get("Authorization") != "Bearer good" {
		return identity.Identity{}, identity.ErrUnauthenticated
	}
	return identity.Identity{Name: "app", Namespace: "default"}, nil
}

// TestStrangersTakeLittle: thousands of connections of nobody knows whom, each with a header as
// long as may be that does not end, hold little memory together, and keep no caller with a token
// out.
func TestStrangersTakeLittle(t *testing.T) {
	const places, count = 1024, 4000
	registry := prometheus.NewRegistry()
	s := newSystem(t, setup{noReadyProbe: true, options: func(o *dataplane.Options) {
		o.Authenticator, o.MaxConnections, o.Registerer = tokenAuthenticator{}, places, registry
	}})
	before := memoryInUse()
	header := "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + strings.Repeat("a", 15<<10)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var mu sync.Mutex
	conns := make([]net.Conn, count)
	for w := range 16 {
		wg.Go(func() {
			for i := w; ; i = (i + 16) % count { // those that were closed come again
				select {
				case <-stop:
					return
				default:
				}
				dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 10, byte(1+i%200))}, Timeout: time.Second}
				conn, err := dialer.Dial("tcp", s.addr)
				if err != nil {
					time.Sleep(10 * time.Millisecond)
					continue
				}
				_, _ = io.WriteString(conn, header)
				mu.Lock()
				old := conns[i]
				conns[i] = conn
				mu.Unlock()
				if old != nil {
					old.Close()
				}
				time.Sleep(time.Millisecond)
			}
		})
	}
	s.eventually("nearly all places taken", func() error {
		families, err := registry.Gather()
		must(t, err)
		for _, family := range families {
			if family.GetName() == "iotfile_connections" {
				// Some are free at any moment: their connections have ended, and the next ones are
				// on their way.
				if n := family.GetMetric()[0].GetGauge().GetValue(); n < places-places/20 {
					return fmt.Errorf("%v connections", n)
				}
				return nil
			}
		}
		return errors.New("no such metric")
	})
	begin := time.Now()
	for i := range 5 {
		if err := s.knownRequest(); err != nil {
			t.Errorf("request %d of a caller with a token: %v", i, err)
		}
	}
	t.Logf("5 requests of a known caller, each with a connection of its own: %s", time.Since(begin))
	close(stop)
	wg.Wait()
	used := memoryInUse() - before
	t.Logf("%d connections with a header that does not end: %d MiB, the test's own ends included", places, used>>20)
	if used > 64<<20 {
		t.Errorf("strangers hold %d MiB", used>>20)
	}
	mu.Lock()
	defer mu.Unlock()
	for _, c := range conns {
		if c != nil {
			c.Close()
		}
	}
}

func memoryInUse() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// knownRequest sends a request with a good token over a connection of its own, and reports whether
// it is answered.
func (s *system) knownRequest() error {
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.scheme+s.addr+"/api/iotfile/v3/none", nil)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer good")
	resp, err := (&http.Client{Transport: transport, Timeout: time.Minute}).Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNotFound {
		return errors.New(resp.Status)
	}
	return nil
}

// TestStrangersFillNoLog: the log lines of a flood of requests without a token are bounded, those
// left out are counted, and requests of known callers are all in the log.
func TestStrangersFillNoLog(t *testing.T) {
	s := newSystem(t, setup{noReadyProbe: true, options: func(o *dataplane.Options) { o.Authenticator = tokenAuthenticator{} }})
	const flood, known = 3000, 20
	begin := time.Now()
	for range flood {
		resp, err := http.Get(s.scheme + s.addr + "/api/iotfile/v3/files/x")
		must(t, err)
		resp.Body.Close()
		if resp.StatusCode != http.StatusUnauthorized {
			t.Fatal(resp.Status)
		}
	}
	seconds := time.Since(begin).Seconds()
	for range known {
		must(t, s.knownRequest())
	}
	strangers, callers := len(s.log.with(`"status"=401`)), len(s.log.with(`"user"="app"`))
	if most := 101 + int(5*seconds+5); strangers == 0 || strangers > most {
		t.Errorf("%d lines of %d requests of strangers in %.1f s, at most %d wanted", strangers, flood, seconds, most)
	}
	if callers != known {
		t.Errorf("%d lines of %d requests of a known caller", callers, known)
	}
	s.eventually("the count of those left out", func() error {
		if len(s.log.with("refused without a log line")) == 0 {
			return errors.New("no such line")
		}
		return nil
	})
}
