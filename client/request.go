package iotfile

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Attempt is one request as it was sent, and what came of it.
type Attempt struct {
	// Op is what was asked, such as "start", "part 7" or "read".
	Op string
	// Path is the file's, or the entity of a search.
	Path string
	// Number counts the attempts of a request from 1.
	Number int
	// Status and ID are those of the answer, 0 and "" where there was none.
	Status int
	ID     string
	// Sent is how many bytes of a body left this process, in whole or in part.
	Sent int64
	// Duration is how long the attempt took.
	Duration time.Duration
	// Err is why it was no success, nil if it was one.
	Err error
	// Wait is how long the next attempt is put off, 0 if there is none.
	Wait time.Duration
}

// request is what is sent, as often as it takes.
type request struct {
	op, method string
	// address is below the root of the API, escaped, with its query.
	address string
	header  http.Header
	// prepare, if not nil, changes the header of each attempt.
	prepare func(http.Header)
	// body is nil for none.
	body *io.SectionReader
	// sent is told of bytes on their way; nil for nobody.
	sent func(n int64)
	// read reads the body of a success, and may fail, which ends the attempt; nil drops it.
	read func(*http.Response) error
	// keep leaves the body of a success open, for whoever read has given it to.
	keep bool
	// patient says that a 503 that itself took long is no failure: the work goes on.
	patient bool
}

const (
	// patientAfter is how long such an answer takes: the server holds a completion for 50 seconds.
	patientAfter = 30 * time.Second
	// patientFor is how many of them are borne: an hour.
	patientFor = 72
)

// borne reports whether attempt n, which has failed, does not count.
func (r *request) borne(e *Error, n int, took time.Duration) bool {
	return r.patient && e.Status == http.StatusServiceUnavailable && took >= patientAfter && n <= patientFor
}

// answer is a success.
type answer struct {
	status int
	header http.Header
}

// do sends a request until it is answered with something else than "later". The error is an *Error.
func (c *call) do(ctx context.Context, r *request) (*answer, error) {
	doubt, failures := false, 0
	for n := 1; ; n++ {
		a, sent, took, err := c.timed(ctx, r)
		if err == nil {
			c.tell(ctx, r, Attempt{Number: n, Status: a.status, ID: a.header.Get("X-Request-Id"), Sent: sent, Duration: took})
			return a, nil
		}
		e := c.failure(ctx, r, n, err)
		if !r.borne(e, n, took) {
			failures++
		}
		e.doubt = doubt
		again := !canceled(ctx) && failures < c.options.Attempts && repeatable(err, n)
		wait := time.Duration(0)
		if again {
			wait = e.retryAfter + backoff(max(failures, 1))
		}
		c.tell(ctx, r, Attempt{Number: n, Status: e.Status, ID: e.ID, Sent: sent, Duration: took, Err: e, Wait: wait})
		if !again {
			return nil, e
		}
		doubt = doubt || e.Status == 0 || e.Status >= http.StatusInternalServerError
		if err := pause(ctx, wait); err != nil {
			return nil, c.failure(ctx, r, n, err)
		}
	}
}

// timed is one attempt, with the bytes that it has sent and how long it took.
func (c *call) timed(ctx context.Context, r *request) (a *answer, sent int64, took time.Duration, err error) {
	began := time.Now()
	var b *body
	if r.body != nil {
		b = newBody(r.body, r.sent)
	}
	a, err = c.attempt(ctx, r, b)
	if b != nil {
		b.await()
		sent = b.count
		if b.err != nil { // what the transport makes of it would look like a broken connection
			err = &localError{b.err}
		}
	}
	return a, sent, time.Since(began), err
}

func (c *call) attempt(ctx context.Context, r *request, b *body) (*answer, error) {
	req, err := c.assemble(ctx, r)
	if err != nil {
		if b != nil {
			_ = b.Close()
		}
		return nil, &localError{err}
	}
	if b != nil {
		req.Body, req.ContentLength = b, r.body.Size()
		req.Header.Set("Expect", "100-continue") // what is refused is refused before the bytes are sent
	}
	res, err := c.http.Do(req)
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) { // which has the address in it a second time
			err = wrapped.Err
		}
		return nil, err
	}
	if res.StatusCode/100 != 2 {
		defer func() { _ = res.Body.Close() }()
		said, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10)) // the status tells enough
		return nil, &answeredError{refusal(res.StatusCode, res.Header, said)}
	}
	return &answer{res.StatusCode, res.Header}, r.take(res)
}

