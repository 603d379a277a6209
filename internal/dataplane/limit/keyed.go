package limit

import (
	"sync"
	"time"
)

// sweepFrom is from how many keys on those that are as good as new are forgotten.
const sweepFrom = 1024

// Keyed limits what each key takes: how fast, and how much at this moment. The zero value is ready.
// It is safe for concurrent use.
type Keyed[K comparable] struct {
	mu    sync.Mutex
	known map[K]*account
	// sweepAt is how many have to be known for the next sweep: each costs as many steps, and comes
	// after as many keys.
	sweepAt int
}

// account is what was taken of one key.
type account struct {
	buckets []bucket // of the rates, in the order in which they are asked for
	held    int64
}

// Want is an amount, and the rate that it is taken at.
type Want struct {
	Amount float64
	Rate   Rate
}

// of finds the account of a key. The caller holds the lock.
func (l *Keyed[K]) of(key K, now time.Time) *account {
	if len(l.known) >= max(sweepFrom, l.sweepAt) {
		for other, a := range l.known {
			if a.quiet(now) {
				delete(l.known, other)
			}
		}
		l.sweepAt = 2 * len(l.known)
	}
	found := l.known[key]
	if found == nil {
		if l.known == nil {
			l.known = map[K]*account{}
		}
		found = &account{}
		l.known[key] = found
	}
	return found
}

// quiet reports whether nothing is held, and all that was taken may be had again.
func (a *account) quiet(now time.Time) bool {
	if a.held != 0 {
		return false
	}
	for i := range a.buckets {
		if !a.buckets[i].full(now) {
			return false
		}
	}
	return true
}

// Take takes what is wanted, and gives the time to wait until it may be used. Where that is more
// than maxWait nothing is taken, and over is the index of the want that has to wait longest; else
// it is -1. The wants of a key are always the same kinds, in the same order.
func (l *Keyed[K]) Take(key K, now time.Time, maxWait time.Duration, wants ...Want) (wait time.Duration, over int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.of(key, now)
	if a.buckets == nil {
		a.buckets = make([]bucket, len(wants))
	}
	longest := 0
	for i, want := range wants {
		a.buckets[i].adjust(want.Rate, now)
		if w := a.buckets[i].wait(want.Amount); w > wait {
			wait, longest = w, i
		}
	}
	if wait > maxWait {
		return wait, longest
	}
	for i, want := range wants {
		a.buckets[i].level -= want.Amount
	}
	return wait, -1
}

// Give gives back what Take has taken.
func (l *Keyed[K]) Give(key K, now time.Time, wants ...Want) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.of(key, now)
	for i := range a.buckets {
		a.buckets[i].level += wants[i].Amount
	}
}

// Hold holds an amount of the key, if admit agrees with how much of it is held already. The caller
// calls release once.
func (l *Keyed[K]) Hold(key K, amount int64, now time.Time, admit func(held int64) error) (release func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.of(key, now)
	if err := admit(a.held); err != nil {
		return nil, err
	}
	a.held += amount
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		a.held -= amount
	}, nil
}
