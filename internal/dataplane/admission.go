package dataplane

import (
	"sync"
)

// Memory that a request takes while its bytes flow.
const (
	// partMemory: the buffer of one write to object storage, and those of two connections.
	partMemory = 1<<20 + 128<<10
	// readMemory: copyBuffer, and those of two connections.
	readMemory = copyBuffer + 128<<10
)

// budget bounds the parts that are streamed at once, and the bytes that parts and downloads buffer, and shares both among the namespaces.
type budget struct {
	mu      sync.Mutex
	parts   shared
	memory  shared
	metrics *metrics
}

func newBudget(parts int, memory int64, m *metrics) *budget {
	m.partsLimit.Set(float64(parts))
	m.bufferedLimit.Set(float64(memory))
	return &budget{parts: newShared(int64(parts)), memory: newShared(memory), metrics: m}
}

// takePart takes a part's share, or answers 503: waiting would hold the client's connection without a sign, while
// another replica may have room. The caller calls release once.
func (b *budget) takePart(namespace string) (release func(), err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case !b.parts.room(namespace, 1):
		b.metrics.rejected.WithLabelValues(budgetParts).Inc()
	case !b.memory.room(namespace, partMemory):
		b.metrics.rejected.WithLabelValues(budgetBuffers).Inc()
	default:
		b.parts.take(namespace, 1)
		b.buffer(namespace, partMemory)
		b.metrics.partsInFlight.Inc()
		return func() {
			b.metrics.partsInFlight.Dec()
			b.mu.Lock()
			defer b.mu.Unlock()
			b.parts.take(namespace, -1)
			b.buffer(namespace, -partMemory)
		}, nil
	}
	return nil, errUnavailable("the server is streaming as many parts as it may, or as the namespace may while others need room: send the part again", retrySoon)
}

// takeRead takes a download's share, or answers 503. The caller calls release once.
func (b *budget) takeRead(namespace string) (release func(), err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.memory.room(namespace, readMemory) {
		b.metrics.rejected.WithLabelValues(budgetBuffers).Inc()
		return nil, errUnavailable("the server is sending as many files as it may: send the request again", retrySoon)
	}
	b.buffer(namespace, readMemory)
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.buffer(namespace, -readMemory)
	}, nil
}

// buffer takes bytes of memory, or gives -bytes back. The caller holds the lock.
func (b *budget) buffer(namespace string, bytes int64) {
	b.memory.take(namespace, bytes)
	b.metrics.buffered.Set(float64(b.memory.used))
}

// greed is how many times the free rest of a limit one holder may have.
const greed = 3

// shared is a limit that several holders share by dynamic thresholds, as switches share their buffers (Choudhury and Hahne, 1998): a holder may take
// more as long as it has less than greed times of what is free. So n holders that take all they can get have greed/(1+n·greed) each: one alone three quarters,
// two three sevenths; and something is always free for the next. No holder is known in advance, nothing is reserved for those that are silent, and one that has
// nothing is refused only when there is nothing left: the one that has most is refused first.
type shared struct {
	limit, used int64
	held        map[string]int64
}

func newShared(limit int64) shared { return shared{limit: limit, held: map[string]int64{}} }

// room says whether the holder may take n more.
func (s *shared) room(holder string, n int64) bool {
	free := s.limit - s.used
	return n <= free && s.held[holder] < greed*free
}

// take takes n, or gives back -n. The holders that are remembered are those that have something.
func (s *shared) take(holder string, n int64) {
	s.used += n
	s.held[holder] += n
	if s.held[holder] == 0 {
		delete(s.held, holder)
	}
}
