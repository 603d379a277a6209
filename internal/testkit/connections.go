package testkit

import (
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
