package dataplane

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/catalog"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/apierror"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// uploads is the window to Kubernetes: what is known, and what may be written.
type uploads struct {
	*catalog.Catalog
	writer client.Client
}

// known returns the uploads of the file that the informer cache knows, whatever they are called. It
// costs no request.
func (k *uploads) known(ctx context.Context, file upload.File) (catalog.Records, error) {
	found, err := k.OfFile(ctx, file)
	if err != nil {
		return nil, &apierror.ClusterError{Op: "list uploads in the cache", Err: err}
	}
	return found, nil
}

// read returns the uploads of the file as the API server has them now, see catalog.LiveOfFile.
func (k *uploads) read(ctx context.Context, file upload.File, store string) (catalog.Records, error) {
	found, err := k.LiveOfFile(ctx, file, store)
	if err != nil {
		return nil, &apierror.ClusterError{Op: "read uploads", Err: err}
	}
	return found, nil
}

// named is catalog.Named, as the only record of the file.
func (k *uploads) named(ctx context.Context, file upload.File, store string) catalog.Records {
	if u := k.Named(ctx, file, store); u != nil {
		return catalog.Records{u}
	}
	return nil
}

// get reads one upload from the API server, nil if it is not there.
func (k *uploads) get(ctx context.Context, key client.ObjectKey) (*v1alpha1.MultipartUpload, error) {
	u, err := k.LiveUpload(ctx, key)
	if err != nil {
		return nil, &apierror.ClusterError{Op: "read upload", Err: err}
	}
	return u, nil
}

// create records a new upload. The error is AlreadyExists where there is one of that name.
func (k *uploads) create(ctx context.Context, u *v1alpha1.MultipartUpload) error {
	if err := k.writer.Create(ctx, u); err != nil {
		return &apierror.ClusterError{Op: "create upload", Err: err}
	}
	return nil
}

// intend changes the spec of u by mutate, if the record is still the one that was read; else the
// error is errChanged. u is as the API server has it afterwards.
func (k *uploads) intend(ctx context.Context, u *v1alpha1.MultipartUpload, mutate func(*v1alpha1.MultipartUploadSpec)) error {
	before := u.DeepCopy()
	mutate(&u.Spec)
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	switch err := k.writer.Patch(ctx, u, patch); {
	case apierrors.IsConflict(err), apierrors.IsNotFound(err):
		return errChanged
	case err != nil:
		return &apierror.ClusterError{Op: "record the intent", Err: err}
	}
	return nil
}

// remove deletes the record, if it is still the one that was read; only its identity counts where
// anyVersion is true. The error is errChanged if it is not, or is gone.
func (k *uploads) remove(ctx context.Context, u *v1alpha1.MultipartUpload, anyVersion bool) error {
	preconditions := client.Preconditions{UID: &u.UID}
	if !anyVersion {
		preconditions.ResourceVersion = &u.ResourceVersion
	}
	switch err := k.writer.Delete(ctx, u.DeepCopy(), preconditions); {
	case apierrors.IsConflict(err), apierrors.IsNotFound(err):
		return errChanged
	case err != nil:
		return &apierror.ClusterError{Op: "delete upload", Err: err}
	}
	return nil
}
