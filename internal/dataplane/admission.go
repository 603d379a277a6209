package dataplane

import (
	"context"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/bulkconn"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/apierror"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/transfer"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/sharing"
)

// Memory that a request takes while its bytes flow.
const (
	// socketMemory: the buffers of two connections, towards the client and object storage.
	socketMemory = 128 << 10
	// tlsMemory: what is read ahead on the one, and gathered on the other.
	tlsMemory  = 2 * bulkconn.BufferSize
	partMemory = filestore.PartBuffer + socketMemory + tlsMemory
	readMemory = transfer.BufferSize + socketMemory + tlsMemory
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
	// line are the parts in flight, and those that wait for a place. Its lock guards all.
	line    *sharing.Line
	parts   sharing.Limit[string]
	memory  sharing.Limit[string]
	waiting sharing.Limit[string]
	// chunked is what bodies of unknown length have of memory.
	chunked sharing.Limit[string]
	metrics *metrics
}

func newBudget(parts int, memory int64, m *metrics) *budget {
	m.partsLimit.Set(float64(parts))
	m.bufferedLimit.Set(float64(memory))
	m.waitingLimit.Set(float64(waitingPerPart * parts))
	b := &budget{
		parts: sharing.NewLimit[string](int64(parts)), memory: sharing.NewLimit[string](memory), chunked: sharing.NewLimit[string](memory / chunkedShare),
		waiting: sharing.NewLimit[string](int64(waitingPerPart * parts)), metrics: m,
	}
	b.line = sharing.NewLine(partPlaces{b})
	return b
}

// takePart takes a part's share. Where there is none it waits, until that time or the end of ctx,
// and is answered 503 then: public clients do not know Retry-After. Of those that wait, the
// namespace that has least is next. The caller calls release once.
func (b *budget) takePart(ctx context.Context, until time.Time, namespace string) (release func(), err error) {
	lane := sharing.Lane{Namespace: namespace}
	if release, ok := b.line.Try(lane); ok {
		return release, nil
	}
	if release, _ := b.await(ctx, until, b.line, lane); release != nil {
		return release, nil
	}
	b.metrics.waits.WithLabelValues(waitRefused).Inc()
	b.metrics.rejected.WithLabelValues(b.usedUp(namespace)).Inc()
	refusal := apierror.Unavailable("the server is streaming as many parts as it may, or as the namespace may while others need room: send the part again", apierror.RetrySoon)
	refusal.Final = true
	return nil, refusal
}

// await waits for a place of a line until then, if one more may wait. The release that it gives is
// called once; it is nil if there was no place. waited reports whether the request could wait at
// all.
func (b *budget) await(ctx context.Context, until time.Time, line *sharing.Line, lane sharing.Lane) (release func(), waited bool) {
	leave, ok := b.wait(lane.Namespace)
	if !ok {
		return nil, false
	}
	defer leave()
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	release, err := line.Wait(ctx, lane)
	if err != nil {
		return nil, true
	}
	b.metrics.waits.WithLabelValues(waitServed).Inc()
	return release, true
}

// usedUp is which budget a part of the namespace finds used up.
func (b *budget) usedUp(namespace string) (reason string) {
	reason = budgetBuffers
	b.line.Change(func() {
		if !b.parts.Room(namespace, 1) {
			reason = budgetParts
		}
	})
	return reason
}

// wait takes a place among the requests that wait; ok is false if there is none. The caller calls
// leave once.
func (b *budget) wait(namespace string) (leave func(), ok bool) {
	count := func(n int64) {
		b.waiting.Take(namespace, n)
		b.metrics.waiting.Set(float64(b.waiting.Used()))
	}
	b.line.Change(func() {
		if ok = b.waiting.Room(namespace, 1); ok {
			count(1)
		}
	})
	if !ok {
		b.metrics.rejected.WithLabelValues(budgetWaiting).Inc()
		return nil, false
	}
	return func() { b.line.Change(func() { count(-1) }) }, true
}

// partPlaces are the places of parts in flight: each has its memory, too.
type partPlaces struct{ *budget }

// Room implements sharing.Places.
func (p partPlaces) Room(l sharing.Lane) bool {
	return p.parts.Room(l.Namespace, 1) && p.memory.Room(l.Namespace, partMemory)
}

// Take implements sharing.Places.
func (p partPlaces) Take(l sharing.Lane, n int) {
	p.parts.Take(l.Namespace, int64(n))
	p.buffer(l.Namespace, int64(n)*partMemory)
	p.metrics.partsInFlight.Add(float64(n))
}

// Held implements sharing.Places.
func (p partPlaces) Held(l sharing.Lane) int { return int(p.parts.Held(l.Namespace)) }

// takeStep sets memory aside for a body of unknown length, or answers 503. giveStep gives it back.
func (b *budget) takeStep(namespace string) error {
	ok := false
	b.line.Change(func() {
		if ok = b.chunked.Room(namespace, transfer.Step) && b.memory.Room(namespace, transfer.Step); ok {
			b.chunked.Take(namespace, transfer.Step)
			b.buffer(namespace, transfer.Step)
		}
	})
	if !ok {
		b.metrics.rejected.WithLabelValues(budgetBuffers).Inc()
		return apierror.Unavailable("the server is taking as many bodies of unknown length as it may: send the request again, best with a Content-Length", apierror.RetrySoon)
	}
	return nil
}

func (b *budget) giveStep(namespace string) {
	b.line.Change(func() {
		b.chunked.Take(namespace, -transfer.Step)
		b.buffer(namespace, -transfer.Step)
	})
}

// takeRead takes a download's share, or answers 503. The caller calls release once.
func (b *budget) takeRead(namespace string) (release func(), err error) {
	ok := false
	b.line.Change(func() {
		if ok = b.memory.Room(namespace, readMemory); ok {
			b.buffer(namespace, readMemory)
		}
	})
	if !ok {
		b.metrics.rejected.WithLabelValues(budgetBuffers).Inc()
		return nil, apierror.Unavailable("the server is sending as many files as it may: send the request again", apierror.RetrySoon)
	}
	return func() { b.line.Change(func() { b.buffer(namespace, -readMemory) }) }, nil
}

// buffer takes bytes of memory, or gives -bytes back, with the lock of the line held.
func (b *budget) buffer(namespace string, bytes int64) {
	b.memory.Take(namespace, bytes)
	b.metrics.buffered.Set(float64(b.memory.Used()))
}