// take reads the body of a success.
func (r *request) take(res *http.Response) (err error) {
	if r.read != nil {
		err = r.read(res)
	}
	if r.keep && err == nil {
		return nil
	}
	if err == nil { // to its end, so that the connection can be used again
		_, err = io.Copy(io.Discard, res.Body)
	}
	_ = res.Body.Close()
	return err
}

// assemble makes the request of one attempt.
func (c *call) assemble(ctx context.Context, r *request) (*http.Request, error) {
	token, err := c.options.Token.Token(ctx)
	if err != nil {
		return nil, err
	}
	if token, err = checkToken(token); err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, r.method, c.root+r.address, nil)
	if err != nil {
		return nil, err
	}
	if r.header != nil {
		req.Header = r.header.Clone()
	}
	if r.prepare != nil {
		r.prepare(req.Header)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("User-Agent", c.agent)
	req.Header.Set("Accept-Encoding", "identity") // or a transport would unpack what was stored packed
	return req, nil
}

// failure is err as the caller of the package sees it.
func (c *call) failure(ctx context.Context, r *request, attempts int, err error) *Error {
	e := &Error{Err: err}
	var local *localError
	var answered *answeredError
	if errors.As(err, &answered) {
		e = answered.answer
	} else if errors.As(err, &local) {
		e.Err = local.err
	} else if repeatable(err, attempts) && !canceled(ctx) {
		e.kind = ErrUnavailable
	}
	if canceled(ctx) && !errors.Is(e.Err, ctx.Err()) {
		e.Err = errors.Join(context.Cause(ctx), ctx.Err())
	}
	e.Op, e.Path, e.Attempts = r.op, c.path, attempts
	return e
}

// tell tells of an attempt.
func (c *call) tell(ctx context.Context, r *request, a Attempt) {
	a.Op, a.Path = r.op, c.path
	if c.options.OnAttempt != nil {
		c.options.OnAttempt(a)
	}
	level, message := slog.LevelDebug, "attempt"
	if a.Wait > 0 {
		level, message = slog.LevelInfo, "attempt failed, there is another one"
	}
	if !c.log.Enabled(ctx, level) {
		return
	}
	attributes := []slog.Attr{
		slog.String("op", a.Op), slog.String("path", a.Path), slog.Int("attempt", a.Number), slog.Int("status", a.Status),
		slog.String("id", a.ID), slog.Int64("sent", a.Sent), slog.Duration("took", a.Duration),
	}
	if a.Err != nil {
		attributes = append(attributes, slog.String("error", a.Err.Error()), slog.Duration("wait", a.Wait))
	}
	c.log.LogAttrs(ctx, level, "iotfile: "+message, attributes...)
}

// body is a request's. It knows when the transport is done with it, which can be after the answer.
type body struct {
	section *io.SectionReader
	sent    func(n int64)
	done    chan struct{}
	close   func()
	// count and err are the transport's until it is done: bytes that were read, and why no more
	// were.
	count int64
	err   error
}

func newBody(section *io.SectionReader, sent func(int64)) *body {
	b := &body{section: io.NewSectionReader(section, 0, section.Size()), sent: sent, done: make(chan struct{})}
	b.close = sync.OnceFunc(func() { close(b.done) })
	return b
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.section.Read(p)
	b.count += int64(n)
	if n > 0 && b.sent != nil {
		b.sent(int64(n))
	}
	if err == io.EOF && b.count < b.section.Size() {
		err = io.ErrUnexpectedEOF
	}
	if err != nil && err != io.EOF {
		b.err = err
	}
	return n, err
}

// Close implements io.Closer.
func (b *body) Close() error {
	b.close()
	return nil
}

// await waits until the transport reads no more of it.
func (b *body) await() { <-b.done }

// escape encodes a path for a URL, segment by segment.
func escape(path string) string {
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		segments[i] = url.PathEscape(segment)
	}
	return strings.Join(segments, "/")
}
