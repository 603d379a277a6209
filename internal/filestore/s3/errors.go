package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/minio/minio-go/v7"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

// S3's names of the operations, as they stand in errors and metrics.
const (
	opCreate      = "CreateMultipartUpload"
	opPut         = "UploadPart"
	opListParts   = "ListParts"
	opComplete    = "CompleteMultipartUpload"
	opAbort       = "AbortMultipartUpload"
	opListUploads = "ListMultipartUploads"
	opHead        = "HeadObject"
	opGet         = "GetObject"
	opPutObject   = "PutObject"
	opDelete      = "DeleteObject"
	opListObjects = "ListObjectsV2"
)

// answer is an error code of a backend; to one operation where op is set, else to any.
type answer struct{ op, code string }

// kinds is the one table from what backends say to what it means. Sources: "Error responses" of the
// S3 API reference; "Conditional requests" of the S3 user guide for the 409; the error lists of
// MinIO and versitygw for their own codes.
var kinds = map[answer]error{
	{opPut, "NoSuchKey"}:         filestore.ErrNoSuchUpload, // minio-go says so of a 404 without a body
	{opListParts, "NoSuchKey"}:   filestore.ErrNoSuchUpload,
	{opAbort, "NoSuchKey"}:       filestore.ErrNoSuchUpload,
	{opComplete, "NoSuchKey"}:    filestore.ErrPrecondition, // If-Match, and the object is gone
	{opComplete, "BadDigest"}:    filestore.ErrInvalidParts,
	{opComplete, "MalformedXML"}: filestore.ErrInvalidParts, // the list is empty
	// S3 and versitygw: no part, or not the checksums that the upload announced.
	{opComplete, "InvalidRequest"}:   filestore.ErrInvalidParts,
	{opComplete, "InvalidPart"}:      filestore.ErrInvalidParts,
	{opComplete, "InvalidPartOrder"}: filestore.ErrInvalidParts,
	{opComplete, "EntityTooSmall"}:   filestore.ErrInvalidParts,
	{opPutObject, "NoSuchKey"}:       filestore.ErrPrecondition, // as of Complete
	{opPutObject, "EntityTooLarge"}:  filestore.ErrPartSize,
	{opPut, "EntityTooSmall"}:        filestore.ErrPartSize,
	{opPut, "EntityTooLarge"}:        filestore.ErrPartSize,
	{opPut, "InvalidArgument"}:       filestore.ErrRejected,

	{"", "NoSuchUpload"}: filestore.ErrNoSuchUpload,
	{"", "NoSuchKey"}:    filestore.ErrNotFound,
	{"", "NoSuchBucket"}: filestore.ErrBucketNotFound,
	// The bucket is somewhere else: endpoint or region are wrong.
	{"", "PermanentRedirect"}: filestore.ErrBucketNotFound,
	{"", "TemporaryRedirect"}: filestore.ErrUnavailable,
	{"", "InvalidBucketName"}: filestore.ErrBucketNotFound,

	{"", "PreconditionFailed"}:         filestore.ErrPrecondition,
	{"", "ConditionalRequestConflict"}: filestore.ErrPrecondition, // another write of the key came in between
	{"", "InvalidRange"}:               filestore.ErrRange,

	{"", "BadDigest"}:                   filestore.ErrChecksum,
	{"", "InvalidDigest"}:               filestore.ErrChecksum,
	{"", "InvalidChecksum"}:             filestore.ErrChecksum,
	{"", "XAmzContentSHA256Mismatch"}:   filestore.ErrChecksum,
	{"", "XAmzContentChecksumMismatch"}: filestore.ErrChecksum,
	{"", "IncompleteBody"}:              filestore.ErrIncompleteBody,
	{"", "MalformedTrailerError"}:       filestore.ErrIncompleteBody,
	{"", "InvalidChunkSizeError"}:       filestore.ErrIncompleteBody,

	{"", "KeyTooLongError"}:               filestore.ErrInvalidKey,
	{"", "KeyTooLong"}:                    filestore.ErrInvalidKey,
	{"", "InvalidURI"}:                    filestore.ErrInvalidKey,
	{"", "ObjectParentIsFile"}:            filestore.ErrInvalidKey, // versitygw: a segment of the key is an object
	{"", "ExistingObjectIsDirectory"}:     filestore.ErrInvalidKey, // versitygw: the key is the directory of others
	{"", "DirectoryObjectContainsData"}:   filestore.ErrInvalidKey,
	{"", "ErrDirectoryNotEmpty"}:          filestore.ErrInvalidKey, // versitygw: the key ends with a slash, and others are below it
	{"", "XMinioInvalidObjectName"}:       filestore.ErrInvalidKey,
	{"", "XMinioObjectExistsAsDirectory"}: filestore.ErrInvalidKey,
	{"", "XMinioParentIsObject"}:          filestore.ErrInvalidKey,

	{"", "AccessDenied"}:                 filestore.ErrAccessDenied,
	{"", "AccountProblem"}:               filestore.ErrAccessDenied,
	{"", "AllAccessDisabled"}:            filestore.ErrAccessDenied,
	{"", "InvalidAccessKeyId"}:           filestore.ErrAccessDenied,
	{"", "XAdminUserNotFound"}:           filestore.ErrAccessDenied, // versitygw says it, with 404, of an unknown access key
	{"", "InvalidToken"}:                 filestore.ErrAccessDenied,
	{"", "ExpiredToken"}:                 filestore.ErrAccessDenied,
	{"", "SignatureDoesNotMatch"}:        filestore.ErrAccessDenied,
	{"", "AuthorizationHeaderMalformed"}: filestore.ErrAccessDenied, // the region is wrong
	{"", "InvalidRegion"}:                filestore.ErrAccessDenied,
	{"", "RequestTimeTooSkewed"}:         filestore.ErrAccessDenied, // see hints

	{"", "SlowDown"}:             filestore.ErrBusy,
	{"", "SlowDownRead"}:         filestore.ErrBusy,
	{"", "SlowDownWrite"}:        filestore.ErrBusy,
	{"", "ServerBusy"}:           filestore.ErrBusy,
	{"", "TooManyRequests"}:      filestore.ErrBusy,
	{"", "RequestLimitExceeded"}: filestore.ErrBusy,
	{"", "Throttling"}:           filestore.ErrBusy,
	{"", "ThrottlingException"}:  filestore.ErrBusy,
	{"", "OperationAborted"}:     filestore.ErrBusy, // a conflicting operation is under way

	{"", "InternalError"}:  filestore.ErrUnavailable,
	{"", "RequestTimeout"}: filestore.ErrUnavailable,
}

