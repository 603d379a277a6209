package filestore

import (
	"context"
	"errors"
	"io"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// Trace wraps a Store so that each call is a span, a child of the one in its context. Spans have
// the name of the FileStore, sizes and the outcome: no key, and nothing that object storage has
// said. Bodies are handed on as they are. Closing the result closes store.
func Trace(name string, store Store, tracer trace.Tracer) Store {
	return &traced{Store: store, name: attribute.String("iotfile.store", name), tracer: tracer}
}

type traced struct {
	Store
	name   attribute.KeyValue
	tracer trace.Tracer
}

// begin begins a span; the caller defers end with the address of the error that the call returns.
func (t *traced) begin(ctx context.Context, operation string, more ...attribute.KeyValue) (context.Context, func(*error)) {
	ctx, span := t.tracer.Start(ctx, "store "+operation, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(append(more, t.name)...))
	return ctx, func(err *error) {
		if *err != nil {
			outcome := Outcome(*err)
			span.SetAttributes(attribute.String("error.type", outcome))
			if !expected(*err) {
				span.SetStatus(codes.Error, outcome)
			}
		}
		span.End()
	}
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
func (t *traced) PutPart(ctx context.Context, ref UploadRef, number int32, body io.Reader, size int64) (part Part, err error) {
	ctx, end := t.begin(ctx, "PutPart", sized(size), attribute.Int("iotfile.part", int(number)))
	defer end(&err)
	return t.Store.PutPart(ctx, ref, number, body, size)
}

// ListParts implements PartLister.
func (t *traced) ListParts(ctx context.Context, ref UploadRef) (parts []Part, err error) {
	ctx, end := t.begin(ctx, "ListParts")
	defer end(&err)
	return t.Store.ListParts(ctx, ref)
}

// CreateUpload implements Lifecycle.
func (t *traced) CreateUpload(ctx context.Context, key string, opts CreateUploadOptions) (id string, err error) {
	ctx, end := t.begin(ctx, "CreateUpload")
	defer end(&err)
	return t.Store.CreateUpload(ctx, key, opts)
}

// CompleteUpload implements Lifecycle.
func (t *traced) CompleteUpload(ctx context.Context, ref UploadRef, parts []Part, cond Condition) (object Object, err error) {
	ctx, end := t.begin(ctx, "CompleteUpload", attribute.Int("iotfile.parts", len(parts)))
	defer end(&err)
	return t.Store.CompleteUpload(ctx, ref, parts, cond)
}

// AbortUpload implements Lifecycle.
func (t *traced) AbortUpload(ctx context.Context, ref UploadRef) (err error) {
	ctx, end := t.begin(ctx, "AbortUpload")
	defer end(&err)
	return t.Store.AbortUpload(ctx, ref)
}

// ListUploads implements Lifecycle.
func (t *traced) ListUploads(ctx context.Context, prefix string, yield func(Upload) bool) (err error) {
	ctx, end := t.begin(ctx, "ListUploads")
	defer end(&err)
	return t.Store.ListUploads(ctx, prefix, yield)
}

// Stat implements Reader.
func (t *traced) Stat(ctx context.Context, key string) (object Object, err error) {
	ctx, end := t.begin(ctx, "Stat")
	defer end(&err)
	return t.Store.Stat(ctx, key)
}

// Open implements Reader. The span ends when the first byte can be read.
func (t *traced) Open(ctx context.Context, seen Object, rng ByteRange) (body io.ReadCloser, err error) {
	ctx, end := t.begin(ctx, "Open")
	defer end(&err)
	return t.Store.Open(ctx, seen, rng)
}

// PutObject implements ObjectWriter.
func (t *traced) PutObject(ctx context.Context, key string, body io.Reader, size int64, opts CreateUploadOptions, cond Condition) (object Object, err error) {
	ctx, end := t.begin(ctx, "PutObject", sized(size))
	defer end(&err)
	return t.Store.PutObject(ctx, key, body, size, opts, cond)
}

// DeleteObject implements ObjectWriter.
func (t *traced) DeleteObject(ctx context.Context, key string) (err error) {
	ctx, end := t.begin(ctx, "DeleteObject")
	defer end(&err)
	return t.Store.DeleteObject(ctx, key)
}

// ListObjects implements ObjectLister.
func (t *traced) ListObjects(ctx context.Context, prefix, after string, yield func(Object) bool) (err error) {
	ctx, end := t.begin(ctx, "ListObjects")
	defer end(&err)
	return t.Store.ListObjects(ctx, prefix, after, yield)
}

// Probe implements Prober.
func (t *traced) Probe(ctx context.Context) (caps v1alpha1.FileStoreCapabilities, err error) {
	ctx, end := t.begin(ctx, "Probe")
	defer end(&err)
	return t.Store.Probe(ctx)
}

// Claim implements Prober.
func (t *traced) Claim(ctx context.Context, id string) (owner string, err error) {
	ctx, end := t.begin(ctx, "Claim")
	defer end(&err)
	return t.Store.Claim(ctx, id)
}
