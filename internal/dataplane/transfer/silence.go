package transfer

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/apierror"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

// Store is what is watched of object storage.
type Store interface {
	filestore.PartWriter
	filestore.PartLister
	filestore.Reader
	filestore.ObjectWriter
	filestore.ObjectLister
}

// Watch gives a Store whose silence ends with apierror.ErrStoreStalled after idle.
func Watch(store Store, idle time.Duration) Store { return patient{store, idle} }

// patient is a Store whose questions, and whose files while they are read, end with
// apierror.ErrStoreStalled when object storage says nothing for idle. Bodies that are sent to it
// are watched by their stream, searches by their own time limit.
type patient struct {
	Store
	idle time.Duration
}

// Stat implements Store.
func (s patient) Stat(ctx context.Context, key string) (filestore.Object, error) {
	w, ctx := s.watch(ctx)
	defer w.end()
	object, err := s.Store.Stat(ctx, key)
	return object, w.verdict(err)
}

// ListParts implements Store. A long list is several answers; all of them together have the time of
// one.
func (s patient) ListParts(ctx context.Context, ref filestore.UploadRef) ([]filestore.Part, error) {
	w, ctx := s.watch(ctx)
	defer w.end()
	parts, err := s.Store.ListParts(ctx, ref)
	return parts, w.verdict(err)
}

// DeleteObject implements Store.
func (s patient) DeleteObject(ctx context.Context, key string) error {
	w, ctx := s.watch(ctx)
	defer w.end()
	return w.verdict(s.Store.DeleteObject(ctx, key))
}

// Open implements Store.
func (s patient) Open(ctx context.Context, object filestore.Object, rng filestore.ByteRange) (io.ReadCloser, error) {
	w, ctx := s.watch(ctx)
	body, err := s.Store.Open(ctx, object, rng)
	if err != nil {
		defer w.end()
		return nil, w.verdict(err)
	}
	w.timer.Stop()
	return &inflow{body, w}, nil
}

// watch begins to count the time of one call. The caller ends it.
func (s patient) watch(ctx context.Context) (*storeWatch, context.Context) {
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(s.idle, func() { cancel(apierror.ErrStoreStalled) })
	return &storeWatch{timer: timer, idle: s.idle, cancel: cancel, cause: func() error { return context.Cause(ctx) }}, ctx
}

// storeWatch ends a context when object storage is silent for idle.
type storeWatch struct {
	timer  *time.Timer
	idle   time.Duration
	cancel context.CancelCauseFunc
	cause  func() error
}

func (w *storeWatch) end() {
	w.timer.Stop()
	w.cancel(nil)
}

func (w *storeWatch) verdict(err error) error {
	if err != nil && !errors.Is(err, io.EOF) && errors.Is(w.cause(), apierror.ErrStoreStalled) {
		return errors.Join(apierror.ErrStoreStalled, err)
	}
	return err
}

// inflow is a file on its way from object storage. Only the time counts for which the reader waits:
// how long the client takes is the response's business.
type inflow struct {
	io.ReadCloser
	watch *storeWatch
}

// Read implements io.Reader.
func (f *inflow) Read(p []byte) (int, error) {
	f.watch.timer.Reset(f.watch.idle)
	defer f.watch.timer.Stop()
	n, err := f.ReadCloser.Read(p)
	return n, f.watch.verdict(err)
}

// Close implements io.Closer.
func (f *inflow) Close() error {
	f.watch.end()
	return f.ReadCloser.Close()
}
