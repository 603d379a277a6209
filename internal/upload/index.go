package upload

import "github.com/iotfile-operator/iotfile-operator/api/v1alpha1"

// FileIndex is the name of the informer index by which the uploads of one file are found, whatever their names.
const FileIndex = "file"

// FileIndexKey is the value of FileIndex for an upload. The store is not part of it: an upload by manifest may leave it open.
func FileIndexKey(u *v1alpha1.MultipartUpload) string { return FileOf(u).TenantKey() }
