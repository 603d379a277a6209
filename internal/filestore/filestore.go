// Package filestore is the seam between this project and object storage.
//
// The interfaces are small and split by who may use them: PartWriter, PartLister and Reader are all
// that the data plane is given, so that a data plane that opens, completes or aborts an upload does
// not compile; Lifecycle belongs to the reconciler. Errors of the backend are translated once, by
// the implementation, into the errors of this package.
//
// Implementations: internal/filestore/s3 (the real one), internal/filestore/memory (for error
// injection in tests). All pass the conformance suite of internal/filestore/storetest.
package filestore

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// Store is everything that a backend can do. Implementations are safe for concurrent use, and hold
// no state about uploads or objects.
type Store interface {
	PartWriter
	PartLister
	Lifecycle
	Reader
	ObjectWriter
	ObjectLister
	Prober
	// Close releases idle connections. Calls in flight end by themselves. It is idempotent.
	Close()
}

// UploadRef names one multipart upload in a backend.
type UploadRef struct {
	// Key is the object's key, with the store's prefix, as in "iot/default/<entity>/a/b.bin".
	Key string
	// UploadID is the backend's id of the upload.
	UploadID string
}

// Part is one part that the backend holds.
type Part struct {
	// Number is 1..10000.
	Number int32
	// Size in bytes.
	Size int64
	// ETag of the part, without quotes, as CompleteUpload wants it.
	ETag string
	// Checksum of the part in base64, of the kind that the payload mode sends; empty where the
	// backend keeps none.
	Checksum string
	// Algorithm of Checksum, such as "crc64nvme"; empty where that is.
	Algorithm string
	// Modified is when the backend stored the part, by its own clock. Zero in the answer of
	// PutPart.
	Modified time.Time
	// Unclear: the backend has several copies of the part, and it cannot be told which was sent
	// last. The part counts as missing, so that it is sent again, and nothing but its number is
	// known.
	Unclear bool
}

// Clear gives the parts without those that are Unclear.
func Clear(parts []Part) []Part {
	return slices.DeleteFunc(slices.Clone(parts), func(p Part) bool { return p.Unclear })
}

// PartBuffer is the size in bytes of one write to the backend, and the memory that a part in flight
// takes. Nine tenths of the CPU of a proxy go into read and write calls, so it decides over the
// cost of a part: from socket to socket 0.60 CPU-seconds per GiB with 64 KiB, 0.49 with 256 KiB,
// 0.37 with 1 MiB (BenchmarkPutPart).
const PartBuffer = 1 << 20

// PartWriter moves the bytes of parts.
type PartWriter interface {
	// PutPart streams exactly size bytes of body as part number of the upload. A part of that
	// number that was there before is replaced; if the call fails for whatever reason, it is still
	// there, whole (docs/rest-api.md, "Part").
	//
	// It never buffers more than a small fixed amount, never retries (the bytes are gone), and does
	// not read from body after it has returned: a Read of body that blocks therefore keeps it from
	// returning, even when ctx is over, so let body fail when ctx does. It does not close body.
	// size must be ≥ 0; 0 is refused by backends but for the only part.
	//
	// Errors: ErrNoSuchUpload; ErrIncompleteBody, when body ended before size bytes or failed (the
	// error of body is wrapped); ErrChecksum, when the backend received other bytes than were sent;
	// ErrPartSize; ErrUnavailable and the others of this package.
	PutPart(ctx context.Context, ref UploadRef, number int32, body io.Reader, size int64) (Part, error)
}

// PartLister reads the part list.
type PartLister interface {
	// ListParts returns all parts of the upload in the order of their numbers, paging as often as
	// it must. A list without parts means that the upload is open and empty.
	//
	// Errors: ErrNoSuchUpload, and the others of this package.
	ListParts(ctx context.Context, ref UploadRef) ([]Part, error)
}

// ContentHeaders are the HTTP headers that tell how a file is encoded and to be treated, as S3
// keeps them with an object. Values are printable ASCII; empty ones are not there.
type ContentHeaders struct {
	// ContentEncoding is the list of codings, such as "gzip", that were applied to the bytes as
	// they are stored.
	ContentEncoding string
	// ContentLanguage is the list of languages of whom the file is for, such as "de, en".
	ContentLanguage string
	// ContentDisposition reports whether the file is to be shown or saved, and under which name.
	ContentDisposition string
	// CacheControl says who may keep the file, and for how long.
	CacheControl string
}

// ContentHeadersOf are those that an upload is to have.
func ContentHeadersOf(spec *v1alpha1.MultipartUploadSpec) ContentHeaders {
	return ContentHeaders{
		ContentEncoding: spec.ContentEncoding, ContentLanguage: spec.ContentLanguage, ContentDisposition: spec.ContentDisposition, CacheControl: spec.CacheControl,
	}
}

// CreateUploadOptions is what a file is stored with. It is fixed when the upload is opened.
type CreateUploadOptions struct {
	// ContentType is the media type that the file is served with.
	ContentType string
	ContentHeaders
	// Metadata is stored with the object as user metadata (x-amz-meta-…). Keys are lower-case
	// ASCII letters, digits and dashes; values printable ASCII.
	Metadata map[string]string
}

// Condition is what must be true of an object at the very moment at which another takes its place.
// Exactly one of the fields is set; the zero value sets no condition.
type Condition struct {
	// Absent demands that no object has the key (If-None-Match: *).
	Absent bool
	// ETag demands that the object with the key has this ETag, without quotes (If-Match).
	ETag string
}

// Upload is an upload that is open in the backend.
type Upload struct {
	UploadRef
	// Initiated is when it was opened, by the backend's clock.
	Initiated time.Time
}

