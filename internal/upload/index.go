package upload

import (
	"crypto/sha256"
	"encoding/base64"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// Names of the informer indexes. A list by one of them, in a namespace, looks at what it returns alone: of ten thousand records that have ended, none.
const (
	// FileIndex finds the uploads of one file, whatever their names. Its value is FileIndexKey.
	FileIndex = "file"
	// OpenIndex finds the uploads that are Open in a store, or about to be. Its value is the store's name.
	OpenIndex = "open"
	// OpenedIndex finds those of them that object storage has opened. Its value is the store's name.
	OpenedIndex = "opened"
)

// Indexes are the informer indexes of uploads: by name, what an upload is found by.
func Indexes() map[string]func(*v1alpha1.MultipartUpload) []string {
	return map[string]func(*v1alpha1.MultipartUpload) []string{
		FileIndex: func(u *v1alpha1.MultipartUpload) []string { return []string{FileIndexKey(u)} },
		OpenIndex: func(u *v1alpha1.MultipartUpload) []string {
			if !Open(u) {
				return nil
			}
			if u.Status.StoreName == "" {
				return named(u.Spec.StoreName)
			}
			return named(u.Status.StoreName)
		},
		OpenedIndex: func(u *v1alpha1.MultipartUpload) []string {
			if Ended(u) {
				return nil
			}
			return named(u.Status.StoreName)
		},
	}
}

func named(store string) []string {
	if store == "" {
		return nil
	}
	return []string{store}
}

// FileIndexKey is the value of FileIndex for an upload. The store is not part of it: an upload by manifest may leave it open.
func FileIndexKey(u *v1alpha1.MultipartUpload) string { return FileOf(u).IndexKey() }

// IndexKey is the value of FileIndex for the uploads of the file: a hash, because the index keeps it twice for each upload, and a path has up to a thousand bytes. No
// two files are known, or will be found, that have the same.
func (f File) IndexKey() string {
	const enough = 16 // bytes of SHA-256 that still nobody finds two files for
	sum := sha256.Sum256([]byte(f.TenantKey()))
	return base64.RawURLEncoding.EncodeToString(sum[:enough])
}
