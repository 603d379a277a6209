package ui

import (
	"context"
	"sync"
	"time"
)

const (
	// findTimeout is how long finding the REST API may take.
	findTimeout = 30 * time.Second
	// findAgain is how long a failure counts for who asks next: the page asks for much at once.
	findAgain = 2 * time.Second
)

// finder finds the REST API when it is asked for, for all who ask at once, until it has found it.
type finder struct {
	ctx  context.Context // that of the server: an attempt outlives the request that began it
	find func(context.Context) (*API, error)

	mu   sync.Mutex
	last *attempt
}

// attempt is one, of which done is closed at its end.
type attempt struct {
	done  chan struct{}
	ended time.Time
	api   *API
	err   error
}

func (f *finder) get(ctx context.Context) (*API, error) {
	a := f.attempt() //nolint:contextcheck // an attempt is for all who ask meanwhile
	select {
	case <-a.done:
		return a.api, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (f *finder) attempt() *attempt {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.last != nil {
		select {
		case <-f.last.done:
			if f.last.err == nil || time.Since(f.last.ended) < findAgain {
				return f.last
			}
		default:
			return f.last
		}
	}
	a := &attempt{done: make(chan struct{})}
	f.last = a
	go func() {
		ctx, cancel := context.WithTimeout(f.ctx, findTimeout)
		defer cancel()
		a.api, a.err = f.find(ctx)
		a.ended = time.Now()
		close(a.done)
	}()
	return a
}
