package transfer

import (
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/bulkconn"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/apierror"
)

const (
	// drainBytes and drainTime bound what is read of a body after its request was refused. An
	// answer that is sent while the client still sends is lost to a TCP reset now and then; 8 MiB
	// is the chunk size of common clients.
	drainBytes = 8 << 20
	drainTime  = 2 * time.Second
	// deadlineStep is how often a sliding deadline is moved at most.
	deadlineStep = time.Second
	// BufferSize is that of the buffers that bytes are copied with.
	BufferSize = 256 << 10
)

// Buffers are those that bytes are copied with.
var Buffers = sync.Pool{New: func() any { b := make([]byte, BufferSize); return &b }}

// Timeouts are how long a body is waited for.
type Timeouts struct {
	// Idle is how long the client may send nothing.
	Idle time.Duration
	// MinRate is how many bytes per second the client must send on average once it was waited for
	// longer than Grace; none if not positive. Only the time counts for which the server was ready
	// to read.
	MinRate int64
	Grace   time.Duration
}

// Inbound is a request's body. Nothing of it is read, and so no "100 Continue" is sent, before
// someone calls Read.
type Inbound struct {
	body       io.Reader
	controller *http.ResponseController
	// conn is the connection that the body comes on, nil where it is none that is told.
	conn     *bulkconn.Conn
	timeouts Timeouts
	waited   time.Duration
	// length is the Content-Length, -1 if there is none and the body is chunked, until its end is
	// seen.
	length int64
	// memory has the whole of a body that came without a length; nil for one that is read from the
	// connection.
	memory *memoryBody
	// chunked: it came without a length, or with one that does not count.
	chunked bool
	// expects: the client waits for "100 Continue" before it sends.
	expects bool
	// received counts the bytes read, for metrics.
	received atomic.Int64

	began bool
	err   error // what ended the body, but for a clean end
	// closing: the answer was begun before the body was read.
	closing bool
	moved   time.Time

	mu      sync.Mutex
	stopped bool
}

// NewInbound makes an Inbound of a request's body.
func NewInbound(r *http.Request, controller *http.ResponseController, timeouts Timeouts) *Inbound {
	return &Inbound{
		body:       r.Body,
		controller: controller,
		conn:       bulkconn.Of(r.Context()),
		timeouts:   timeouts,
		length:     r.ContentLength,
		chunked:    r.ContentLength < 0,
		expects:    strings.EqualFold(r.Header.Get("Expect"), "100-continue"),
	}
}

// Length is how many bytes the body has, -1 as long as that is unknown.
func (b *Inbound) Length() int64 { return b.length }

// Received is how many bytes have been read of it.
func (b *Inbound) Received() int64 { return b.received.Load() }

// Read implements io.Reader with a deadline that slides as long as bytes arrive fast enough. Errors
// are apierror.ErrBodyShort, apierror.ErrBodyIdle, apierror.ErrBodySlow, or io.EOF after exactly
// length bytes.
func (b *Inbound) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	b.began = true
	if b.memory != nil {
		return b.memory.Read(p)
	}
	b.slide()
	begin := time.Now()
	n, err := b.conn.ReadBody(b.body, p, b.length-b.received.Load()) // of unknown length, nothing is to come for certain
	b.received.Add(int64(n))
	b.waited += time.Since(begin)
	switch {
	case errors.Is(err, io.EOF) || (err == nil && !b.Unread()):
		// The deadline would else end the request's context while the answer is prepared: net/http
		// watches the connection by then.
		_ = b.controller.SetReadDeadline(time.Time{})
		if b.length < 0 {
			b.length = b.received.Load()
		}
		return n, err
	case err == nil && b.tooSlow():
		b.err = apierror.ErrBodySlow
		b.stop()
	case err == nil:
		return n, nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		b.err = apierror.ErrBodyIdle
	default:
		b.err = errors.Join(apierror.ErrBodyShort, err)
	}
	return n, b.err
}

// tooSlow reports whether the client sends too little to keep its place: a few bytes now and then
// would else hold it for ever.
func (b *Inbound) tooSlow() bool {
	return b.timeouts.MinRate > 0 && b.waited > b.timeouts.Grace && float64(b.received.Load()) < float64(b.timeouts.MinRate)*b.waited.Seconds()
}

// Unread reports whether bytes may still be on their way.
func (b *Inbound) Unread() bool {
	if b.memory != nil {
		return b.memory.left > 0
	}
	return b.length != 0 && (b.length < 0 || b.received.Load() < b.length)
}

// Untouched reports whether the body can still be sent from its beginning.
func (b *Inbound) Untouched() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.stopped && b.err == nil && b.received.Load() == 0
}

// Discard reads the rest, so that a client that does not read while it sends sees the answer. The
// caller has checked the length, if it is known.
func (b *Inbound) Discard() error {
	if b.memory != nil || !b.Unread() || (b.expects && !b.began) {
		return nil
	}
	buffer := Buffers.Get().(*[]byte)
	defer Buffers.Put(buffer)
	var rest io.Reader = onlyReader{b}
	if b.length < 0 {
		rest = io.LimitReader(rest, maxChunked+1)
	}
	n, err := io.CopyBuffer(io.Discard, rest, *buffer)
	if err == nil && b.length < 0 && n > maxChunked {
		return endlessBody()
	}
	return err
}

func (b *Inbound) slide() {
	now := time.Now()
	if now.Sub(b.moved) < deadlineStep {
		return
	}
	b.moved = now
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.stopped {
		_ = b.controller.SetReadDeadline(now.Add(b.timeouts.Idle)) // without deadlines (a test recorder) there is nothing to slide
	}
}

// stop makes the Read that is going on, and all later ones, fail. When all was read there are none,
// and the deadline would end the connection.
func (b *Inbound) stop() {
	if b.memory != nil || !b.Unread() {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stopped = true
	_ = b.controller.SetReadDeadline(time.Unix(1, 0))
}

// BeforeAnswer prepares an answer that is begun although the body is unread: the connection does
// not outlive it. net/http would else read the body on its own, unbounded in time, before it writes
// the header.
func (b *Inbound) BeforeAnswer(h http.Header) {
	if b.chunked {
		// It may have had a Content-Length, too, which net/http drops without a word. What is
		// behind such a request is not to be taken for another one (RFC 9112, 6.1).
		h.Set("Connection", "close")
	}
	if b.memory != nil || !b.Unread() {
		return
	}
	h.Set("Connection", "close")
	b.closing = true
	_ = b.controller.EnableFullDuplex() // never needed where it is not supported
	// Also bounds the small rest that net/http reads when the handler has returned; of a client
	// that waits to be asked, none.
	deadline := time.Now()
	if !b.expects || b.began {
		deadline = deadline.Add(drainTime)
	}
	_ = b.controller.SetReadDeadline(deadline)
}

// AfterAnswer reads a bounded amount of a body that was not read before the answer, or not to its
// end because it was cut. A client that waits for "100 Continue" gets none, and there is nothing to
// read. The memory of a body is free from now on.
func (b *Inbound) AfterAnswer() {
	if b.memory != nil {
		b.memory.free()
	}
	if !b.closing || (b.expects && !b.began) {
		return
	}
	_ = b.controller.Flush()
	buffer := Buffers.Get().(*[]byte)
	defer Buffers.Put(buffer)
	_, _ = io.CopyBuffer(io.Discard, io.LimitReader(onlyReader{b.body}, drainBytes), *buffer) // best effort
}

// onlyReader hides io.WriterTo, so that the pooled buffer is used.
type onlyReader struct{ io.Reader }
