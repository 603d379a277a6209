// Package s3 is the Store of S3-compatible object storage, and the only importer of minio-go.
//
// minio-go signs, addresses and parses; this package owns what decides over speed and safety: the
// framing of part bodies (chunked.go), the connections (transport.go), when a caller's body may be
// read (body.go), and what an error means (errors.go). Nothing is retried here, because the bytes
// of a part are gone once they have been read; callers know what is worth repeating from
// filestore.Retryable.
package s3
