package dataplane

import (
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/apierror"
)

// fromCaller reads the trace that a caller is in (W3C trace context).
var fromCaller propagation.TraceContext

// beginTrace begins the request's span, a child of the caller's, and has the log lines name its
// trace. What writes the answer and reads the body stays as it is: they have methods that a wrapper
// would hide.
func (s *Server) beginTrace(c *call, r *http.Request) *http.Request {
	ctx := fromCaller.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	ctx, c.span = s.opts.Tracer.Start(ctx, "request", trace.WithSpanKind(trace.SpanKindServer))
	c.log = c.log.WithValues("trace", c.span.SpanContext().TraceID().String())
	return r.WithContext(ctx)
}

// endTrace says what became of the request, less than the log line does: the id leads there.
func (c *call) endTrace(status int) {
	op := string(c.route.op)
	c.span.SetName(methodLabel(c.method) + " " + op)
	c.span.SetAttributes(
		attribute.String("iotfile.request.id", c.id),
		attribute.String("iotfile.operation", op),
		attribute.String("iotfile.namespace", c.file.Namespace),
		attribute.String("http.request.method", methodLabel(c.method)),
		attribute.Int("http.response.status_code", status),
		attribute.Int64("http.request.body.size", c.body.Received()),
		attribute.Int64("http.response.body.size", c.response.Sent()),
	)
	if status >= http.StatusInternalServerError && c.err != nil {
		c.span.SetStatus(codes.Error, apierror.Describe(c.err).Message)
	}
	c.span.End()
}
