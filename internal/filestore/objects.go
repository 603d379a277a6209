package filestore

import (
	"context"
	"io"
)

// ObjectWriter stores and deletes whole objects.
type ObjectWriter interface {
	// PutObject streams exactly size bytes of body as the object, if cond holds at the moment at
	// which it takes its place. The object appears whole or not at all; if the call fails for
	// whatever reason but a lost answer, what was there before is still there (docs/rest-api.md,
	// "Versions" and "Part"). It promises of body what PutPart does: nothing is buffered, nothing
	// retried, and it is not read after the return.
	//
	// opts.Metadata is the place for the caller's own mark: after an error that leaves the outcome
	// unknown, Stat tells by it whether the object is there.
	//
	// Of the answer, Key, Size, ETag and Checksum are set. A backend may refuse a large body before
	// it has read it, and that answer can be lost to a reset: ErrUnavailable then stands for
	// ErrPrecondition too. A backend may also let it wait for readers of the object (MinIO).
	//
	// Errors: ErrPrecondition when cond does not hold; ErrIncompleteBody, ErrChecksum, ErrPartSize
	// (larger than one request can be), ErrInvalidKey; ErrUnavailable when the outcome is unknown.
	PutObject(ctx context.Context, key string, body io.Reader, size int64, opts CreateUploadOptions, cond Condition) (Object, error)

	// DeleteObject deletes the object. One that is not there is success, so it is idempotent.
	// Errors: ErrInvalidKey for a key that no object can have, and the others of this package.
	DeleteObject(ctx context.Context, key string) error
}

// ObjectLister lists objects.
type ObjectLister interface {
	// ListObjects calls yield for each object whose key starts with prefix and comes after the key
	// after (exclusive, empty for all), in the order of the keys' UTF-8 bytes, until it returns
	// false. It holds one page of 1,000 at most.
	//
	// yield may use the Store. An end of ctx ends the listing with an error. Where a backend stores
	// objects below the key of another object, it may leave them out (MinIO).
	//
	// Key, Size, ETag and Modified are given; Metadata and ContentType only where capability
	// ListingMetadata is there, else Metadata is nil and Stat has to be asked.
	ListObjects(ctx context.Context, prefix, after string, yield func(Object) bool) error
}
