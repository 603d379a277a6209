package catalog

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// Index is the name of an informer index of uploads. A lookup by one of them, in a namespace, reads
// what it returns alone: of ten thousand records that have ended, none.
type Index string

const (
	// ByFile finds the uploads of one file, whatever their names, and some others: OfFile picks
	// them. Its value is FileKey.
	ByFile Index = "file"
	// ByOpen finds the uploads that upload.Counts in a store: they are open, or about to be. Its
	// value is the store's name.
	ByOpen Index = "open"
	// ByOpened finds those of them that object storage has opened. Its value is the store's name.
	ByOpened Index = "opened"
)

// Indexes are the informer indexes of uploads: by name, what an upload is found by.
func Indexes() map[Index]func(*v1alpha1.MultipartUpload) []string {
	return map[Index]func(*v1alpha1.MultipartUpload) []string{
		ByFile: func(u *v1alpha1.MultipartUpload) []string { return []string{FileKey(upload.FileOf(u))} },
		ByOpen: func(u *v1alpha1.MultipartUpload) []string {
			if !upload.Counts(u) {
				return nil
			}
			return named(upload.StoreNameOf(u))
		},
		ByOpened: func(u *v1alpha1.MultipartUpload) []string {
			if upload.Ended(u) {
				return nil
			}
			return named(upload.OpenedIn(u))
		},
	}
}

func named(store string) []string {
	if store == "" {
		return nil
	}
	return []string{store}
}

// SetupIndexes registers Indexes. It is called once per cache, before the cache starts.
func SetupIndexes(ctx context.Context, indexer client.FieldIndexer) error {
	for name, values := range Indexes() {
		err := indexer.IndexField(ctx, &v1alpha1.MultipartUpload{}, string(name), func(obj client.Object) []string {
			u, ok := obj.(*v1alpha1.MultipartUpload)
			if !ok {
				return nil
			}
			return values(u)
		})
		if err != nil {
			return fmt.Errorf("index %s: %w", name, err)
		}
	}
	return nil
}

// FileKey is the value of ByFile for the uploads of a file. Files share it: an informer keeps a set
// for each value, in each namespace and for all of them, and one for each upload would be a quarter
// of what the upload takes. With a hundred thousand uploads in a namespace it finds about 25. The
// store is not part of it: an upload by manifest may leave it open.
func FileKey(f upload.File) string {
	const digits = 3 // of sixteen, so 4,096 values
	sum := sha256.Sum256([]byte(f.TenantKey()))
	return hex.EncodeToString(sum[:])[:digits]
}