// kindOfStatus is for codes that the table does not know, and for answers without any, such as a
// proxy's. A 4xx that is not in it is ErrRejected, a 5xx ErrUnavailable.
var kindOfStatus = map[int]error{
	http.StatusMovedPermanently:             filestore.ErrBucketNotFound,
	http.StatusPermanentRedirect:            filestore.ErrBucketNotFound,
	http.StatusUnauthorized:                 filestore.ErrAccessDenied,
	http.StatusForbidden:                    filestore.ErrAccessDenied,
	http.StatusRequestTimeout:               filestore.ErrUnavailable,
	http.StatusPreconditionFailed:           filestore.ErrPrecondition,
	http.StatusRequestedRangeNotSatisfiable: filestore.ErrRange,
	http.StatusTooManyRequests:              filestore.ErrBusy,
	http.StatusNotImplemented:               filestore.ErrRejected,
}

// hints say what to do about codes whose own message does not.
var hints = map[string]string{
	"RequestTimeTooSkewed":         "the clock of this node and that of object storage differ by more than 15 minutes",
	"AuthorizationHeaderMalformed": "spec.region is probably not the region of the bucket",
	"InvalidRegion":                "spec.region is probably not the region of the bucket",
	"PermanentRedirect":            "spec.endpoint or spec.region is not that of the bucket",
}

