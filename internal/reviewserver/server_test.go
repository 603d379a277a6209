package reviewserver_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/iotfile-operator/iotfile-operator/internal/reviewserver"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

// authority signs certificates.
type authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string // with its certificate
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	cert, err := x509.ParseCertificate(der)
	must(t, err)
	a := &authority{t: t, cert: cert, key: key, file: filepath.Join(t.TempDir(), "ca.crt")}
	must(t, os.WriteFile(a.file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	return a
}

func (a *authority) sign(name string, usage x509.ExtKeyUsage) *tls.Certificate {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(a.t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{usage}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	must(a.t, err)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// served is a server with one webhook, which says how many bytes it got, or waits until it is
// released.
type served struct {
	t        testing.TB
	address  string
	trust    *x509.CertPool
	registry *prometheus.Registry
	hold     chan struct{} // reviews of /slow end when it is closed
	bundle   []byte        // PEM of trust
	asked    atomic.Int64  // reviews of /allow
}

func serve(t testing.TB, clients *reviewserver.Clients) *served {
	t.Helper()
	ca := newAuthority(t)
	shown := ca.sign("server", x509.ExtKeyUsageServerAuth)
	s := &served{t: t, trust: x509.NewCertPool(), registry: prometheus.NewRegistry(), hold: make(chan struct{})}
	s.trust.AddCert(ca.cert)
	s.bundle = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw})
	server, err := reviewserver.New(reviewserver.Options{
		Address: "127.0.0.1:0", Clients: clients, Log: logr.Discard(), Registerer: s.registry,
		Certificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return shown, nil },
	})
	must(t, err)
	server.Register("/review", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, err := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%d %v", len(data), err)
	}))
	server.Register("/slow", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-s.hold }))
	server.Register("/allow", s.allow())
	if server.StartedChecker()(nil) == nil {
		t.Error("started before it is")
	}
	done := make(chan error, 1)
	go func() { done <- server.Start(t.Context()) }() // which is over before what follows
	t.Cleanup(func() {
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	testkit.Eventually(t, func() error { return server.StartedChecker()(nil) })
	s.address = server.Addr().String()
	return s
}

// client makes a client that calls from an address of loopback, with a certificate or none.
func (s *served) client(from string, cert *tls.Certificate) *http.Client {
	config := &tls.Config{RootCAs: s.trust, MinVersion: tls.VersionTLS13}
	if cert != nil {
		config.Certificates = []tls.Certificate{*cert}
	}
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	transport := &http.Transport{TLSClientConfig: config, DialContext: dialer.DialContext, DisableKeepAlives: true}
	s.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: time.Minute}
}

// post sends a review.
func (s *served) post(c *http.Client, path string, body io.Reader) (status int, text string, err error) {
	res, err := c.Post("https://"+s.address+path, "application/json", body)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	return res.StatusCode, string(data), err
}

// expectHealthy has a caller from another address answered.
func (s *served) expectHealthy() {
	s.t.Helper()
	status, text, err := s.post(s.client("127.0.0.9", nil), "/review", strings.NewReader("{}"))
	if err != nil || status != 200 || text != "2 <nil>" {
		s.t.Errorf("a healthy review is answered with %d %q, %v", status, text, err)
	}
}

func (s *served) refused(reason string) float64 {
	s.t.Helper()
	families, err := s.registry.Gather()
	must(s.t, err)
	for _, m := range families[0].GetMetric() {
		if m.GetLabel()[0].GetValue() == reason {
			return m.GetCounter().GetValue()
		}
	}
	s.t.Fatalf("no count of %s", reason)
	return 0
}

// raw opens a connection, and sends the head of a review with a length of its body, negative for
// chunks.
func (s *served) raw(from string, length int) *tls.Conn {
	s.t.Helper()
	dialer := tls.Dialer{
		NetDialer: &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}, Config: &tls.Config{RootCAs: s.trust, MinVersion: tls.VersionTLS13},
	}
	conn, err := dialer.DialContext(s.t.Context(), "tcp", s.address)
	must(s.t, err)
	s.t.Cleanup(func() { _ = conn.Close() })
	framing := fmt.Sprintf("Content-Length: %d", length)
	if length < 0 {
		framing = "Transfer-Encoding: chunked"
	}
	_, err = fmt.Fprintf(conn, "POST /review HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n%s\r\n\r\n", framing)
	must(s.t, err)
	return conn.(*tls.Conn)
}

// memory is what this process, server and clients, holds.
func memory() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

