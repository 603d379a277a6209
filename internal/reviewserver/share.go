package reviewserver

import (
	"context"
	"net"
	"sync"
	"time"
)

// share is a number of places, of which each address gets so many at once.
type share struct {
	total, each int

	mu    sync.Mutex
	taken int
	by    map[string]int
	freed chan struct{} // closed, and replaced, when a place becomes free
}

func newShare(total, each int) *share {
	return &share{total: total, each: each, by: map[string]int{}, freed: make(chan struct{})}
}

// enter takes a place for an address, and waits for one at most until patience or ctx is over. The
// caller calls leave once, if ok.
func (s *share) enter(ctx context.Context, address string, patience time.Duration) (leave func(), ok bool) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		freed, ok := s.try(address)
		if ok {
			return func() { s.leave(address) }, true
		}
		select {
		case <-freed:
		case <-timer.C:
			return nil, false
		case <-ctx.Done():
			return nil, false
		}
	}
}

// try takes a place, or gives what tells that it is worth another try.
func (s *share) try(address string) (freed <-chan struct{}, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken >= s.total || s.by[address] >= s.each {
		return s.freed, false
	}
	s.taken++
	s.by[address]++
	return nil, true
}

func (s *share) leave(address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken--
	if s.by[address]--; s.by[address] == 0 {
		delete(s.by, address)
	}
	close(s.freed)
	s.freed = make(chan struct{})
}

// addressOf is the host of host:port.
func addressOf(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return remote
	}
	return host
}