// translate turns an error of minio-go, net/http or the network into one of package filestore. A
// cancelled context is passed on with its cause and without a kind: it says nothing about the
// backend. A deadline that has passed is ErrUnavailable.
func translate(ctx context.Context, op string, err error) error {
	if err == nil {
		return nil
	}
	var resp minio.ErrorResponse
	if errors.As(err, &resp) {
		if resp.StatusCode == http.StatusNotFound && !genuine(op, resp) {
			return &filestore.Error{Op: op, Kind: filestore.ErrUnavailable, Cause: fmt.Errorf("%w: %w", errForeign, said(resp))}
		}
		return &filestore.Error{Op: op, Kind: kindOf(op, resp), Cause: said(resp), Status: resp.StatusCode, Hint: hints[resp.Code]}
	}
	if ctx.Err() == context.Canceled {
		return fmt.Errorf("%s: %w", op, canceled(ctx))
	}
	var none *identityError
	if errors.As(err, &none) {
		return &filestore.Error{Op: op, Kind: none.kind, Cause: none, Hint: none.hint}
	}
	var refused *filestore.ConfigError
	if errors.As(err, &refused) {
		return &filestore.Error{Op: op, Kind: refused.Kind, Cause: refused}
	}
	kind := filestore.ErrUnavailable
	if silent(ctx, err) {
		kind = filestore.ErrSilent
	}
	var at *url.Error
	if errors.As(err, &at) {
		err = at.Err // the URL around it is long, and holds the upload id
	}
	if ctx.Err() != nil {
		err = errors.Join(err, context.Cause(ctx))
	}
	return &filestore.Error{Op: op, Kind: kind, Cause: err}
}

// canceled is context.Canceled together with the cause that was given for it.
func canceled(ctx context.Context) error {
	cause := context.Cause(ctx)
	if errors.Is(cause, context.Canceled) {
		return cause
	}
	return fmt.Errorf("%w: %w", context.Canceled, cause)
}

// errForeign: an ingress without a backend, a web server at the wrong port.
var errForeign = errors.New("the answer is not one of object storage")

// genuine reports whether a 404 is object storage's own. minio-go takes any for NoSuchKey, and to
// believe a page of an ingress that an upload or an object is gone would be the end of it. S3 names
// the request in each answer, or at least sends its kind of XML; HEAD has no body to tell by, see
// store.explain.
func genuine(op string, resp minio.ErrorResponse) bool {
	return op == opHead || resp.RequestID != "" || resp.XMLName.Local != ""
}

func kindOf(op string, resp minio.ErrorResponse) error {
	for _, a := range []answer{{op, resp.Code}, {"", resp.Code}} {
		if kind, ok := kinds[a]; ok {
			return kind
		}
	}
	if kind, ok := kindOfStatus[resp.StatusCode]; ok {
		return kind
	}
	if resp.StatusCode >= 400 && resp.StatusCode < 500 {
		return filestore.ErrRejected
	}
	return filestore.ErrUnavailable
}

// answerError is what the backend said, short enough for a log line. It leaves out the other fields
// of the answer: S3 puts the access key and the string to sign into some.
type answerError struct{ code, text string }

// Error implements error.
func (e *answerError) Error() string { return e.text }

// said makes an answerError.
func said(resp minio.ErrorResponse) error {
	const limit = 300
	message := resp.Message
	if len(message) > limit {
		message = message[:limit] + "…"
	}
	text := fmt.Sprintf("%d %s: %s", resp.StatusCode, resp.Code, message)
	if hint := hints[resp.Code]; hint != "" {
		text += " (" + hint + ")"
	}
	if resp.RequestID != "" {
		text += " [request " + resp.RequestID + "]"
	}
	return &answerError{resp.Code, text}
}
