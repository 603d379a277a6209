package filestore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// SilenceLimit is how long a question to object storage waits for each byte of its answer before
// the backend counts as silent.
const SilenceLimit = 10 * time.Second

// Pauses between two questions to a silent backend: they double from the first to the last. Each
// question waits for up to SilenceLimit by itself.
const (
	firstAskPause = 500 * time.Millisecond
	lastAskPause  = 5 * time.Second
)

// askedKey is what a silent backend is asked for, behind the store's prefix: there is no object of
// that key, and nobody can hold up the answer by what they do with their own.
const askedKey = ".iotfile-probe/answers"

// Guard is a circuit breaker: it keeps the calls of this process away from a backend that says
// nothing, so that none of them waits for it. The Store is silent once a call has failed with
// ErrSilent, and no other call has had an answer since that one began. From then on every call
// fails at once with ErrSilent, but for Probe and Claim, which find out for themselves. One
// question at a time is asked in the background (half open), for as long as the Store lives. Any
// answer, also one of No, or a refused connection, ends the silence: a backend that is not there
// costs nobody any time.
//
// told, which may be nil, is called with true when the Store becomes silent, and with false when it
// is not any more, or is closed. It must not call the Store. Closing the result closes store.
func Guard(config Config, store Store, told func(silent bool)) Store {
	if told == nil {
		told = func(bool) {}
	}
	life, end := context.WithCancel(context.Background())
	return &guarded{Store: store, key: config.Prefix + askedKey, told: told, life: life, end: end}
}

type guarded struct {
	Store
	key  string
	told func(bool)
	life context.Context //nolint:containedctx // of the Store: it ends the questions in the background
	end  context.CancelFunc

	mu sync.Mutex
	// silent is true from a call without an answer to the next answer; since is when that call
	// began.
	silent bool
	since  time.Time
	// answered is when the backend was heard last.
	answered time.Time
	// asking: a goroutine asks.
	asking bool
}

// Close implements Store.
func (g *guarded) Close() {
	g.end()
	g.heard()
	g.Store.Close()
}

// enter begins a call, or refuses it. The caller defers leave with the address of the error that
// the call returns.
func (g *guarded) enter(ctx context.Context, op string) (leave func(*error), err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.silent {
		cause := fmt.Errorf("nothing was heard of it since %s, and only one question at a time is asked", g.since.UTC().Format(time.RFC3339))
		return nil, &Error{Op: op, Kind: ErrSilent, Cause: cause}
	}
	return g.leave(ctx), nil
}

// leave is what follows from the end of a call that begins now. Who watches a body gives ErrSilent
// as the cause of its context's end.
func (g *guarded) leave(ctx context.Context) func(*error) {
	began := time.Now()
	return func(err *error) {
		var e *Error
		switch {
		case *err == nil, errors.As(*err, &e) && e.Status != 0:
			g.heard()
		case errors.Is(*err, ErrSilent), errors.Is(context.Cause(ctx), ErrSilent):
			g.unheard(began) //nolint:contextcheck // the questions in the background outlive the call
		}
	}
}

// unheard notes that a call which has begun then was not answered.
func (g *guarded) unheard(began time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.silent || g.answered.After(began) || g.life.Err() != nil {
		return
	}
	g.silent, g.since = true, began
	g.told(true)
	if !g.asking {
		g.asking = true
		go g.ask()
	}
}

// heard notes an answer.
func (g *guarded) heard() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.answered = time.Now()
	if g.silent {
		g.silent = false
		g.told(false)
	}
}

// ask asks until somebody has had an answer, or the Store is closed.
func (g *guarded) ask() {
	for pause := firstAskPause; ; pause = min(2*pause, lastAskPause) {
		ctx, cancel := context.WithTimeout(g.life, SilenceLimit)
		_, err := g.Store.Stat(ctx, g.key)
		if late := ctx.Err(); late == nil && !errors.Is(err, ErrSilent) {
			g.heard()
		}
		cancel()
		if g.done() {
			return
		}
		select {
		case <-time.After(pause):
		case <-g.life.Done():
		}
	}
}

// done reports whether there is nothing to ask, and then whoever asks has to end.
func (g *guarded) done() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.silent && g.life.Err() == nil {
		return false
	}
	g.asking = false
	return true
}

