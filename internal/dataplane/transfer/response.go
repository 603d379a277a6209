package transfer

import (
	"context"
	"net/http"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/bulkconn"
)

// Response counts what is written, with a deadline that slides as long as the client takes bytes.
type Response struct {
	http.ResponseWriter
	controller *http.ResponseController
	// conn is the connection that the answer goes out on, nil where it is none that is told.
	conn        *bulkconn.Conn
	idle        time.Duration
	before      func(http.Header) // runs once, before the header is written
	status      int
	sent        int64
	wroteHeader bool
	moved       time.Time
}

// NewResponse makes a Response to the request of a context. before runs once, before the header is
// written; idle is how long the client may take no byte.
func NewResponse(ctx context.Context, w http.ResponseWriter, controller *http.ResponseController, idle time.Duration, before func(http.Header)) *Response {
	return &Response{ResponseWriter: w, controller: controller, conn: bulkconn.Of(ctx), idle: idle, before: before}
}

// Status is what was answered, 0 before the header is written.
func (w *Response) Status() int { return w.status }

// Sent is how many bytes of the answer's body were written.
func (w *Response) Sent() int64 { return w.sent }

// Begun reports whether the header was written.
func (w *Response) Begun() bool { return w.wroteHeader }

// Unwrap gives http.ResponseController the connection.
func (w *Response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (w *Response) WriteHeader(status int) {
	if w.wroteHeader {
		return
	}
	w.wroteHeader, w.status = true, status
	w.before(w.Header())
	w.slide()
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *Response) Write(p []byte) (int, error) {
	if !w.wroteHeader {
		w.WriteHeader(http.StatusOK)
	}
	w.slide()
	n, err := w.write(p)
	w.sent += int64(n)
	return n, err
}

// write has the records that TLS makes of a large step written at once.
func (w *Response) write(p []byte) (int, error) {
	if len(p) < BufferSize/2 {
		return w.ResponseWriter.Write(p)
	}
	return w.conn.WriteBody(w.ResponseWriter, p)
}

func (w *Response) slide() {
	if now := time.Now(); now.Sub(w.moved) >= deadlineStep {
		w.moved = now
		_ = w.controller.SetWriteDeadline(now.Add(w.idle)) // without deadlines (a test recorder) there is nothing to slide
	}
}
