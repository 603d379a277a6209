package dataplane

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/apierror"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

// Pauses between two tries of a request that waits.
const (
	firstPause = 50 * time.Millisecond
	maxPause   = time.Second
)

// handle serves a request. One that brings or wants bytes, and is refused for a reason that may
// pass in a moment, is tried again for Options.QueueTimeout, as long as nothing of its body was
// read: a client that does not know Retry-After would give its upload up while a store restarts.
func (s *Server) handle(c *call, r *http.Request) error {
	switch c.route.op {
	case opStart, opPart, opPut, opComplete:
	default:
		return s.dispatch(c, r)
	}
	c.until = time.Now().Add(s.opts.QueueTimeout)
	err := s.dispatch(c, r)
	if !c.body.Untouched() && comesBack(err) {
		s.awaitStore(r.Context(), c)
		return err
	}
	if err == nil || !s.mayPass(c, err) {
		return err
	}
	return s.tryAgain(c, r, err)
}

// tryAgain tries a request again, which has failed with err, as long as that may pass.
func (s *Server) tryAgain(c *call, r *http.Request, err error) error {
	ctx, cancel := context.WithDeadline(r.Context(), c.until)
	defer cancel()
	if ctx.Err() != nil {
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

// comesBack reports whether object storage has failed in a way that may have passed in a moment.
// For one that says nothing the request has waited already, and would hold a place that those need
// whose stores come back.
func comesBack(err error) bool {
	return errors.Is(err, filestore.ErrUnavailable) && !errors.Is(err, filestore.ErrSilent)
}

// mayPass reports whether the request can be tried again, and what it has failed of may have passed
// by then. While the server drains, another replica is the better place.
func (s *Server) mayPass(c *call, err error) bool {
	if s.draining.Load() || c.response.Begun() || !c.body.Untouched() {
		return false
	}
	switch a := apierror.Describe(err); a.Status {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusTooManyRequests:
		return !a.Final
	default:
		return false
	}
}

// awaitStore holds the refusal of a request whose bytes are gone until object storage answers
// again, for Options.QueueTimeout at most: a client that does not know Retry-After sends them again
// at once, three times within a second, and gives up. A store that is going down may answer once
// more, so it has to answer twice.
func (s *Server) awaitStore(ctx context.Context, c *call) {
	if s.draining.Load() || c.response.Begun() {
		return
	}
	leave, ok := s.budget.wait(c.file.Namespace)
	if !ok {
		return
	}
	defer leave()
	ctx, cancel := context.WithTimeout(ctx, s.opts.QueueTimeout)
	defer cancel()
	answers := 0
	for pause := firstPause; answers < 2; pause = min(2*pause, maxPause) {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			s.metrics.waits.WithLabelValues(waitRefused).Inc()
			return
		}
		at, err := s.targetOf(ctx, c)
		if err == nil {
			_, err = at.store.Stat(ctx, at.key)
		}
		if answers++; err != nil && !filestore.Terminal(err) {
			answers = 0
		}
	}
	s.metrics.waits.WithLabelValues(waitServed).Inc()
}
