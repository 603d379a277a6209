package controllers

import (
	"context"
	"fmt"

	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// Uploads are all MultipartUploads that the process knows.
type Uploads interface {
	// Each calls yield for every one of them, in no order. They belong to the cache: yield must neither change nor keep them.
	Each(ctx context.Context, yield func(*v1alpha1.MultipartUpload)) error
}

// CachedUploads are the uploads of an informer cache. A list of a client copies every record, if not deeply: a hundred megabytes of garbage for a hundred
// thousand of them, at each scrape of the metrics. This copies a pointer for each.
func CachedUploads(informers cache.Informers) Uploads { return cachedUploads{informers} }

type cachedUploads struct{ informers cache.Informers }

// Each implements Uploads. It waits until the cache has synced, or ctx is done.
func (c cachedUploads) Each(ctx context.Context, yield func(*v1alpha1.MultipartUpload)) error {
	informer, err := c.informers.GetInformer(ctx, &v1alpha1.MultipartUpload{})
	if err != nil {
		return fmt.Errorf("informer of uploads: %w", err)
	}
	indexed, ok := informer.(toolscache.SharedIndexInformer)
	if !ok {
		return fmt.Errorf("the informer is a %T, which cannot be read", informer)
	}
	for _, obj := range indexed.GetIndexer().List() {
		if u, ok := obj.(*v1alpha1.MultipartUpload); ok {
			yield(u)
		}
	}
	return nil
}
