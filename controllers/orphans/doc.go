// Package orphans looks, FileStore by FileStore, for uploads in object storage that no
// MultipartUpload owns, and aborts or reports them, by the store's orphanPolicy. Start with
// sweep.go.
//
// What one record may have left is found by multipartupload, with the policy and the counter of
// this package, before the record goes.
//
// The package imports api, internal/catalog, internal/failpoint, internal/filestore,
// internal/upload and controllers/reconciler.
package orphans
