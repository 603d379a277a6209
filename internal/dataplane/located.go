package dataplane

import (
	"context"
	"fmt"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// subject is what a request is about, found once: an upload, nil if there is none, and the
// FileStore that takes it. That is nil if it is gone, and then nothing of the upload is in reach.
type subject struct {
	u  *v1alpha1.MultipartUpload
	fs *v1alpha1.FileStore
}

// subject finds the FileStore of u.
func (s *Server) subject(ctx context.Context, u *v1alpha1.MultipartUpload) subject {
	return s.subjectIn(ctx, u, nil)
}

// subjectIn is subject where the FileStore is known of an upload that names none, and most likely
// of one that does.
func (s *Server) subjectIn(ctx context.Context, u *v1alpha1.MultipartUpload, known *v1alpha1.FileStore) subject {
	if u == nil {
		return subject{fs: known}
	}
	name := upload.StoreNameOf(u)
	if name == "" || known != nil && known.Name == name {
		return subject{u, known}
	}
	fs, err := s.uploads.FileStore(ctx, name)
	if err != nil {
		fs = nil
	}
	return subject{u, fs}
}

// limits are those of the FileStore, or the defaults: whoever asks for the Store of one that is
// gone learns it.
func (of subject) limits() upload.Limits {
	if of.fs == nil {
		return upload.DefaultLimits
	}
	return upload.LimitsOf(of.fs)
}

// endOf is upload.EndOf.
func (s *Server) endOf(of subject) upload.End {
	return upload.EndOf(of.u, of.fs, s.opts.Clock.Now())
}

// located is where object storage has an upload.
type located struct {
	store Store
	ref   filestore.UploadRef
}

// locate finds out where object storage has an upload. Its key is that of the file, whatever the
// status says of it; of a status that says another the error is a *upload.StatusError.
func (s *Server) locate(ctx context.Context, of subject) (located, error) {
	if of.fs == nil {
		return located{}, fmt.Errorf("store of the upload: %w", filestore.ErrStoreNotFound)
	}
	if err := upload.CheckStatus(of.u, of.fs, s.opts.Clock.Now()); err != nil {
		return located{}, err
	}
	key, err := upload.KeyOf(upload.FileOf(of.u), of.fs)
	if err != nil {
		return located{}, err
	}
	store, err := s.storeNamed(ctx, of.fs.Name)
	return located{store, filestore.UploadRef{Key: key, UploadID: of.u.Status.UploadID}}, err
}

// listedParts are the parts of u as object storage lists them.
func (s *Server) listedParts(ctx context.Context, u *v1alpha1.MultipartUpload) ([]filestore.Part, error) {
	return s.partsOf(ctx, s.subject(ctx, u))
}

// partsOf is listedParts where the FileStore is known.
func (s *Server) partsOf(ctx context.Context, of subject) ([]filestore.Part, error) {
	at, err := s.locate(ctx, of)
	if err != nil {
		return nil, err
	}
	parts, err := at.store.ListParts(ctx, at.ref)
	return filestore.Clear(parts), err
}