// PutPart implements PartWriter.
func (g *guarded) PutPart(ctx context.Context, ref UploadRef, number int32, body io.Reader, size int64) (part Part, err error) {
	leave, err := g.enter(ctx, "UploadPart")
	if err != nil {
		return Part{}, err
	}
	defer leave(&err)
	return g.Store.PutPart(ctx, ref, number, body, size)
}

// ListParts implements PartLister.
func (g *guarded) ListParts(ctx context.Context, ref UploadRef) (parts []Part, err error) {
	leave, err := g.enter(ctx, "ListParts")
	if err != nil {
		return nil, err
	}
	defer leave(&err)
	return g.Store.ListParts(ctx, ref)
}

// CreateUpload implements Lifecycle.
func (g *guarded) CreateUpload(ctx context.Context, key string, opts CreateUploadOptions) (id string, err error) {
	leave, err := g.enter(ctx, "CreateMultipartUpload")
	if err != nil {
		return "", err
	}
	defer leave(&err)
	return g.Store.CreateUpload(ctx, key, opts)
}

// CompleteUpload implements Lifecycle.
func (g *guarded) CompleteUpload(ctx context.Context, ref UploadRef, parts []Part, cond Condition) (object Object, err error) {
	leave, err := g.enter(ctx, "CompleteMultipartUpload")
	if err != nil {
		return Object{}, err
	}
	defer leave(&err)
	return g.Store.CompleteUpload(ctx, ref, parts, cond)
}

// AbortUpload implements Lifecycle.
func (g *guarded) AbortUpload(ctx context.Context, ref UploadRef) (err error) {
	leave, err := g.enter(ctx, "AbortMultipartUpload")
	if err != nil {
		return err
	}
	defer leave(&err)
	return g.Store.AbortUpload(ctx, ref)
}

// ListUploads implements Lifecycle.
func (g *guarded) ListUploads(ctx context.Context, prefix string, yield func(Upload) bool) (err error) {
	leave, err := g.enter(ctx, "ListMultipartUploads")
	if err != nil {
		return err
	}
	defer leave(&err)
	return g.Store.ListUploads(ctx, prefix, yield)
}

// Stat implements Reader.
func (g *guarded) Stat(ctx context.Context, key string) (object Object, err error) {
	leave, err := g.enter(ctx, "HeadObject")
	if err != nil {
		return Object{}, err
	}
	defer leave(&err)
	return g.Store.Stat(ctx, key)
}

// Open implements Reader.
func (g *guarded) Open(ctx context.Context, seen Object, rng ByteRange) (body io.ReadCloser, err error) {
	leave, err := g.enter(ctx, "GetObject")
	if err != nil {
		return nil, err
	}
	defer leave(&err)
	return g.Store.Open(ctx, seen, rng)
}

// PutObject implements ObjectWriter.
func (g *guarded) PutObject(ctx context.Context, key string, body io.Reader, size int64, opts CreateUploadOptions, cond Condition) (object Object, err error) {
	leave, err := g.enter(ctx, "PutObject")
	if err != nil {
		return Object{}, err
	}
	defer leave(&err)
	return g.Store.PutObject(ctx, key, body, size, opts, cond)
}

// DeleteObject implements ObjectWriter.
func (g *guarded) DeleteObject(ctx context.Context, key string) (err error) {
	leave, err := g.enter(ctx, "DeleteObject")
	if err != nil {
		return err
	}
	defer leave(&err)
	return g.Store.DeleteObject(ctx, key)
}

// ListObjects implements ObjectLister.
func (g *guarded) ListObjects(ctx context.Context, prefix, after string, yield func(Object) bool) (err error) {
	leave, err := g.enter(ctx, "ListObjects")
	if err != nil {
		return err
	}
	defer leave(&err)
	return g.Store.ListObjects(ctx, prefix, after, yield)
}

// Probe implements Prober.
func (g *guarded) Probe(ctx context.Context) (caps v1alpha1.FileStoreCapabilities, err error) {
	defer g.leave(ctx)(&err)
	return g.Store.Probe(ctx)
}

// Claim implements Prober.
func (g *guarded) Claim(ctx context.Context, id string) (owner string, err error) {
	defer g.leave(ctx)(&err)
	return g.Store.Claim(ctx, id)
}
