package filestore

import (
	"context"
	"errors"
	"io"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// Observation is who is told of the calls of a Store. Each of the fields may be nil.
type Observation struct {
	// Metrics count the calls.
	Metrics *Metrics
	// Tracer makes each call a span, a child of the one in its context. Spans have the name of the
	// FileStore, sizes and the outcome: no key, and nothing that object storage has said.
	Tracer trace.Tracer
	// Silent is called with true when the Store becomes silent, and with false when it is not any
	// more, or is closed. It must not call the Store.
	Silent func(silent bool)
}

// Observe wraps the Store of a Config: its calls are counted and traced, and a backend that says
// nothing is called no more, but for one question at a time in the background, until it says
// something. Meanwhile every call fails at once with ErrSilent, but for Probe and Claim, which find
// out for themselves. Closing the result closes store.
func Observe(config Config, store Store, to Observation) Store {
	o := &observed{Store: store, meter: to.Metrics.of(config.Name), tracer: to.Tracer}
	o.name = attribute.String("iotfile.store", config.Name)
	o.breaker = newBreaker(
		func(ctx context.Context) error {
			_, err := store.Stat(ctx, config.Prefix+askedKey)
			return err
		},
		func(silent bool) {
			o.meter.tell(silent)
			if to.Silent != nil {
				to.Silent(silent)
			}
		})
	return o
}

type observed struct {
	Store
	name    attribute.KeyValue
	tracer  trace.Tracer // nil for none
	meter   *meter       // nil for none
	breaker *breaker
}

// Close implements Store.
func (o *observed) Close() {
	o.breaker.close()
	o.Store.Close()
}

// operation is a method of a Store by its name, and the S3 operation that a refusal of it names;
// none for one that is called also while the backend is silent.
type operation struct{ method, s3 string }

// observe makes a call, or has the breaker refuse it.
func observe[T any](
	ctx context.Context, o *observed, op operation, call func(context.Context) (T, error), attributes ...attribute.KeyValue,
) (result T, err error) {
	if o.tracer != nil {
		var span trace.Span
		ctx, span = o.tracer.Start(ctx, "store "+op.method,
			trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(append(attributes, o.name)...))
		defer func() { endSpan(span, err) }()
	}
	end := o.meter.begin(op.method)
	defer func() { end(err) }()
	if op.s3 != "" {
		if err := o.breaker.enter(op.s3); err != nil {
			return result, err
		}
	}
	began := time.Now()
	defer func() { o.breaker.leave(ctx, began, err) }()
	return call(ctx)
}

// attempt is observe for a call that gives nothing but an error.
func attempt(ctx context.Context, o *observed, op operation, call func(context.Context) error) error {
	_, err := observe(ctx, o, op, func(ctx context.Context) (struct{}, error) { return struct{}{}, call(ctx) })
	return err
}

// endSpan ends the span of a call that has given this error.
func endSpan(span trace.Span, err error) {
	if err != nil {
		outcome := Outcome(err)
		span.SetAttributes(attribute.String("error.type", outcome))
		if !expected(err) {
			span.SetStatus(codes.Error, outcome)
		}
	}
	span.End()
}

// expected reports whether an error is an answer like any other, and nothing that went wrong.
func expected(err error) bool {
	for _, kind := range []error{ErrNoSuchUpload, ErrNotFound, ErrPrecondition, ErrRange, context.Canceled} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

func sized(size int64) attribute.KeyValue { return attribute.Int64("iotfile.size", size) }

// PutPart implements PartWriter.
func (o *observed) PutPart(ctx context.Context, ref UploadRef, number int32, body io.Reader, size int64) (Part, error) {
	body, done := o.meter.sending(body)
	defer done()
	return observe(ctx, o, operation{"PutPart", "UploadPart"}, func(ctx context.Context) (Part, error) {
		return o.Store.PutPart(ctx, ref, number, body, size)
	}, sized(size), attribute.Int("iotfile.part", int(number)))
}

// ListParts implements PartLister.
func (o *observed) ListParts(ctx context.Context, ref UploadRef) ([]Part, error) {
	return observe(ctx, o, operation{"ListParts", "ListParts"}, func(ctx context.Context) ([]Part, error) {
		return o.Store.ListParts(ctx, ref)
	})
}

// CreateUpload implements Lifecycle.
func (o *observed) CreateUpload(ctx context.Context, key string, opts CreateUploadOptions) (string, error) {
	return observe(ctx, o, operation{"CreateUpload", "CreateMultipartUpload"}, func(ctx context.Context) (string, error) {
		return o.Store.CreateUpload(ctx, key, opts)
	})
}

// CompleteUpload implements Lifecycle.
func (o *observed) CompleteUpload(ctx context.Context, ref UploadRef, parts []Part, cond Condition) (Object, error) {
	return observe(ctx, o, operation{"CompleteUpload", "CompleteMultipartUpload"}, func(ctx context.Context) (Object, error) {
		return o.Store.CompleteUpload(ctx, ref, parts, cond)
	}, attribute.Int("iotfile.parts", len(parts)))
}

// AbortUpload implements Lifecycle.
func (o *observed) AbortUpload(ctx context.Context, ref UploadRef) error {
	return attempt(ctx, o, operation{"AbortUpload", "AbortMultipartUpload"}, func(ctx context.Context) error {
		return o.Store.AbortUpload(ctx, ref)
	})
}

// ListUploads implements Lifecycle.
func (o *observed) ListUploads(ctx context.Context, prefix string, yield func(Upload) bool) error {
	return attempt(ctx, o, operation{"ListUploads", "ListMultipartUploads"}, func(ctx context.Context) error {
		return o.Store.ListUploads(ctx, prefix, yield)
	})
}

// Stat implements Reader.
func (o *observed) Stat(ctx context.Context, key string) (Object, error) {
	return observe(ctx, o, operation{"Stat", "HeadObject"}, func(ctx context.Context) (Object, error) {
		return o.Store.Stat(ctx, key)
	})
}

// Open implements Reader. The call ends when the first byte can be read.
func (o *observed) Open(ctx context.Context, seen Object, rng ByteRange) (io.ReadCloser, error) {
	body, err := observe(ctx, o, operation{"Open", "GetObject"}, func(ctx context.Context) (io.ReadCloser, error) {
		return o.Store.Open(ctx, seen, rng)
	})
	if err != nil {
		return nil, err
	}
	return o.meter.receiving(body), nil
}

// PutObject implements ObjectWriter.
func (o *observed) PutObject(ctx context.Context, key string, body io.Reader, size int64, opts CreateUploadOptions, cond Condition) (Object, error) {
	body, done := o.meter.sending(body)
	defer done()
	return observe(ctx, o, operation{"PutObject", "PutObject"}, func(ctx context.Context) (Object, error) {
		return o.Store.PutObject(ctx, key, body, size, opts, cond)
	}, sized(size))
}

// DeleteObject implements ObjectWriter.
func (o *observed) DeleteObject(ctx context.Context, key string) error {
	return attempt(ctx, o, operation{"DeleteObject", "DeleteObject"}, func(ctx context.Context) error {
		return o.Store.DeleteObject(ctx, key)
	})
}

// ListObjects implements ObjectLister.
func (o *observed) ListObjects(ctx context.Context, prefix, after string, yield func(Object) bool) error {
	return attempt(ctx, o, operation{"ListObjects", "ListObjects"}, func(ctx context.Context) error {
		return o.Store.ListObjects(ctx, prefix, after, yield)
	})
}

// Probe implements Prober.
func (o *observed) Probe(ctx context.Context) (v1alpha1.FileStoreCapabilities, error) {
	return observe(ctx, o, operation{method: "Probe"}, o.Store.Probe)
}

// Claim implements Prober.
func (o *observed) Claim(ctx context.Context, id string) (string, error) {
	return observe(ctx, o, operation{method: "Claim"}, func(ctx context.Context) (string, error) {
		return o.Store.Claim(ctx, id)
	})
}
