package dataplane

import (
	"context"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/apierror"
	"github.com/iotfile-operator/iotfile-operator/internal/sharing"
)

// takeTurn takes a place among the searches, or the starts, that go on at once. Where there is
// none, or the namespace has its share, the request waits until its time in the queue is over, and
// is answered 503 then. Tenants that wait take turns. The caller calls release once.
func (s *Server) takeTurn(ctx context.Context, c *call, line *sharing.Line, budget, store string) (release func(), err error) {
	lane := sharing.Lane{Store: store, Namespace: c.file.Namespace}
	if release, ok := line.Try(lane); ok {
		return release, nil
	}
	until := c.until
	if until.IsZero() {
		until = time.Now().Add(s.opts.QueueTimeout)
	}
	release, waited := s.budget.await(ctx, until, line, lane)
	if release != nil {
		return release, nil
	}
	if waited {
		s.metrics.waits.WithLabelValues(waitRefused).Inc()
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	s.metrics.rejected.WithLabelValues(budget).Inc()
	return nil, tooManyTurns(budget)
}

func tooManyTurns(budget string) error {
	refusal := apierror.Unavailable("the server is starting as many uploads as it may, or as the namespace may while others need room: send the request again", apierror.RetrySoon)
	if budget == budgetSearches {
		refusal = apierror.Unavailable("the server is searching as much as it may, or as the namespace may while others need room: send the request again", apierror.RetrySoon)
	}
	refusal.Final = true
	return refusal
}
