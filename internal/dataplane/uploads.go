package dataplane

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/catalog"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/apierror"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// attempts bounds how often a change is decided anew because the record had changed meanwhile.
const attempts = 8

// liveCheck is how often a waiting request looks at the API server itself, in case an event got
// lost.
const liveCheck = 5 * time.Second

// uploads is the window to Kubernetes.
type uploads struct {
	// cached reads from the informer cache, live from the API server.
	cached, live client.Reader
	catalog      *catalog.Catalog
	writer       client.Client
	waiters      *waiters
}

// known returns the uploads of the file that the informer cache knows, whatever they are called. It
// costs no request.
func (k *uploads) known(ctx context.Context, file upload.File) (catalog.Records, error) {
	found, err := k.catalog.OfFile(ctx, file)
	if err != nil {
		return nil, &apierror.ClusterError{Op: "list uploads in the cache", Err: err}
	}
	return found, nil
}

// read returns the uploads of the file as the API server has them now, see catalog.LiveOfFile.
func (k *uploads) read(ctx context.Context, file upload.File, store string) (catalog.Records, error) {
	found, err := k.catalog.LiveOfFile(ctx, file, store)
	if err != nil {
		return nil, &apierror.ClusterError{Op: "read uploads", Err: err}
	}
	return found, nil
}

// named is catalog.Named, as the only record of the file.
func (k *uploads) named(ctx context.Context, file upload.File, store string) catalog.Records {
	if u := k.catalog.Named(ctx, file, store); u != nil {
		return catalog.Records{u}
	}
	return nil
}

// get reads one upload from the API server, nil if it is not there.
func (k *uploads) get(ctx context.Context, key client.ObjectKey) (*v1alpha1.MultipartUpload, error) {
	u, err := k.catalog.LiveUpload(ctx, key)
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

// await waits until done is content with the upload as it is recorded, or fails. done gets nil when
// the record is gone, and never a state older than u's generation. It fails with the context's
// cause when that is over.
func (k *uploads) await(ctx context.Context, w *waiter, u *v1alpha1.MultipartUpload, done func(*v1alpha1.MultipartUpload) (bool, error)) error {
	check := func(live bool) (bool, error) {
		now, known := k.look(ctx, u, live)
		if !known {
			return false, nil
		}
		return done(now)
	}
	ok, err := check(false)
	safety := time.NewTicker(liveCheck)
	defer safety.Stop()
	for !ok && err == nil {
		select {
		case <-w.woken:
			// What the cache does not have may be gone, or not have come yet: only the API server
			// knows.
			_, cached := k.look(ctx, u, false)
			ok, err = check(!cached)
		case <-safety.C:
			ok, err = check(true)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return err
}

// cachedStill reports whether the cache has u, in whatever state.
func (k *uploads) cachedStill(ctx context.Context, u *v1alpha1.MultipartUpload) bool {
	var now v1alpha1.MultipartUpload
	return k.cached.Get(ctx, client.ObjectKeyFromObject(u), &now) == nil && now.UID == u.UID
}

// look reads u again, from the API server if live. known is false if what is read tells nothing:
// the cache is behind, or the API server does not answer; it will next time. The record is nil when
// it is gone, which only the API server is believed.
func (k *uploads) look(ctx context.Context, u *v1alpha1.MultipartUpload, live bool) (now *v1alpha1.MultipartUpload, known bool) {
	reader := k.cached
	if live {
		reader = k.live
	}
	now = &v1alpha1.MultipartUpload{}
	err := reader.Get(ctx, client.ObjectKeyFromObject(u), now)
	switch {
	case apierrors.IsNotFound(err), err == nil && now.UID != u.UID:
		return nil, live
	case err != nil:
		return nil, false
	}
	return now, now.Generation >= u.Generation
}
