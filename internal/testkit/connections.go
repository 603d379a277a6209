package testkit

import (
	"crypto/tls"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/iotfile-operator/iotfile-operator/internal/tcpfault"
)

// ListenTCP takes connections on a free port of loopback until the test ends, and gives each to
// serve, on a goroutine of its own. Connections stay open when serve returns, and are closed when
// the test ends; serve must then return. With a serve that does nothing the address accepts and
// says nothing. It returns host:port.
func ListenTCP(t testing.TB, serve func(net.Conn)) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var open []net.Conn
	var serving sync.WaitGroup
	accepting := make(chan struct{})
	go func() {
		defer close(accepting)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, conn)
			mu.Unlock()
			serving.Go(func() { serve(conn) })
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-accepting
		mu.Lock()
		for _, conn := range open {
			_ = conn.Close()
		}
		mu.Unlock()
		serving.Wait()
	})
	return listener.Addr().String()
}

// TerminateTLS takes connections with TLS on a free port of loopback, until the test ends, and
// passes their bytes on to target ("host:port") in the clear. It returns host:port. It reads no
// requests: a proxy that does holds an early answer back, now and then.
func TerminateTLS(t testing.TB, certificate tls.Certificate, target string) string {
	t.Helper()
	config := &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	return ListenTCP(t, func(raw net.Conn) {
		front := tls.Server(raw, config)
		defer func() { _ = front.Close() }()
		back, err := new(net.Dialer).DialContext(t.Context(), "tcp", target)
		if err != nil {
			return
		}
		var there sync.WaitGroup
		there.Go(func() {
			_, _ = io.Copy(back, front)
			_ = back.Close()
		})
		_, _ = io.Copy(front, back)
		_, _ = front.Close(), back.Close()
		there.Wait()
	})
}

// FaultyTCP starts a proxy to upstream ("host:port"), without a fault, which is closed when the
// test ends.
func FaultyTCP(t testing.TB, upstream string) *tcpfault.Proxy {
	t.Helper()
	p, err := tcpfault.New(upstream, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}