// TestBodiesThatNeverEnd: they cost no more than they may, are cut by the time-out, and hold nobody
// else up.
func TestBodiesThatNeverEnd(t *testing.T) {
	const bodies, size = 40, 6656 << 10
	for name, length := range map[string]int{"declared": size, "in chunks": -1, "just not too large": reviewserver.MaxBodyBytes} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, nil)
			s.expectHealthy()
			before := memory()
			var group sync.WaitGroup
			answers := make(chan error, bodies)
			for i := range bodies {
				conn := s.raw(fmt.Sprintf("127.0.0.%d", 2+i%4), length)
				group.Go(func() { send(conn, length, size-1) })
				go func() { answers <- cutOff(conn) }()
			}
			for range 5 {
				s.expectHealthy()
			}
			grown := int64(memory()) - int64(before)
			t.Logf("%d bodies take %d MiB, their senders included", bodies, grown>>20)
			if grown > 48<<20 {
				t.Error("memory is not flat")
			}
			for range bodies {
				select {
				case err := <-answers:
					if err != nil {
						t.Error(err)
					}
				case <-time.After(time.Minute):
					t.Fatal("a body that never ends is not cut")
				}
			}
			group.Wait()
			s.expectHealthy()
		})
	}
}

// send sends all of a body but its last byte, as far as it is taken.
func send(conn net.Conn, length, n int) {
	chunk := bytes.Repeat([]byte{'x'}, 32<<10)
	if length > 0 {
		n = length - 1
	}
	for n > 0 {
		part := chunk[:min(n, len(chunk))]
		if length < 0 {
			if _, err := fmt.Fprintf(conn, "%x\r\n", len(part)); err != nil {
				return
			}
		}
		if _, err := conn.Write(part); err != nil {
			return
		}
		if length < 0 {
			if _, err := conn.Write([]byte("\r\n")); err != nil {
				return
			}
		}
		n -= len(part)
	}
}

// cutOff waits until the server ends the connection, with a refusal if any answer comes.
func cutOff(conn net.Conn) error {
	answer, err := io.ReadAll(conn)
	if len(answer) > 0 && !bytes.HasPrefix(answer, []byte("HTTP/1.1 4")) && !bytes.HasPrefix(answer, []byte("HTTP/1.1 503")) {
		return fmt.Errorf("it is answered with %.40q, %w", answer, err)
	}
	return nil
}

// TestReviewSizes: what may be there is, and what may not be is told why.
func TestReviewSizes(t *testing.T) {
	s := serve(t, nil)
	c := s.client("127.0.0.1", nil)
	for _, n := range []int{0, 1, 64<<10 - 1, 64 << 10, 64<<10 + 1, reviewserver.MaxBodyBytes - 1, reviewserver.MaxBodyBytes} {
		for name, body := range map[string]io.Reader{"length": bytes.NewReader(make([]byte, n)), "chunks": io.MultiReader(bytes.NewReader(make([]byte, n)))} {
			if status, text, err := s.post(c, "/review", body); err != nil || status != 200 || text != fmt.Sprintf("%d <nil>", n) {
				t.Errorf("%d bytes, %s: %d %q, %v", n, name, status, text, err)
			}
		}
	}
	for _, n := range []int{reviewserver.MaxBodyBytes + 1, 6656 << 10} {
		for name, body := range map[string]io.Reader{"length": bytes.NewReader(make([]byte, n)), "chunks": io.MultiReader(bytes.NewReader(make([]byte, n)))} {
			status, text, err := s.post(c, "/review", body)
			var why metav1.Status
			if err != nil || status != 413 || json.Unmarshal([]byte(text), &why) != nil || !strings.Contains(why.Message, "more than 1048576 bytes") {
				t.Errorf("%d bytes, %s: %d %q, %v", n, name, status, text, err)
			}
		}
	}
	if n := s.refused("too_large"); n != 4 {
		t.Errorf("%v are counted", n)
	}
}

// TestOnlyHTTP1: a caller that speaks nothing but HTTP/2 gets no connection.
func TestOnlyHTTP1(t *testing.T) {
	s := serve(t, nil)
	for _, protocols := range [][]string{{"h2"}, {"h2", "http/1.1"}, nil} {
		dialer := tls.Dialer{Config: &tls.Config{RootCAs: s.trust, NextProtos: protocols, MinVersion: tls.VersionTLS13}}
		conn, err := dialer.DialContext(t.Context(), "tcp", s.address)
		if only := len(protocols) == 1; only != (err != nil) {
			t.Errorf("%q: %v", protocols, err)
		}
		if err == nil {
			if got := conn.(*tls.Conn).ConnectionState().NegotiatedProtocol; got == "h2" {
				t.Errorf("%q: the connection speaks %s", protocols, got)
			}
			_ = conn.Close()
		}
	}
}

