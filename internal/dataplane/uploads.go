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

// attempts bounds how often a change is decided anew because the record had changed meanwhile.
const attempts = 8

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

// create records a new upload. exists is true, and err nil, if there is one of that name.
func (k *uploads) create(ctx context.Context, u *v1alpha1.MultipartUpload) (exists bool, err error) {
	switch err := k.writer.Create(ctx, u); {
	case apierrors.IsAlreadyExists(err):
		return true, nil
	case err != nil:
		return false, &apierror.ClusterError{Op: "create upload", Err: err}
	}
	return false, nil
}

// intend changes the spec of u by mutate, if the record is still the one that was read. changed is
// false, and err nil, if it is not: read it and decide again. u is as the API server has it
// afterwards.
func (k *uploads) intend(ctx context.Context, u *v1alpha1.MultipartUpload, mutate func(*v1alpha1.MultipartUploadSpec)) (changed bool, err error) {
	before := u.DeepCopy()
	mutate(&u.Spec)
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	switch err := k.writer.Patch(ctx, u, patch); {
	case apierrors.IsConflict(err), apierrors.IsNotFound(err):
		return false, nil
	case err != nil:
		return false, &apierror.ClusterError{Op: "record the intent", Err: err}
	}
	return true, nil
}

// remove deletes the record, if it is still the one that was read; only its identity counts where
// anyVersion is true. deleted is false, and err nil, if it is not, or is gone.
func (k *uploads) remove(ctx context.Context, u *v1alpha1.MultipartUpload, anyVersion bool) (deleted bool, err error) {
	preconditions := client.Preconditions{UID: &u.UID}
	if !anyVersion {
		preconditions.ResourceVersion = &u.ResourceVersion
	}
	switch err := k.writer.Delete(ctx, u.DeepCopy(), preconditions); {
	case apierrors.IsConflict(err), apierrors.IsNotFound(err):
		return false, nil
	case err != nil:
		return false, &apierror.ClusterError{Op: "delete upload", Err: err}
	}
	return true, nil
}