// Lifecycle opens and ends uploads. Only the reconciler may use it.
type Lifecycle interface {
	// CreateUpload opens a multipart upload and returns its id. It is not idempotent: each call
	// opens another one.
	CreateUpload(ctx context.Context, key string, opts CreateUploadOptions) (uploadID string, err error)

	// CompleteUpload assembles the parts, in the order given, into the object, if cond holds. The
	// object appears whole or not at all.
	//
	// A failure does not mean that nothing happened: after any error but those of a caller's own
	// mistake, look at the object's owner before believing it. Backends answer a repeated call with
	// success or ErrNoSuchUpload.
	//
	// Errors: ErrPrecondition when cond does not hold (the upload stays usable); ErrNoSuchUpload;
	// ErrInvalidParts, when a part is missing, was replaced since it was listed, or is too small in
	// the middle (the upload stays usable); ErrUnavailable when the outcome is unknown.
	CompleteUpload(ctx context.Context, ref UploadRef, parts []Part, cond Condition) (Object, error)

	// AbortUpload deletes the upload and its parts. An upload that is not there is success, so it
	// is idempotent. A part in flight can land after it: list the parts until ErrNoSuchUpload, and
	// abort again.
	AbortUpload(ctx context.Context, ref UploadRef) error

	// ListUploads calls yield for each open upload whose key starts with prefix, until it returns
	// false. How much of them the backend shows is capability UploadListing; where it is ExactKey,
	// prefix must be a whole key.
	ListUploads(ctx context.Context, prefix string, yield func(Upload) bool) error
}

// Object is what is known of a stored object.
type Object struct {
	// Key as in UploadRef.
	Key string
	// Size in bytes.
	Size int64
	// ETag of the backend, without quotes. Opaque; it changes with the content.
	ETag string
	// Modified is when the object was stored, by the backend's clock.
	Modified time.Time
	// ContentType as it was stored.
	ContentType string
	// ContentHeaders as they were stored; not in the answers of CompleteUpload and PutObject, nor
	// in listings.
	ContentHeaders
	// Metadata is the user metadata, with lower-case keys and without "x-amz-meta-". Nil in the
	// answer of CompleteUpload.
	Metadata map[string]string
	// Checksum of the whole object as "algorithm:base64", such as "crc64nvme:MN2ofvMjpIQ="; empty
	// where the backend gives none.
	Checksum string
}

// ByteRange is Length bytes from Offset on. Length < 0 means to the end.
type ByteRange struct {
	Offset, Length int64
}

// Reader reads stored objects.
type Reader interface {
	// Stat returns what is known of the object. While the object is being replaced, a backend may
	// answer with some of the old one and some of the new one (versitygw): who decides by it, or
	// shows it, asks StatSettled. Errors: ErrNotFound, and the others of this package.
	Stat(ctx context.Context, key string) (Object, error)

	// Open reads the bytes of rng of the object that Stat has shown, if it is still that one: Key,
	// Size, ETag, Modified, ContentType, ContentHeaders and Metadata are all compared with what the
	// backend says of the very bytes that it sends, because some compare the ETag with the old
	// object and then send the new one (versitygw); Checksum too, where rng is all of it and the
	// backend gives it. With nothing but Key set, it is whichever is there. A range that reaches
	// over the end gives what there is. The caller closes the reader, which also ends the transfer,
	// as does the end of ctx. A body that the backend cuts short fails with an error that wraps
	// io.ErrUnexpectedEOF and ErrUnavailable, never with a clean end.
	//
	// Errors: ErrNotFound; ErrPrecondition when it is another object by now, or none that ever was
	// (a mixed answer of Stat): look again; ErrRange when rng begins outside of it.
	Open(ctx context.Context, seen Object, rng ByteRange) (io.ReadCloser, error)
}

// Prober finds out what a backend can do.
type Prober interface {
	// Probe reaches the bucket with the credentials and tries the capabilities out on objects and
	// uploads of its own under the store's prefix, in the reserved directory ".iotfile-probe/",
	// which it removes again. It is idempotent.
	//
	// Errors: ErrBucketNotFound, ErrAccessDenied, ErrUnavailable, ErrIntegrityUnsupported.
	Probe(ctx context.Context) (v1alpha1.FileStoreCapabilities, error)

	// Claim tells which cluster uses the store's prefix: the one whose id stands with the object
	// ".iotfile-cluster" there. Where there is none yet it is written, with id. It may be asked
	// only where capability ConditionalPut is there, so that one cluster wins. It is idempotent,
	// and the object is never deleted.
	Claim(ctx context.Context, id string) (owner string, err error)
}

// ClaimKey is the key of the object of Prober.Claim behind the store's prefix, ClaimMetadata the
// user metadata that holds the id.
const (
	ClaimKey      = ".iotfile-cluster"
	ClaimMetadata = "iotfile-cluster"
)

// ClaimContent is what the object of Prober.Claim holds, for people.
const ClaimContent = "The cluster that opens uploads here; see orphanPolicy of iotfile-operator.\n"

// Claim is Prober.Claim in terms of two calls, for implementations: stat is Reader.Stat, and put
// stores ClaimContent with that metadata where there is no object yet.
func Claim(ctx context.Context, key, id string, stat func(context.Context, string) (Object, error), put func(metadata map[string]string) error) (owner string, err error) {
	object, err := stat(ctx, key)
	if !errors.Is(err, ErrNotFound) {
		return object.Metadata[ClaimMetadata], err
	}
	if err := put(map[string]string{ClaimMetadata: id}); err != nil && !errors.Is(err, ErrPrecondition) {
		return "", err
	}
	object, err = stat(ctx, key)
	return object.Metadata[ClaimMetadata], err
}
