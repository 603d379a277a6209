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
type world struct{ cached, live client.Reader }

// storeFor finds the FileStore that serves an upload, by the cache, and once more by the API server before there is none: what was applied a moment ago counts.
// It returns a *upload.StoreError where there is none.
func (w *world) storeFor(ctx context.Context, namespace, name string) (*v1alpha1.FileStore, error) {
	store, err := resolve(ctx, w.cached, namespace, name)
	if err != nil {
		return resolve(ctx, w.live, namespace, name)
	}
	return store, nil
}

func resolve(ctx context.Context, reader client.Reader, namespace, name string) (*v1alpha1.FileStore, error) {
	var stores v1alpha1.FileStoreList
	if err := reader.List(ctx, &stores); err != nil {
		return nil, fmt.Errorf("list FileStores: %w", err)
	}
	var ns corev1.Namespace
	if err := reader.Get(ctx, client.ObjectKey{Name: namespace}, &ns); err != nil {
		return nil, fmt.Errorf("get namespace: %w", err)
	}
	return upload.ResolveStore(name, upload.Namespace{Labels: ns.Labels, Annotations: ns.Annotations}, stores.Items)
}

// holderOf returns the upload that has the file of u, nil if none has. The API server is asked before one is believed to.
func (w *world) holderOf(ctx context.Context, u *v1alpha1.MultipartUpload) (*v1alpha1.MultipartUpload, error) {
	file := upload.FileOf(u)
	var found v1alpha1.MultipartUploadList
	err := w.cached.List(ctx, &found, client.InNamespace(u.Namespace), client.MatchingFields{upload.FileIndex: file.IndexKey()}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return nil, fmt.Errorf("list uploads of the file: %w", err)
	}
	for _, other := range upload.OfFile(found.Items, file) {
		if !upload.Holds(&other) {
			continue
		}
		now := &v1alpha1.MultipartUpload{}
		switch err := w.live.Get(ctx, client.ObjectKeyFromObject(&other), now); {
		case client.IgnoreNotFound(err) != nil:
			return nil, fmt.Errorf("get upload: %w", err)
		case err == nil && upload.Holds(now) && upload.FileOf(now) == file:
			return now, nil
		}
	}
	return nil, nil
}

// openIn are the uploads that count for the namespace in a store. They belong to the cache.
func (w *world) openIn(ctx context.Context, namespace, store string) ([]v1alpha1.MultipartUpload, error) {
	var open v1alpha1.MultipartUploadList
	err := w.cached.List(ctx, &open, client.InNamespace(namespace), client.MatchingFields{upload.OpenIndex: store}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return nil, fmt.Errorf("list uploads of the namespace: %w", err)
	}
	return open.Items, nil
}
