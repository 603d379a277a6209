package connlimit

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"
)

// conn is a connection that counts. It has all methods of *net.TCPConn, so that sendfile and splice
// go on to work.
type conn struct {
	*net.TCPConn
	from  *Listener
	addr  netip.Addr
	since time.Time // when it got its place, or began to wait for one
	known atomic.Bool
	idle  atomic.Bool
}

// Close implements net.Conn, and gives the place back. It may be called more than once.
func (c *conn) Close() error {
	c.from.release(c)
	return c.TCPConn.Close()
}

type contextKey struct{}

// ConnContext is for http.Server.ConnContext: it lets Known find the connection of a request.
func ConnContext(ctx context.Context, nc net.Conn) context.Context {
	if c := counted(nc); c != nil {
		return context.WithValue(ctx, contextKey{}, c)
	}
	return ctx
}

// ConnState is for http.Server.ConnState: it lets the Listener know which connections are idle
// between requests.
func ConnState(nc net.Conn, state http.ConnState) {
	if c := counted(nc); c != nil {
		c.idle.Store(state == http.StateIdle)
	}
}

// Known says that the caller of a request has proved who it is. Its connection is then closed for
// the sake of others only between two requests. ctx is that of the request; without a connection
// that counts, Known does nothing.
func Known(ctx context.Context) {
	if c, ok := ctx.Value(contextKey{}).(*conn); ok {
		c.known.Store(true)
	}
}

// counted finds the connection that counts below TLS and others, nil if there is none.
func counted(nc net.Conn) *conn {
	for {
		over, ok := nc.(interface{ NetConn() net.Conn })
		if !ok {
			c, _ := nc.(*conn)
			return c
		}
		nc = over.NetConn()
	}
}
