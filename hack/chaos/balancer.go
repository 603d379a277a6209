package main

import (
	"io"
	"net"
	"net/url"
	"sync/atomic"
	"time"
)

// linger bounds how long a balancer reads what a client still sends when its answer is complete.
const linger = 5 * time.Second

// balancer is to a client what the address of a Service is: behind it a connection goes to one of
// several servers, the next one each time, and to another where it is refused. Once it stands, its
// bytes go nowhere else.
type balancer struct {
	listener *net.TCPListener
	servers  func() []string // their URLs, as they are now
	turn     atomic.Uint32
	// refused counts the connections for which a server was not there.
	refused atomic.Uint32
}

// newBalancer starts a balancer on a free port of loopback.
func newBalancer(servers func() []string) (*balancer, error) {
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	b := &balancer{listener: listener, servers: servers}
	go func() {
		for {
			down, err := listener.AcceptTCP()
			if err != nil {
				return
			}
			go b.serve(down)
		}
	}()
	return b, nil
}

// url is where it listens.
func (b *balancer) url() string { return "http://" + b.listener.Addr().String() }

// stop takes no more connections; those that stand go on.
func (b *balancer) stop() { _ = b.listener.Close() }

// serve passes a connection on, in both directions, until the server has ended it.
func (b *balancer) serve(down *net.TCPConn) {
	defer func() { _ = down.Close() }()
	up := b.dial()
	if up == nil {
		return
	}
	defer func() { _ = up.Close() }()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		if _, err := io.Copy(up, down); err == nil {
			_ = up.CloseWrite()
			return
		}
		// What the client still sends is taken, as the server itself would: a reset would cost it
		// the answer.
		_, _ = io.Copy(io.Discard, down)
	}()
	_, _ = io.Copy(down, up)
	_ = down.CloseWrite()
	_ = down.SetReadDeadline(time.Now().Add(linger))
	<-sent
}

// dial connects to the server whose turn it is, or to the next that does not refuse; nil if all do.
func (b *balancer) dial() *net.TCPConn {
	servers := b.servers()
	first := int(b.turn.Add(1))
	for i := range servers {
		at, err := url.Parse(servers[(first+i)%len(servers)])
		if err != nil {
			continue
		}
		conn, err := net.Dial("tcp", at.Host)
		if err != nil {
			b.refused.Add(1)
			continue
		}
		return conn.(*net.TCPConn)
	}
	return nil
}
