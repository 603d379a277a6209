package dataplane

import (
	"context"
	"net/http"
	"time"
)

// Pauses between two tries of a request that waits.
const (
	firstPause = 50 * time.Millisecond
	maxPause   = time.Second
)

// handle serves a request. One that brings or wants bytes, and is refused for a reason that may pass in a moment, is
// tried again for Options.Patience, as long as nothing of its body was read: a client that does not know Retry-After
// would give its upload up while a store restarts.
func (s *Server) handle(c *call, r *http.Request) error {
	switch c.route.op {
	case opStart, opPart, opPut, opComplete:
	default:
		return s.dispatch(c, r)
	}
	c.until = time.Now().Add(s.opts.Patience)
	ctx, cancel := context.WithDeadline(r.Context(), c.until)
	defer cancel()
	err := s.dispatch(c, r)
	if err == nil || !s.mayPass(c, err) || ctx.Err() != nil {
		return err
	}
	leave, ok := s.budget.wait(c.file.Namespace)
	if !ok {
		return err
	}
	defer leave()
	for pause := firstPause; err != nil && s.mayPass(c, err); pause = min(2*pause, maxPause) {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			s.metrics.waits.WithLabelValues(waitRefused).Inc()
			return err
		}
		err = s.dispatch(c, r)
	}
	if err == nil {
		s.metrics.waits.WithLabelValues(waitServed).Inc()
	}
	return err
}

// mayPass reports whether the request can be tried again, and what it has failed of may have passed by then. While the
// server drains, another replica is the better place.
func (s *Server) mayPass(c *call, err error) bool {
	if s.draining.Load() || c.response.wroteHeader || !c.body.untouched() {
		return false
	}
	switch a := describe(err); a.status {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusTooManyRequests:
		return !a.final
	default:
		return false
	}
}
