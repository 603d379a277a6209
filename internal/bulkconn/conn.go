package bulkconn

import (
	"context"
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

// BufferSize is that of the buffers, in bytes, that are read ahead into and that records are
// gathered in: a body that comes over TLS takes one, and so does one that goes out over TLS.
const BufferSize = 256 << 10

var buffers = sync.Pool{New: func() any { b := make([]byte, BufferSize); return &b }}

// Conn is a connection that moves large bodies. One goroutine at a time reads, and one writes, as
// of http.Server and http.Transport; the deadlines may be set by any.
type Conn struct {
	net.Conn
	underTLS bool
	// raw is the socket, nil where the kernel cannot be asked to wait.
	raw syscall.RawConn

	// The reader's. expected is how many bytes are still to come at least, of a body that is read.
	expected int64
	waits    waits
	// ahead is what was read ahead, from its byte from to its byte to; nil for nothing.
	ahead    *[]byte
	from, to int

	// mu guards the deadline of reads that was set from above, and whether a shorter one is in
	// force.
	mu       sync.Mutex
	deadline time.Time
	brief    time.Time

	// writing guards what was gathered, nil for nothing; see hold. Both sides of TLS write.
	writing sync.Mutex
	held    *[]byte
	filled  int
	holds   bool
}

// New makes a Conn of a connection, which it owns from then on. Under TLS, where reads and writes
// are small, it reads ahead and gathers.
func New(c net.Conn, underTLS bool) *Conn {
	conn := &Conn{Conn: c, underTLS: underTLS}
	if sc, ok := c.(syscall.Conn); ok && canWait {
		conn.raw, _ = sc.SyscallConn() // without it, it does not wait
	}
	return conn
}

// NetConn is the connection below.
func (c *Conn) NetConn() net.Conn { return c.Conn }

// ReadBody reads from a body that comes on the connection, of which left bytes are still to come,
// as its Read does, and as much as has come already: under TLS one read of the body gives one
// record. The reader's goroutine calls it. Without a connection (nil) it is body.Read.
func (c *Conn) ReadBody(body io.Reader, p []byte, left int64) (n int, err error) {
	if c == nil || left <= 0 { // after its end, others read the connection
		return body.Read(p)
	}
	for {
		c.expect(left - int64(n))
		m, err := body.Read(p[n:])
		n += m
		if err != nil || m == 0 || n == len(p) || int64(n) >= left || c.buffered() < wholeRecord {
			return n, err
		}
	}
}

// wholeRecord is more than the longest record of TLS (RFC 8446, section 5.2).
const wholeRecord = 17 << 10

// expect says that a body is read of which n bytes are to come at least, seen from above.
func (c *Conn) expect(n int64) {
	c.expected = n - int64(c.buffered()) - overHTTP
	if c.underTLS {
		c.expected -= overTLS
	}
}

// What may lie in buffers above the connection, and need not come any more: that of net/http, and
// those of crypto/tls, which has a record that it reads and one that it has read.
const (
	overHTTP = 4 << 10
	overTLS  = 64 << 10
)

// buffered is how many bytes were read ahead: the next reads take nothing from the kernel.
func (c *Conn) buffered() int { return c.to - c.from }

// Read implements net.Conn.
func (c *Conn) Read(p []byte) (int, error) {
	if c.buffered() > 0 {
		return c.take(p), nil
	}
	if !c.underTLS || c.expected <= 0 || len(p) >= BufferSize/2 {
		return c.receive(p)
	}
	if c.ahead == nil {
		c.ahead = buffers.Get().(*[]byte)
	}
	n, err := c.receive(*c.ahead)
	c.from, c.to = 0, n
	if n == 0 {
		c.drop()
		return 0, err
	}
	return c.take(p), nil // an error comes again
}

// take gives what was read ahead.
func (c *Conn) take(p []byte) int {
	n := copy(p, (*c.ahead)[c.from:c.to])
	if c.from += n; c.from == c.to {
		c.drop()
	}
	return n
}

func (c *Conn) drop() {
	buffers.Put(c.ahead)
	c.ahead, c.from, c.to = nil, 0, 0
}

type contextKey struct{}

// ConnContext is for http.Server.ConnContext: it lets Of find the connection of a request.
func ConnContext(ctx context.Context, nc net.Conn) context.Context {
	if c := below(nc); c != nil {
		return context.WithValue(ctx, contextKey{}, c)
	}
	return ctx
}

// Of is the connection of a request, by its context; nil where it has none.
func Of(ctx context.Context) *Conn {
	c, _ := ctx.Value(contextKey{}).(*Conn)
	return c
}

// below finds the Conn below TLS, nil if there is none.
func below(nc net.Conn) *Conn {
	for nc != nil {
		if c, ok := nc.(*Conn); ok {
			return c
		}
		over, ok := nc.(interface{ NetConn() net.Conn })
		if !ok {
			return nil
		}
		nc = over.NetConn()
	}
	return nil
}

// Listen has each connection of a listener be a Conn; the listener owns inner from then on.
func Listen(inner net.Listener, underTLS bool) net.Listener { return listener{inner, underTLS} }

type listener struct {
	net.Listener
	underTLS bool
}

// Accept implements net.Listener.
func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return New(c, l.underTLS), nil
}
