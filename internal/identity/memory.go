package identity

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"
	"golang.org/x/sync/singleflight"
	"k8s.io/apimachinery/pkg/util/cache"
)

// errNoReview says that there is no answer of the API server, neither yes nor no.
var errNoReview = errors.New("the API server gives no answer")

// What becomes of a question, as the metric names it.
const (
	resultGranted  = "granted"
	resultRefused  = "refused"
	resultError    = "error"
	resultNotAsked = "not_asked"
)

// verdict is an answer of the API server.
type verdict[T any] struct {
	value T
	// granted is false for a refusal; reason, for the log, may say why.
	granted bool
	reason  string
}

// memory remembers verdicts, bounded in number and in time. Grants and refusals have rooms of their
// own: however many refusals somebody provokes, nobody's grant is pushed out by them. A question is
// asked once, however many wait for its answer; its asking outlives whoever was first.
type memory[T any] struct {
	granted, refused       *cache.LRUExpireCache
	grantedTTL, refusedTTL time.Duration
	flights                singleflight.Group
	// asking bounds the questions that are with the API server at once: it counts them against the
	// operator, whose own work must not starve.
	asking  *semaphore.Weighted
	timeout time.Duration
	reviews *prometheus.CounterVec // by result
}

func newMemory[T any](o *Options, reviews *prometheus.CounterVec) *memory[T] {
	return &memory[T]{
		granted: cache.NewLRUExpireCacheWithClock(o.CacheSize, o.Clock), refused: cache.NewLRUExpireCacheWithClock(o.CacheSize, o.Clock),
		grantedTTL: o.GrantTTL, refusedTTL: o.RefusalTTL,
		asking: semaphore.NewWeighted(int64(o.MaxReviews)), timeout: o.Timeout, reviews: reviews,
	}
}

// ask gives the verdict on key from memory, else by review. An error is errNoReview, and is not
// remembered.
func (m *memory[T]) ask(ctx context.Context, key string, review func(context.Context) (verdict[T], error)) (verdict[T], error) {
	if v, ok := m.recall(key); ok {
		return v, nil
	}
	detached := context.WithoutCancel(ctx)
	flight := m.flights.DoChan(key, func() (any, error) {
		if v, ok := m.recall(key); ok { // another flight landed just before this one
			return v, nil
		}
		ctx, cancel := context.WithTimeout(detached, m.timeout)
		defer cancel()
		if err := m.asking.Acquire(ctx, 1); err != nil {
			m.reviews.WithLabelValues(resultNotAsked).Inc()
			return nil, fmt.Errorf("%w: too many questions wait for it: %w", errNoReview, err)
		}
		defer m.asking.Release(1)
		v, err := review(ctx)
		if err != nil {
			m.reviews.WithLabelValues(resultError).Inc()
			return nil, fmt.Errorf("%w: %w", errNoReview, err)
		}
		m.remember(key, v)
		return v, nil
	})
	select {
	case landed := <-flight:
		v, _ := landed.Val.(verdict[T]) // the zero verdict, a refusal, beside an error
		return v, landed.Err
	case <-ctx.Done():
		return verdict[T]{}, fmt.Errorf("%w: %w", errNoReview, context.Cause(ctx))
	}
}

func (m *memory[T]) recall(key string) (verdict[T], bool) {
	for _, room := range []*cache.LRUExpireCache{m.granted, m.refused} {
		if known, ok := room.Get(key); ok {
			v, ok := known.(verdict[T])
			return v, ok
		}
	}
	return verdict[T]{}, false
}

func (m *memory[T]) remember(key string, v verdict[T]) {
	if v.granted {
		m.reviews.WithLabelValues(resultGranted).Inc()
		m.granted.Add(key, v, m.grantedTTL)
		return
	}
	m.reviews.WithLabelValues(resultRefused).Inc()
	m.refused.Add(key, v, m.refusedTTL)
}