// TestSlowHeaders: whoever does not come to the point is cut, and so is a header without end.
func TestSlowHeaders(t *testing.T) {
	s := serve(t, nil)
	dialer := tls.Dialer{Config: &tls.Config{RootCAs: s.trust, MinVersion: tls.VersionTLS13}}
	silent, err := new(net.Dialer).DialContext(t.Context(), "tcp", s.address)
	must(t, err)
	slow, err := dialer.DialContext(t.Context(), "tcp", s.address)
	must(t, err)
	long, err := dialer.DialContext(t.Context(), "tcp", s.address)
	must(t, err)
	_, err = io.WriteString(slow, "POST /review HTTP/1.1\r\nHost: x\r\nX-A: ")
	must(t, err)
	go func() { // until it is cut
		for _, err := slow.Write([]byte("a")); err == nil; _, err = slow.Write([]byte("a")) {
			time.Sleep(100 * time.Millisecond)
		}
	}()
	_, _ = io.WriteString(long, "POST /review HTTP/1.1\r\nHost: x\r\nX-A: "+strings.Repeat("a", 64<<10))
	s.expectHealthy()
	for name, conn := range map[string]net.Conn{"silent": silent, "slow": slow, "long": long} {
		must(t, conn.SetReadDeadline(time.Now().Add(time.Minute)))
		answer, err := io.ReadAll(conn)
		if errors.Is(err, os.ErrDeadlineExceeded) || len(answer) > 0 && !bytes.HasPrefix(answer, []byte("HTTP/1.1 4")) {
			t.Errorf("%s: %.60q, %v", name, answer, err)
		}
	}
}

// TestConnections: one address does not have them all, an idle one makes room, and a refusal is
// counted.
func TestConnections(t *testing.T) {
	s := serve(t, nil)
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 3)}}
	// Each may wait for a place before it is refused; how many come to that depends on how fast
	// they are opened.
	testkit.Eventually(t, func() error {
		for range 100 {
			conn, err := dialer.DialContext(t.Context(), "tcp", s.address)
			must(t, err)
			t.Cleanup(func() { _ = conn.Close() })
		}
		if n := s.refused("connection"); n < 200 {
			return fmt.Errorf("%v connections were refused", n)
		}
		return nil
	})
	s.expectHealthy()
}

// TestReviewsAtOnce: one address does not have all places, and who waits too long is told.
func TestReviewsAtOnce(t *testing.T) {
	s := serve(t, nil)
	statuses := make(chan int, 40)
	for range cap(statuses) {
		go func() {
			status, _, _ := s.post(s.client("127.0.0.4", nil), "/slow", strings.NewReader("{}"))
			statuses <- status
		}()
	}
	testkit.Eventually(t, func() error {
		if n := s.refused("busy"); n != 24 {
			return fmt.Errorf("%v were refused", n)
		}
		return nil
	})
	s.expectHealthy()
	close(s.hold)
	count := map[int]int{}
	for range cap(statuses) {
		count[<-statuses]++
	}
	if count[503] != 24 || count[200] != 16 {
		t.Errorf("the answers are %v", count)
	}
}

// TestClientCertificates: only who has one of the authority, of the right name and for clients, may
// ask; and the authority can be changed.
func TestClientCertificates(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	clients, err := reviewserver.NewClients(ca.file, []string{"kube-apiserver", "another"})
	must(t, err)
	s := serve(t, clients)
	ask := func(cert *tls.Certificate) error {
		status, text, err := s.post(s.client("127.0.0.1", cert), "/review", strings.NewReader("{}"))
		if err == nil && status != 200 {
			err = fmt.Errorf("%d %s", status, text)
		}
		return err
	}
	good := ca.sign("kube-apiserver", x509.ExtKeyUsageClientAuth)
	must(t, ask(good))
	must(t, ask(ca.sign("another", x509.ExtKeyUsageClientAuth)))
	for name, cert := range map[string]*tls.Certificate{
		"none": nil, "of another name": ca.sign("kubelet", x509.ExtKeyUsageClientAuth), "of another authority": other.sign("kube-apiserver", x509.ExtKeyUsageClientAuth),
		"of a server": ca.sign("kube-apiserver", x509.ExtKeyUsageServerAuth),
	} {
		if err := ask(cert); err == nil {
			t.Errorf("a caller with a certificate %s is answered", name)
		}
	}
	if n := s.refused("certificate"); n != 4 {
		t.Errorf("%v refusals are counted", n)
	}
	next, err := os.ReadFile(other.file)
	must(t, err)
	must(t, os.WriteFile(ca.file, next, 0o600))
	testkit.Eventually(t, func() error { return ask(other.sign("kube-apiserver", x509.ExtKeyUsageClientAuth)) })
	if err := ask(good); err == nil {
		t.Error("the authority of before is trusted")
	}
	if _, err := reviewserver.NewClients(ca.file, nil); err == nil {
		t.Error("nobody's name is enough")
	}
	if _, err := reviewserver.NewClients(filepath.Join(t.TempDir(), "none"), []string{"x"}); err == nil {
		t.Error("a file that is not there is enough")
	}
}
