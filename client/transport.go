package iotfile

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	// silence is how long a connection may move no byte in either direction: the server answers
	// within one minute, be it with "later".
	silence = 2 * time.Minute
	// continueTimeout is how long a body is held back for "100 Continue": the server waits up to
	// ten seconds for a place before it asks for one.
	continueTimeout = 12 * time.Second
	// bufferSize is what is read and written at once. Smaller ones cost system calls.
	bufferSize = 256 << 10
)

var buffers = sync.Pool{New: func() any {
	b := make([]byte, bufferSize)
	return &b
}}

// call is one call of a method. Its connections end with it.
type call struct {
	*Client
	http *http.Client
	// path is the file's, for errors.
	path string
	end  func()
}

// begin begins a call that makes so many requests at once. end is to be called.
func (c *Client) begin(path string, parallel int) *call {
	out := &call{Client: c, path: path, end: func() {}}
	carrier := c.options.Transport
	if carrier == nil {
		t := newTransport(c.options.TLS, parallel)
		carrier, out.end = t, t.CloseIdleConnections
	}
	// A redirect would send a body twice, and a token elsewhere.
	out.http = &http.Client{Transport: carrier, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return out
}

func newTransport(config *tls.Config, parallel int) *http.Transport {
	if config == nil {
		config = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true) // several connections carry more than several streams of one
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &conn{c}, nil
		},
		TLSClientConfig: config.Clone(), TLSHandshakeTimeout: 10 * time.Second, ExpectContinueTimeout: continueTimeout,
		MaxIdleConnsPerHost: parallel, Protocols: protocols, DisableCompression: true, ReadBufferSize: 64 << 10, WriteBufferSize: 64 << 10,
	}
}

// conn is a connection that fails when it moves no byte for too long, and that sends bodies in
// large pieces.
type conn struct{ net.Conn }

func (c *conn) slide() { _ = c.SetDeadline(time.Now().Add(silence)) }

// Read implements net.Conn.
func (c *conn) Read(p []byte) (int, error) {
	c.slide()
	return c.Conn.Read(p)
}

// Write implements net.Conn.
func (c *conn) Write(p []byte) (int, error) {
	c.slide()
	return c.Conn.Write(p)
}

// ReadFrom implements io.ReaderFrom, which net/http sends a body with.
func (c *conn) ReadFrom(r io.Reader) (int64, error) {
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	return io.CopyBuffer(onlyWriter{c}, r, *buffer)
}

// onlyWriter hides io.ReaderFrom.
type onlyWriter struct{ io.Writer }
