package controllers

import (
	"context"
	"fmt"

	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// Uploads are all MultipartUploads that the process knows.
type Uploads interface {
	// Each calls yield for every one of them, in no order. They belong to the cache: yield must
	// neither change nor keep them.
	Each(ctx context.Context, yield func(*v1alpha1.MultipartUpload)) error
}

// CachedUploads are the uploads of an informer cache. A list of a client copies every record, if
// not deeply: a hundred megabytes of garbage for a hundred thousand of them, at each scrape of the
// metrics. This copies a pointer for each.
func CachedUploads(known cache.Cache) Uploads { return cachedUploads{known} }

type cachedUploads struct{ cache cache.Cache }

// Each implements Uploads. The cache must have been started; it waits until that has all, or ctx is
// done.
func (c cachedUploads) Each(ctx context.Context, yield func(*v1alpha1.MultipartUpload)) error {
	informer, err := c.cache.GetInformer(ctx, &v1alpha1.MultipartUpload{})
	if err != nil {
		return fmt.Errorf("informer of uploads: %w", err)
	}
	indexed, ok := informer.(toolscache.SharedIndexInformer)
	if !ok { // a cache of some namespaces has an informer for each, and does not show them
		return c.list(ctx, yield)
	}
	for _, obj := range indexed.GetIndexer().List() {
		if u, ok := obj.(*v1alpha1.MultipartUpload); ok {
			yield(u)
		}
	}
	return nil
}

func (c cachedUploads) list(ctx context.Context, yield func(*v1alpha1.MultipartUpload)) error {
	var all v1alpha1.MultipartUploadList
	if err := c.cache.List(ctx, &all, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("list uploads: %w", err)
	}
	for i := range all.Items {
		yield(&all.Items[i])
	}
	return nil
}
