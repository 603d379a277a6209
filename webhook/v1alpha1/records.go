package v1alpha1

import (
	"context"
	"fmt"

	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// records are the uploads of an informer cache that has upload.Indexes. A list of a client copies
// each record, if not deeply: of a tenant's hundred thousand, a hundred megabytes for every review.
// This copies a pointer for each.
type records struct{ known cache.Cache }

// each calls yield for the uploads of a namespace that an index has under value, in no order, until
// that returns false. They belong to the cache: yield must neither change nor keep them.
func (r records) each(ctx context.Context, namespace, index, value string, yield func(*v1alpha1.MultipartUpload) bool) error {
	informer, err := r.known.GetInformer(ctx, &v1alpha1.MultipartUpload{})
	if err != nil {
		return fmt.Errorf("informer of uploads: %w", err)
	}
	indexed, ok := informer.(toolscache.SharedIndexInformer)
	if !ok { // a cache of some namespaces has an informer for each, and does not show them
		return r.list(ctx, namespace, index, value, yield)
	}
	// The names are controller-runtime's, for what IndexField makes.
	found, err := indexed.GetIndexer().ByIndex("field:"+index, namespace+"/"+value)
	if err != nil {
		return fmt.Errorf("look uploads up: %w", err)
	}
	for _, obj := range found {
		if u, ok := obj.(*v1alpha1.MultipartUpload); ok && !yield(u) {
			return nil
		}
	}
	return nil
}

func (r records) list(ctx context.Context, namespace, index, value string, yield func(*v1alpha1.MultipartUpload) bool) error {
	var found v1alpha1.MultipartUploadList
	err := r.known.List(ctx, &found, client.InNamespace(namespace), client.MatchingFields{index: value}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return fmt.Errorf("list uploads: %w", err)
	}
	for i := range found.Items {
		if !yield(&found.Items[i]) {
			return nil
		}
	}
	return nil
}
