package sharing

import (
	"context"
	"slices"
	"sync"
)

// Places are what a Line gives out. They are called by one at a time.
type Places interface {
	// Room reports whether the lane may take one more place.
	Room(l Lane) bool
	// Take takes n places, or gives -n back.
	Take(l Lane, n int)
	// Held is how many places the lane holds.
	Held(l Lane) int
}

// Line are Places with those who wait for one. The places go to the lane that has least, and of
// those that have as much to the one that was served longest ago: tenants take turns, however many
// requests each has waiting. It is safe for concurrent use.
type Line struct {
	mu     sync.Mutex
	places Places
	// waiting is by lane, in the order in which they came.
	waiting map[Lane][]*waiter
	// served counts, by lane, when it was served last; of those that hold or want something.
	served map[Lane]uint64
	turns  uint64
}

// waiter is one who waits.
type waiter struct {
	got   chan struct{} // closed when it has a place
	taken bool
}

// NewLine makes a Line for places that nobody else gives out: a Pool, or what else has some.
func NewLine(places Places) *Line {
	return &Line{places: places, waiting: map[Lane][]*waiter{}, served: map[Lane]uint64{}}
}

// Try takes a place if there is one and nobody of the lane waits. The caller calls release once.
func (s *Line) Try(l Lane) (release func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting[l]) > 0 || !s.places.Room(l) {
		return nil, false
	}
	s.take(l)
	return func() { s.give(l) }, true
}

// Wait takes a place as soon as there is one. It fails when ctx ends before, with its cause. The
// caller calls release once.
func (s *Line) Wait(ctx context.Context, l Lane) (release func(), err error) {
	w := &waiter{got: make(chan struct{})}
	s.mu.Lock()
	s.waiting[l] = append(s.waiting[l], w)
	s.serve()
	s.mu.Unlock()
	select {
	case <-w.got:
	case <-ctx.Done():
		if !s.leave(l, w) {
			return nil, context.Cause(ctx)
		}
	}
	return func() { s.give(l) }, nil
}

// Change changes what places depend on, and then gives what is free to those that wait.
func (s *Line) Change(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
	s.serve()
}

// take takes a place. The caller holds the lock.
func (s *Line) take(l Lane) {
	s.places.Take(l, 1)
	s.turns++
	s.served[l] = s.turns
}

func (s *Line) give(l Lane) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.places.Take(l, -1)
	s.serve()
	s.forget(l)
}

// leave gives the wait up; taken is true if a place was given in the same moment.
func (s *Line) leave(l Lane, w *waiter) (taken bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !w.taken {
		s.drop(l, w)
	}
	return w.taken
}

// serve gives what is free to those that wait. The caller holds the lock.
func (s *Line) serve() {
	for {
		next, found := s.next()
		if !found {
			return
		}
		w := s.waiting[next][0]
		s.take(next)
		w.taken = true
		close(w.got)
		s.drop(next, w)
	}
}

// next is whose turn it is. The caller holds the lock.
func (s *Line) next() (best Lane, found bool) {
	for l := range s.waiting {
		if !s.places.Room(l) {
			continue
		}
		held, least := s.places.Held(l), s.places.Held(best)
		if !found || held < least || held == least && s.served[l] < s.served[best] {
			best, found = l, true
		}
	}
	return best, found
}

// drop takes one out of its lane's line. The caller holds the lock.
func (s *Line) drop(l Lane, w *waiter) {
	left := slices.DeleteFunc(s.waiting[l], func(other *waiter) bool { return other == w })
	if s.waiting[l] = left; len(left) == 0 {
		delete(s.waiting, l)
	}
	s.forget(l)
}

// forget drops what is remembered of a lane that neither holds nor wants anything. The caller holds
// the lock.
func (s *Line) forget(l Lane) {
	if s.places.Held(l) == 0 && len(s.waiting[l]) == 0 {
		delete(s.served, l)
	}
}
