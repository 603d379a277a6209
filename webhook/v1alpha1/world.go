package v1alpha1

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// world reads what an object is judged against.
type world struct {
	cached, live client.Reader
	records      records
}

// storeFor finds the FileStore that serves an upload, by the cache, and once more by the API server
// before there is none: what was applied a moment ago counts. It returns a *upload.StoreError where
// there is none.
func (w *world) storeFor(ctx context.Context, namespace, name string) (*v1alpha1.FileStore, error) {
	store, err := resolve(ctx, w.cached, namespace, name)
	if err != nil {
		return resolve(ctx, w.live, namespace, name)
	}
	return store, nil
}

func resolve(ctx context.Context, reader client.Reader, namespace, name string) (*v1alpha1.FileStore, error) {
	var stores v1alpha1.FileStoreList
	if err := reader.List(ctx, &stores, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list FileStores: %w", err)
	}
	var ns corev1.Namespace
	if err := reader.Get(ctx, client.ObjectKey{Name: namespace}, &ns); err != nil {
		return nil, fmt.Errorf("get namespace: %w", err)
	}
	return upload.ResolveStore(name, upload.Namespace{Labels: ns.Labels, Annotations: ns.Annotations}, stores.Items)
}

// looksForHolder bounds how many uploads of a file are read from the API server in one review. More
// than one or two are seldom: the first that is believed to have the file has it, unless it has
// just ended.
const looksForHolder = 8

// holderOf returns the upload that has the file of u, nil if none has. The API server is asked
// before one is believed to.
func (w *world) holderOf(ctx context.Context, u *v1alpha1.MultipartUpload) (*v1alpha1.MultipartUpload, error) {
	file := upload.FileOf(u)
	var names []client.ObjectKey
	err := w.records.each(ctx, u.Namespace, upload.FileIndex, file.IndexKey(), func(other *v1alpha1.MultipartUpload) bool {
		if upload.FileOf(other) == file && upload.Holds(other) {
			names = append(names, client.ObjectKeyFromObject(other))
		}
		return len(names) < looksForHolder
	})
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		now := &v1alpha1.MultipartUpload{}
		switch err := w.live.Get(ctx, name, now); {
		case client.IgnoreNotFound(err) != nil:
			return nil, fmt.Errorf("get upload: %w", err)
		case err == nil && upload.Holds(now) && upload.FileOf(now) == file:
			return now, nil
		}
	}
	return nil, nil
}

// heldBy is what the namespace's uploads in a store hold, by the cache, but for the one of that
// name.
func (w *world) heldBy(ctx context.Context, namespace, store, except string) (held upload.Held, err error) {
	held = upload.Claimed(nil).BesideEach(func(yield func(*v1alpha1.MultipartUpload) bool) {
		err = w.records.each(ctx, namespace, upload.OpenIndex, store, yield)
	}, except)
	return held, err
}
