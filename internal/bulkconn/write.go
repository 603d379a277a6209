package bulkconn

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

// WriteBody writes a step of a body to w, which is above the connection. What TLS makes of it goes
// out at once, 256 KiB at a time. Without a connection (nil), and without TLS, it is w.Write.
func (c *Conn) WriteBody(w io.Writer, p []byte) (int, error) {
	if c == nil || !c.underTLS {
		return w.Write(p)
	}
	c.hold()
	n, err := w.Write(p)
	if released := c.release(); err == nil {
		err = released
	}
	return n, err
}

// hold has what TLS writes gathered, up to 256 KiB at a time, until release. Without TLS it does
// nothing.
func (c *Conn) hold() {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.holds = c.underTLS
}

// release writes what was gathered. Its error is that of a write.
func (c *Conn) release() error {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.holds = false
	return c.flush()
}

// flush writes what was gathered. The caller holds writing.
func (c *Conn) flush() error {
	if c.held == nil {
		return nil
	}
	_, err := c.send((*c.held)[:c.filled])
	buffers.Put(c.held)
	c.held, c.filled = nil, 0
	return err
}

// Write implements net.Conn. What it gathers has no error before it is written.
func (c *Conn) Write(p []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.filled+len(p) > BufferSize {
		if err := c.flush(); err != nil {
			return 0, err
		}
	}
	if !c.holds || len(p) > BufferSize {
		return c.send(p)
	}
	if c.held == nil {
		c.held = buffers.Get().(*[]byte)
	}
	c.filled += copy((*c.held)[c.filled:], p)
	return len(p), nil
}

// leastSend is the size from which on a write is worth a way of its own.
const leastSend = 16 << 10

// send writes to the kernel.
func (c *Conn) send(p []byte) (n int, err error) {
	if c.raw == nil || len(p) < leastSend {
		return c.Conn.Write(p)
	}
	var failed error
	err = c.raw.Write(func(fd uintptr) bool {
		for failed == nil && n < len(p) {
			var m int
			m, failed = write(fd, p[n:])
			n += m
		}
		if errors.Is(failed, syscall.EAGAIN) {
			failed = nil
			return false
		}
		return true
	})
	if err == nil && failed != nil {
		err = c.opError("write", failed)
	}
	return n, err
}

// opError is an error of the kernel as package net has it.
func (c *Conn) opError(call string, err error) error {
	return &net.OpError{Op: call, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: os.NewSyscallError(call, err)}
}

// CloseWrite ends what is sent, where the connection below can: net/http does so before it closes a
// connection whose client still sends.
func (c *Conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
