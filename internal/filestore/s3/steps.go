package s3

import (
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"

	"github.com/iotfile-operator/iotfile-operator/internal/bulkconn"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

// copyBuffers are shared by the stores of the process: a buffer is held only while a part flows.
var copyBuffers = sync.Pool{New: func() any { b := make([]byte, filestore.PartBuffer); return &b }}

// steppingConn is a connection whose bodies move in large steps.
type steppingConn struct {
	net.Conn
	// below is the connection itself, or what it has below TLS.
	below *bulkconn.Conn
}

// ReadFrom implements io.ReaderFrom. net/http calls it for request bodies; its own buffer is 32
// KiB.
func (c steppingConn) ReadFrom(r io.Reader) (int64, error) {
	buf := copyBuffers.Get().(*[]byte)
	defer copyBuffers.Put(buf)
	return io.CopyBuffer(stepWriter(c), r, *buf)
}

// stepWriter writes each step with as few calls as can be. It has no ReadFrom: that of the
// connection below would take a smaller buffer of its own.
type stepWriter steppingConn

// Write implements io.Writer.
func (w stepWriter) Write(p []byte) (int, error) { return w.below.WriteBody(w.Conn, p) }

// leastStepping is the size from which on the body of an answer is worth it.
const leastStepping = 64 << 10

// receiveSteps sends a request without a body, and has the answer's read in large steps.
func receiveSteps(next http.RoundTripper, req *http.Request) (*http.Response, error) {
	if req.Method != http.MethodGet {
		return next.RoundTrip(req)
	}
	var conn net.Conn
	trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) { conn = info.Conn }}
	response, err := next.RoundTrip(req.WithContext(httptrace.WithClientTrace(req.Context(), trace)))
	if err != nil || response.ContentLength < leastStepping {
		return response, err
	}
	if stepping, ok := conn.(steppingConn); ok {
		response.Body = &stepBody{ReadCloser: response.Body, conn: stepping.below, left: response.ContentLength}
	}
	return response, nil
}

// stepBody is the body of an answer.
type stepBody struct {
	io.ReadCloser
	conn *bulkconn.Conn
	left int64
}

// Read implements io.Reader.
func (b *stepBody) Read(p []byte) (int, error) {
	n, err := b.conn.ReadBody(b.ReadCloser, p, b.left)
	if b.left -= int64(n); err != nil {
		b.left = 0 // the connection is no longer this body's
	}
	return n, err
}
