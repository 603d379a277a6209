package v1alpha1

import (
	"context"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/catalog"
)

// storeFor finds the FileStore that serves an upload, by the cache, and once more by the API server
// before there is none: what was applied a moment ago counts. It returns a *upload.StoreError where
// there is none.
func storeFor(ctx context.Context, known *catalog.Catalog, namespace, name string) (*v1alpha1.FileStore, error) {
	store, err := known.StoreOf(ctx, namespace, name)
	if err != nil {
		return known.LiveStoreOf(ctx, namespace, name)
	}
	return store, nil
}
