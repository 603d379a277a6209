package dataplane

import (
	"golang.org/x/sync/semaphore"
)

// budget bounds the parts that are streamed at once, and with them the memory and the connections to object storage that they take.
type budget struct {
	parts   *semaphore.Weighted
	metrics *metrics
}

func newBudget(parts int, m *metrics) *budget {
	return &budget{parts: semaphore.NewWeighted(int64(parts)), metrics: m}
}

// take takes a part's share, or answers 503: waiting would hold the client's connection without a sign, while
// another replica may have room. The caller calls release once.
func (b *budget) take() (release func(), err error) {
	if !b.parts.TryAcquire(1) {
		b.metrics.rejected.WithLabelValues("parts_in_flight").Inc()
		return nil, errUnavailable("the server is streaming as many parts as it may: send the part again", retrySoon)
	}
	b.metrics.partsInFlight.Inc()
	return func() {
		b.metrics.partsInFlight.Dec()
		b.parts.Release(1)
	}, nil
}
