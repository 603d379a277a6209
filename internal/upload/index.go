package upload

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// Names of the informer indexes. A list by one of them, in a namespace, looks at what it returns
// alone: of ten thousand records that have ended, none.
const (
	// FileIndex finds the uploads of one file, whatever their names, and some others: OfFile picks
	// them. Its value is File.IndexKey.
	FileIndex = "file"
	// OpenIndex finds the uploads that Counts in a store: they are open, or about to be. Its value
	// is the store's name.
	OpenIndex = "open"
	// OpenedIndex finds those of them that object storage has opened. Its value is the store's
	// name.
	OpenedIndex = "opened"
)

// Indexes are the informer indexes of uploads: by name, what an upload is found by.
func Indexes() map[string]func(*v1alpha1.MultipartUpload) []string {
	return map[string]func(*v1alpha1.MultipartUpload) []string{
		FileIndex: func(u *v1alpha1.MultipartUpload) []string { return []string{FileOf(u).IndexKey()} },
		OpenIndex: func(u *v1alpha1.MultipartUpload) []string {
			if !Counts(u) {
				return nil
			}
			return named(StoreNameOf(u))
		},
		OpenedIndex: func(u *v1alpha1.MultipartUpload) []string {
			if Ended(u) {
				return nil
			}
			return named(OpenedIn(u))
		},
	}
}

func named(store string) []string {
	if store == "" {
		return nil
	}
	return []string{store}
}

// IndexKey is the value of FileIndex for the uploads of the file. Files share it: an informer keeps
// a set for each value, in each namespace and for all of them, and one for each upload would be a
// quarter of what the upload takes. With a hundred thousand uploads in a namespace it finds about
// 25. The store is not part of it: an upload by manifest may leave it open.
func (f File) IndexKey() string {
	const digits = 3 // of sixteen, so 4,096 values
	sum := sha256.Sum256([]byte(f.TenantKey()))
	return hex.EncodeToString(sum[:])[:digits]
}

// OfFile are copies of those of the uploads that FileIndex has found that are uploads of the file.
// The others, which it does not change, may belong to the cache.
func OfFile(found []v1alpha1.MultipartUpload, f File) []v1alpha1.MultipartUpload {
	var out []v1alpha1.MultipartUpload
	for i := range found {
		if FileOf(&found[i]) == f {
			out = append(out, *found[i].DeepCopy())
		}
	}
	return out
}
