package dataplane

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/apierror"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/transfer"
	"github.com/iotfile-operator/iotfile-operator/internal/sharing"
)

// Memory that a request takes while its bytes flow.
const (
	// partMemory: the buffer of one write to object storage, and those of two connections.
	partMemory = 1<<20 + 128<<10
	// readMemory: transfer.BufferSize, and those of two connections.
	readMemory = transfer.BufferSize + 128<<10
)

// chunkedShare is the part of the buffered bytes, one in so many, that bodies of unknown length get
// together: those that stream are not to wait for them.
const chunkedShare = 4

// waitingPerPart is how many requests may wait for each part that may be in flight. One that waits
// takes a connection and some kilobytes.
const waitingPerPart = 4

// budget bounds the parts that are streamed at once, the bytes that parts and downloads buffer, and
// the requests that wait for a place, and shares all of them among the namespaces.
type budget struct {
	mu      sync.Mutex
	parts   sharing.Limit[string]
	memory  sharing.Limit[string]
	waiting sharing.Limit[string]
	// chunked is what bodies of unknown length have of memory.
	chunked sharing.Limit[string]
	// lines are the parts that wait for a place, by namespace, in the order in which they came.
	lines   map[string][]*place
	metrics *metrics
}

// place is what a part waits for.
type place struct {
	got   chan struct{} // closed when it has it
	taken bool
}

func newBudget(parts int, memory int64, m *metrics) *budget {
	m.partsLimit.Set(float64(parts))
	m.bufferedLimit.Set(float64(memory))
	m.waitingLimit.Set(float64(waitingPerPart * parts))
	return &budget{
		parts: sharing.NewLimit[string](int64(parts)), memory: sharing.NewLimit[string](memory), chunked: sharing.NewLimit[string](memory / chunkedShare),
		waiting: sharing.NewLimit[string](int64(waitingPerPart * parts)), lines: map[string][]*place{}, metrics: m,
	}
}

// takePart takes a part's share. Where there is none it waits, until that time or the end of ctx,
// and is answered 503 then: public clients do not know Retry-After. Of those that wait, the
// namespace that has least is next. The caller calls release once.
func (b *budget) takePart(ctx context.Context, until time.Time, namespace string) (release func(), err error) {
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	release = func() { b.givePart(namespace) }
	b.mu.Lock()
	if len(b.lines[namespace]) == 0 && b.tryPart(namespace) {
		b.mu.Unlock()
		return release, nil
	}
	p := &place{got: make(chan struct{})}
	b.lines[namespace] = append(b.lines[namespace], p)
	b.mu.Unlock()
	if leave, ok := b.wait(namespace); ok {
		defer leave()
		select {
		case <-p.got:
			b.metrics.waits.WithLabelValues(waitServed).Inc()
			return release, nil
		case <-ctx.Done():
		}
	}
	if b.leaveLine(namespace, p) {
		return release, nil
	}
	b.metrics.waits.WithLabelValues(waitRefused).Inc()
	refusal := apierror.Unavailable("the server is streaming as many parts as it may, or as the namespace may while others need room: send the part again", apierror.RetrySoon)
	refusal.Final = true
	return nil, refusal
}

// wait takes a place among the requests that wait; ok is false if there is none. The caller calls
// leave once.
func (b *budget) wait(namespace string) (leave func(), ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.waiting.Room(namespace, 1) {
		b.metrics.rejected.WithLabelValues(budgetWaiting).Inc()
		return nil, false
	}
	count := func(n int64) {
		b.waiting.Take(namespace, n)
		b.metrics.waiting.Set(float64(b.waiting.Used()))
	}
	count(1)
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		count(-1)
	}, true
}

// tryPart takes a part's share, if there is one. The caller holds the lock.
func (b *budget) tryPart(namespace string) bool {
	if !b.parts.Room(namespace, 1) || !b.memory.Room(namespace, partMemory) {
		return false
	}
	b.parts.Take(namespace, 1)
	b.buffer(namespace, partMemory)
	b.metrics.partsInFlight.Inc()
	return true
}

func (b *budget) givePart(namespace string) {
	b.metrics.partsInFlight.Dec()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.parts.Take(namespace, -1)
	b.buffer(namespace, -partMemory)
	b.serveLines()
}

// serveLines gives what is free to those that wait. The caller holds the lock.
func (b *budget) serveLines() {
	for {
		next, found := "", false
		for namespace := range b.lines {
			if !found || b.parts.Held(namespace) < b.parts.Held(next) {
				next, found = namespace, true
			}
		}
		if !found || !b.tryPart(next) {
			return
		}
		first := b.lines[next][0]
		first.taken = true
		close(first.got)
		b.drop(next, first)
	}
}

// leaveLine gives the place up; taken is true if it was given in the same moment.
func (b *budget) leaveLine(namespace string, p *place) (taken bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !p.taken {
		reason := budgetParts
		if b.parts.Room(namespace, 1) {
			reason = budgetBuffers
		}
		b.metrics.rejected.WithLabelValues(reason).Inc()
		b.drop(namespace, p)
	}
	return p.taken
}

// drop takes a place out of its line. The caller holds the lock.
func (b *budget) drop(namespace string, p *place) {
	left := slices.DeleteFunc(b.lines[namespace], func(other *place) bool { return other == p })
	if b.lines[namespace] = left; len(left) == 0 {
		delete(b.lines, namespace)
	}
}

// takeStep sets memory aside for a body of unknown length, or answers 503. giveStep gives it back.
func (b *budget) takeStep(namespace string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.chunked.Room(namespace, transfer.Step) || !b.memory.Room(namespace, transfer.Step) {
		b.metrics.rejected.WithLabelValues(budgetBuffers).Inc()
		return apierror.Unavailable("the server is taking as many bodies of unknown length as it may: send the request again, best with a Content-Length", apierror.RetrySoon)
	}
	b.chunked.Take(namespace, transfer.Step)
	b.buffer(namespace, transfer.Step)
	return nil
}

func (b *budget) giveStep(namespace string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.chunked.Take(namespace, -transfer.Step)
	b.buffer(namespace, -transfer.Step)
	b.serveLines()
}

// takeRead takes a download's share, or answers 503. The caller calls release once.
func (b *budget) takeRead(namespace string) (release func(), err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.memory.Room(namespace, readMemory) {
		b.metrics.rejected.WithLabelValues(budgetBuffers).Inc()
		return nil, apierror.Unavailable("the server is sending as many files as it may: send the request again", apierror.RetrySoon)
	}
	b.buffer(namespace, readMemory)
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.buffer(namespace, -readMemory)
		b.serveLines()
	}, nil
}

// buffer takes bytes of memory, or gives -bytes back. The caller holds the lock.
func (b *budget) buffer(namespace string, bytes int64) {
	b.memory.Take(namespace, bytes)
	b.metrics.buffered.Set(float64(b.memory.Used()))
}
