package reconciler

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// Traced makes each pass of a reconciler a trace of its own, which its log lines name. Without a
// tracer it is the reconciler itself.
func Traced(tracer trace.Tracer, controller string, r reconcile.Reconciler) reconcile.Reconciler {
	if tracer == nil {
		return r
	}
	return reconcile.Func(func(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
		ctx, span := tracer.Start(ctx, "reconcile "+controller, trace.WithAttributes(
			attribute.String("iotfile.namespace", req.Namespace), attribute.String("iotfile.name", req.Name),
		))
		defer span.End()
		ctx = log.IntoContext(ctx, log.FromContext(ctx).WithValues("trace", span.SpanContext().TraceID().String()))
		result, err := r.Reconcile(ctx, req)
		if err != nil {
			span.SetStatus(codes.Error, "the pass failed: the log says why")
		}
		return result, err
	})
}
