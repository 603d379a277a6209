package dataplane

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// located is where object storage has an upload.
type located struct {
	store Store
	ref   filestore.UploadRef
}

// locate finds out where object storage has u. Its key is that of the file, whatever the status
// says of it; of a status that says another the error is a *upload.StatusError.
func (s *Server) locate(ctx context.Context, u *v1alpha1.MultipartUpload) (located, error) {
	fs := s.takerOf(ctx, u, nil)
	if fs == nil {
		return located{}, fmt.Errorf("store of the upload: %w", filestore.ErrStoreNotFound)
	}
	if err := upload.CheckStatus(u, fs, s.opts.Clock.Now()); err != nil {
		return located{}, err
	}
	key, err := upload.KeyOf(upload.FileOf(u), fs)
	if err != nil {
		return located{}, err
	}
	store, err := s.storeNamed(ctx, fs.Name)
	return located{store, filestore.UploadRef{Key: key, UploadID: u.Status.UploadID}}, err
}

// takerOf is the FileStore that takes u, or known, where u (which may be nil) names none. It is nil
// if there is none: then nothing of u is in reach. The object is shared: it must not be changed.
func (s *Server) takerOf(ctx context.Context, u *v1alpha1.MultipartUpload, known *v1alpha1.FileStore) *v1alpha1.FileStore {
	if u == nil {
		return known
	}
	name := upload.StoreNameOf(u)
	if name == "" || known != nil && known.Name == name {
		return known
	}
	fs := &v1alpha1.FileStore{}
	if err := s.uploads.cached.Get(ctx, client.ObjectKey{Name: name}, fs, client.UnsafeDisableDeepCopy); err != nil {
		return nil
	}
	return fs
}

// limitsOf are the limits of the FileStore that takes u, else of fallback, which may be nil.
func (s *Server) limitsOf(ctx context.Context, u *v1alpha1.MultipartUpload, fallback *v1alpha1.FileStore) upload.Limits {
	fs := s.takerOf(ctx, u, fallback)
	if fs == nil {
		return upload.DefaultLimits // the FileStore is gone: whoever asks for its Store learns it
	}
	return upload.LimitsOf(fs)
}

// endOf is upload.EndOf, by the FileStore that takes u, which may be nil.
func (s *Server) endOf(ctx context.Context, u *v1alpha1.MultipartUpload) upload.End {
	return upload.EndOf(u, s.takerOf(ctx, u, nil), s.opts.Clock.Now())
}

// listedParts are the parts of u as object storage lists them.
func (s *Server) listedParts(ctx context.Context, u *v1alpha1.MultipartUpload) ([]filestore.Part, error) {
	at, err := s.locate(ctx, u)
	if err != nil {
		return nil, err
	}
	return at.store.ListParts(ctx, at.ref)
}
