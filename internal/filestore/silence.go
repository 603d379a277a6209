package filestore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
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

// breaker is a circuit breaker: it keeps the calls of this process away from a backend that says
// nothing, so that none of them waits for it. The Store is silent once a call has failed with
// ErrSilent, and no other call has had an answer since that one began. From then on every call
// fails at once with ErrSilent, but for those that find out for themselves. One question at a time
// is asked in the background (half open), for as long as the Store lives. Any answer, also one of
// No, or a refused connection, ends the silence: a backend that is not there costs nobody any time.
type breaker struct {
	// question asks the backend.
	question func(context.Context) error
	// told is called with whether the Store is silent, when that changes.
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

func newBreaker(question func(context.Context) error, told func(bool)) *breaker {
	life, end := context.WithCancel(context.Background())
	return &breaker{question: question, told: told, life: life, end: end}
}

// close ends the questions in the background. It is idempotent.
func (b *breaker) close() {
	b.end()
	b.heard()
}

// enter refuses a call of the S3 operation op while the backend is silent.
func (b *breaker) enter(op string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.silent {
		return nil
	}
	cause := fmt.Errorf("nothing was heard of it since %s, and only one question at a time is asked", b.since.UTC().Format(time.RFC3339))
	return &Error{Op: op, Kind: ErrSilent, Cause: cause}
}

// leave notes what follows from the end of a call that has begun then. Who watches a body gives
// ErrSilent as the cause of its context's end.
func (b *breaker) leave(ctx context.Context, began time.Time, err error) {
	var e *Error
	switch {
	case err == nil, errors.As(err, &e) && e.Status != 0:
		b.heard()
	case errors.Is(err, ErrSilent), errors.Is(context.Cause(ctx), ErrSilent):
		b.unheard(began) //nolint:contextcheck // the questions in the background outlive the call
	}
}

// unheard notes that a call which has begun then was not answered.
func (b *breaker) unheard(began time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.silent || b.answered.After(began) || b.life.Err() != nil {
		return
	}
	b.silent, b.since = true, began
	b.told(true)
	if !b.asking {
		b.asking = true
		go b.ask()
	}
}

// heard notes an answer.
func (b *breaker) heard() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answered = time.Now()
	if b.silent {
		b.silent = false
		b.told(false)
	}
}

// ask asks until somebody has had an answer, or the Store is closed.
func (b *breaker) ask() {
	for pause := firstAskPause; ; pause = min(2*pause, lastAskPause) {
		ctx, cancel := context.WithTimeout(b.life, SilenceLimit)
		err := b.question(ctx)
		if late := ctx.Err(); late == nil && !errors.Is(err, ErrSilent) {
			b.heard()
		}
		cancel()
		if b.done() {
			return
		}
		select {
		case <-time.After(pause):
		case <-b.life.Done():
		}
	}
}

// done reports whether there is nothing to ask, and then whoever asks has to end.
func (b *breaker) done() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.silent && b.life.Err() == nil {
		return false
	}
	b.asking = false
	return true
}
