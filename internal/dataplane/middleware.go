package dataplane

import (
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/apierror"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/transfer"
)

// ServeHTTP wraps every request: id, deadlines, metrics, one log line, panics.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.handlers.Add(1)
	defer s.handlers.Done()
	controller := http.NewResponseController(w)
	c := &call{
		id:     uuid.NewString(),
		method: r.Method,
		begun:  time.Now(),
		route:  route{op: opNone},
		body:   transfer.NewInbound(r, controller, s.opts.bodyTimeouts()),
	}
	c.response = transfer.NewResponse(r.Context(), w, controller, s.opts.IdleTimeout, c.body.BeforeAnswer)
	c.log = s.log.WithValues("id", c.id)
	if s.opts.Tracer != nil {
		r = s.beginTrace(c, r)
	}
	// A deadline that an earlier request set stays on its connection.
	_ = controller.SetWriteDeadline(time.Time{})
	c.response.Header().Set("X-Request-Id", c.id)
	c.response.Header().Set("X-Content-Type-Options", "nosniff")
	if s.draining.Load() {
		c.response.Header().Set("Connection", "close") // so that the client's next request finds another replica
	}

	defer s.observe(c, r)
	defer c.body.AfterAnswer()
	defer c.recoverPanic()
	if err := s.serve(c, r); err != nil {
		c.fail(err)
	}
}

// recoverPanic answers 500 for a panic of a handler. One that cuts the connection on purpose goes
// on to net/http.
func (c *call) recoverPanic() {
	p := recover()
	if p == nil {
		return
	}
	if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(http.ErrAbortHandler)
	}
	err := fmt.Errorf("panic: %v\n%s", p, debug.Stack())
	c.fail(err)
	if c.response.Status() < http.StatusBadRequest {
		panic(http.ErrAbortHandler) // part of a good answer is out: it must not look whole
	}
}

// observe counts the request and writes its log line. It also runs when the connection is cut.
func (s *Server) observe(c *call, r *http.Request) {
	took, status := time.Since(c.begun), c.response.Status()
	if c.err != nil {
		if a := apierror.Describe(c.err); a.Status == apierror.StatusClientGone {
			status = apierror.StatusClientGone
		}
	}
	received, op := c.body.Received(), string(c.route.op)
	s.metrics.requests.WithLabelValues(op, methodLabel(c.method), strconv.Itoa(status)).Inc()
	s.metrics.duration.WithLabelValues(op).Observe(took.Seconds())
	s.metrics.received.Add(float64(received))
	s.metrics.sent.Add(float64(c.response.Sent()))
	if c.span != nil {
		c.endTrace(status)
	}

	if !s.strangers.admits(c, status) {
		return
	}
	fields := []any{
		"route", op, "method", c.method, "status", status, "received", received, "sent", c.response.Sent(),
		"seconds", took.Seconds(), "remote", r.RemoteAddr, "user", c.identity.Name, "namespace", c.file.Namespace, "entity", c.file.EntityID, "path", c.file.Path,
	}
	if c.route.part != "" {
		fields = append(fields, "part", c.route.part)
	}
	switch {
	case c.err == nil:
		c.log.Info("request", fields...)
	case status >= http.StatusInternalServerError:
		c.log.Error(c.err, "request", fields...)
	default:
		c.log.Info("request", append(fields, "cause", c.err.Error())...)
	}
}

// methodLabel bounds the label: a client can send any word as its method.
func methodLabel(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPost, http.MethodDelete, http.MethodOptions, http.MethodPatch:
		return method
	default:
		return "other"
	}
}
