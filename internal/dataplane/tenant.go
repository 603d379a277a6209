package dataplane

import (
	"context"
	"errors"
	"net/http"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/catalog"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/apierror"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/transfer"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// Store is what the data plane gets of a store: it can move bytes, delete files and look, and can
// neither open, complete nor abort an upload.
type Store interface {
	filestore.PartWriter
	filestore.PartLister
	filestore.Reader
	filestore.ObjectWriter
	filestore.ObjectLister
}

// Stores finds the Store of a FileStore by its name. It answers from memory, and is asked for every
// part. Errors are those of filestore.
type Stores interface {
	Get(ctx context.Context, name string) (Store, error)
}

// fileStore finds the FileStore that serves a namespace for REST, from the cache.
func (s *Server) fileStore(ctx context.Context, namespace string) (*v1alpha1.FileStore, error) {
	fs, err := s.uploads.StoreOf(ctx, namespace, "")
	if errors.Is(err, catalog.ErrNoNamespace) { // it may be new
		// All unknown names have one allowance: anybody can think of another one.
		if err := s.looks.take("", s.opts.Clock.Now()); err != nil {
			return nil, err
		}
		fs, err = s.uploads.LiveStoreOf(ctx, namespace, "")
	}
	switch {
	case errors.Is(err, catalog.ErrNoNamespace):
		return nil, apierror.NotFound("the namespace " + namespace + " does not exist")
	case err != nil && !errors.As(err, new(*upload.StoreError)):
		return nil, &apierror.ClusterError{Op: "find the FileStore of the namespace", Err: err}
	}
	return fs, err
}

// ready reports whether the FileStore takes new uploads: its bucket was reached.
func ready(fs *v1alpha1.FileStore) error {
	c := meta.FindStatusCondition(fs.Status.Conditions, v1alpha1.ConditionReady)
	switch {
	case fs.DeletionTimestamp != nil:
		return apierror.Unavailable("the file store is being removed: ask the platform team for another one", apierror.RetryLong)
	case c == nil:
		return apierror.Unavailable("the file store is not ready yet: send the request again", apierror.RetryShort)
	case c.Status != "True":
		return apierror.Unavailable("the file store is not ready: send the request again later, or ask the platform team", apierror.RetryLong).
			Because(&apierror.StalledError{Reason: c.Reason, Message: c.Message})
	}
	return nil
}

// target is where the file of a request is, or would be, stored.
type target struct {
	fs    *v1alpha1.FileStore
	store Store
	key   string
}

// targetOf finds the store and the key of the request's file.
func (s *Server) targetOf(ctx context.Context, c *call) (target, error) {
	fs, err := s.fileStore(ctx, c.file.Namespace)
	if err != nil {
		return target{}, err
	}
	key, err := upload.KeyOf(c.file, fs)
	if err != nil {
		return target{}, err
	}
	store, err := s.storeNamed(ctx, fs.Name)
	return target{fs, store, key}, err
}

// stat looks at the file. It is no error that it does not exist.
func (t target) stat(ctx context.Context) (object filestore.Object, file upload.FileMetadata, exists bool, err error) {
	return found(t.store.Stat(ctx, t.key))
}

// found is what a look has shown.
func found(object filestore.Object, err error) (filestore.Object, upload.FileMetadata, bool, error) {
	switch {
	case errors.Is(err, filestore.ErrNotFound):
		return filestore.Object{}, upload.FileMetadata{}, false, nil
	case err != nil:
		return filestore.Object{}, upload.FileMetadata{}, false, err
	}
	return object, upload.DecodeFileMetadata(object.Metadata), true, nil
}

func (s *Server) storeNamed(ctx context.Context, name string) (Store, error) {
	store, err := s.opts.Stores.Get(ctx, name)
	if err != nil && apierror.Describe(err).Status == http.StatusInternalServerError {
		return nil, apierror.Unavailable("the file store cannot be looked up now: send the request again", apierror.RetryShort).Because(err)
	}
	if err != nil {
		return nil, err
	}
	return transfer.Watch(store, s.opts.StoreIdleTimeout), nil
}
