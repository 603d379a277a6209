package filestore_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

// failing is a Store whose every call fails, and that keeps the body it is given.
type failing struct {
	filestore.Store
	err  error
	body io.Reader
}

func (f *failing) PutPart(_ context.Context, _ filestore.UploadRef, _ int32, body io.Reader, _ int64) (filestore.Part, error) {
	f.body = body
	return filestore.Part{}, f.err
}

func (f *failing) ListParts(context.Context, filestore.UploadRef) ([]filestore.Part, error) {
	return nil, f.err
}

func (f *failing) CreateUpload(context.Context, string, filestore.CreateUploadOptions) (string, error) {
	return "", f.err
}

func (f *failing) CompleteUpload(context.Context, filestore.UploadRef, []filestore.Part, filestore.Condition) (filestore.Object, error) {
	return filestore.Object{}, f.err
}

func (f *failing) AbortUpload(context.Context, filestore.UploadRef) error { return f.err }

func (f *failing) ListUploads(context.Context, string, func(filestore.Upload) bool) error {
	return f.err
}

func (f *failing) Stat(context.Context, string) (filestore.Object, error) {
	return filestore.Object{}, f.err
}

func (f *failing) Open(context.Context, filestore.Object, filestore.ByteRange) (io.ReadCloser, error) {
	return nil, f.err
}

func (f *failing) PutObject(_ context.Context, _ string, body io.Reader, _ int64, _ filestore.CreateUploadOptions, _ filestore.Condition) (filestore.Object, error) {
	f.body = body
	return filestore.Object{}, f.err
}

func (f *failing) DeleteObject(context.Context, string) error { return f.err }

func (f *failing) ListObjects(context.Context, string, string, func(filestore.Object) bool) error {
	return f.err
}

func (f *failing) Probe(context.Context) (v1alpha1.FileStoreCapabilities, error) {
	return v1alpha1.FileStoreCapabilities{}, f.err
}

func (f *failing) Claim(context.Context, string) (string, error) { return "", f.err }

// TestTrace: every call of a Store is a span of its name; what went wrong is told from an answer
// like any other; and bodies and keys are nobody's business.
func TestTrace(t *testing.T) {
	spans := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	backend := &failing{}
	store := filestore.Observe(filestore.Config{Name: "main"}, backend, filestore.Observation{Tracer: provider.Tracer("test")})
	for kind, status := range map[error]codes.Code{filestore.ErrUnavailable: codes.Error, filestore.ErrNotFound: codes.Unset, nil: codes.Unset} {
		spans.Reset()
		backend.err = kind
		if kind != nil {
			backend.err = errors.Join(kind, errors.New("what the storage said"))
		}
		value := reflect.ValueOf(store)
		contract := reflect.TypeFor[filestore.Store]()
		var want []string
		for method := range contract.Methods() {
			if method.Name == "Close" {
				continue
			}
			want = append(want, "store "+method.Name)
			arguments := []reflect.Value{reflect.ValueOf(t.Context())}
			for i := 1; i < method.Type.NumIn(); i++ {
				arguments = append(arguments, argument(method.Type.In(i)))
			}
			value.MethodByName(method.Name).Call(arguments)
		}
		var got []string
		for _, span := range spans.GetSpans() {
			got = append(got, span.Name)
			if span.Status.Code != status || strings.Contains(span.Status.Description, "said") {
				t.Errorf("%v: %s has the status %v", kind, span.Name, span.Status)
			}
			for _, a := range span.Attributes {
				if strings.Contains(a.Value.String(), "the-key") {
					t.Errorf("%s has the attribute %s=%s", span.Name, a.Key, a.Value.String())
				}
			}
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%v: the spans are %q, not %q", kind, got, want)
		}
		if backend.body != body {
			t.Errorf("the body that arrives is a %T", backend.body)
		}
	}
}

var body io.Reader = bytes.NewReader([]byte("x"))

// argument is some value of a type, a key or a body if it can be.
func argument(kind reflect.Type) reflect.Value {
	switch kind {
	case reflect.TypeFor[string]():
		return reflect.ValueOf("the-key")
	case reflect.TypeFor[io.Reader]():
		return reflect.ValueOf(body)
	default:
		return reflect.Zero(kind)
	}
}
