package s3

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

func TestTranslateAnswers(t *testing.T) {
	for _, tc := range []struct {
		op     string
		status int
		code   string
		want   error
	}{
		{opPut, 404, "NoSuchUpload", filestore.ErrNoSuchUpload},
		{opPut, 404, "NoSuchKey", filestore.ErrNoSuchUpload},
		{opListParts, 404, "NoSuchKey", filestore.ErrNoSuchUpload},
		{opHead, 404, "NoSuchKey", filestore.ErrNotFound},
		{opGet, 404, "NoSuchKey", filestore.ErrNotFound},
		{opComplete, 404, "NoSuchKey", filestore.ErrPrecondition},
		{opComplete, 404, "NoSuchUpload", filestore.ErrNoSuchUpload},
		{opCreate, 404, "NoSuchBucket", filestore.ErrBucketNotFound},
		{opListObjects, 301, "PermanentRedirect", filestore.ErrBucketNotFound},
		{opListObjects, 301, "301 Moved Permanently", filestore.ErrBucketNotFound},

		{opComplete, 412, "PreconditionFailed", filestore.ErrPrecondition},
		{opComplete, 409, "ConditionalRequestConflict", filestore.ErrPrecondition},
		{opComplete, 409, "OperationAborted", filestore.ErrBusy},
		{opGet, 412, "412 Precondition Failed", filestore.ErrPrecondition},
		{opGet, 416, "InvalidRange", filestore.ErrRange},
		{opGet, 416, "416 Requested Range Not Satisfiable", filestore.ErrRange},

		{opComplete, 400, "InvalidPart", filestore.ErrInvalidParts},
		{opComplete, 400, "InvalidPartOrder", filestore.ErrInvalidParts},
		{opComplete, 400, "EntityTooSmall", filestore.ErrInvalidParts},
		{opComplete, 400, "BadDigest", filestore.ErrInvalidParts},
		{opComplete, 400, "InvalidRequest", filestore.ErrInvalidParts},
		{opComplete, 200, "InternalError", filestore.ErrUnavailable}, // an error in the body of a 200
		{opPut, 400, "EntityTooSmall", filestore.ErrPartSize},
		{opPut, 400, "EntityTooLarge", filestore.ErrPartSize},

		{opPut, 400, "BadDigest", filestore.ErrChecksum},
		{opPut, 400, "XAmzContentChecksumMismatch", filestore.ErrChecksum},
		{opPut, 400, "XAmzContentSHA256Mismatch", filestore.ErrChecksum},
		{opPut, 400, "InvalidChecksum", filestore.ErrChecksum},
		{opPut, 400, "IncompleteBody", filestore.ErrIncompleteBody},

		{opCreate, 400, "KeyTooLongError", filestore.ErrInvalidKey},
		{opComplete, 409, "ObjectParentIsFile", filestore.ErrInvalidKey},
		{opCreate, 400, "XMinioInvalidObjectName", filestore.ErrInvalidKey},

		{opPut, 403, "AccessDenied", filestore.ErrAccessDenied},
		{opPut, 403, "403 Forbidden", filestore.ErrAccessDenied},
		{opPut, 401, "401 Unauthorized", filestore.ErrAccessDenied},
		{opPut, 403, "RequestTimeTooSkewed", filestore.ErrAccessDenied},
		{opPut, 400, "AuthorizationHeaderMalformed", filestore.ErrAccessDenied},
		{opPut, 400, "ExpiredToken", filestore.ErrAccessDenied},

		{opPut, 503, "SlowDown", filestore.ErrBusy},
		{opPut, 503, "SlowDownWrite", filestore.ErrBusy},
		{opPut, 429, "429 Too Many Requests", filestore.ErrBusy},
		{opPut, 503, "ServiceUnavailable", filestore.ErrUnavailable},
		{opPut, 503, "503 Service Unavailable", filestore.ErrUnavailable},
		{opPut, 500, "InternalError", filestore.ErrUnavailable},
		{opPut, 502, "502 Bad Gateway", filestore.ErrUnavailable},
		{opPut, 507, "XMinioStorageFull", filestore.ErrUnavailable},
		{opPut, 400, "RequestTimeout", filestore.ErrUnavailable},

		{opPut, 501, "NotImplemented", filestore.ErrRejected},
		{opPut, 400, "InvalidArgument", filestore.ErrRejected},
		{opCreate, 400, "MetadataTooLarge", filestore.ErrRejected},
		{opHead, 404, "SomethingNew", filestore.ErrRejected},
		{opPut, 418, "SomethingNew", filestore.ErrRejected},
		{opPut, 599, "SomethingNew", filestore.ErrUnavailable},
	} {
		answer := minio.ErrorResponse{StatusCode: tc.status, Code: tc.code, Message: "why", RequestID: "r1"}
		for _, err := range []error{answer, fmt.Errorf("wrapped: %w", answer)} {
			got := translate(t.Context(), tc.op, err)
			var e *filestore.Error
			if !errors.As(got, &e) || !errors.Is(e.Kind, tc.want) || e.Op != tc.op {
				t.Errorf("%s %d %s: %v, want %q", tc.op, tc.status, tc.code, got, tc.want)
			}
		}
	}
	if translate(t.Context(), opPut, nil) != nil {
		t.Error("no error became one")
	}
}

func TestTranslateTransport(t *testing.T) {
	for _, cause := range []error{
		&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED},
		&net.OpError{Op: "read", Err: syscall.ECONNRESET},
		io.ErrUnexpectedEOF,
		x509.UnknownAuthorityError{},
		errors.New("net/http: something"),
	} {
		err := translate(t.Context(), opPut, &url.Error{Op: "Put", URL: "http://x/bucket/key?uploadId=secret-id", Err: cause})
		if !errors.Is(err, filestore.ErrUnavailable) || !errors.Is(err, cause) {
			t.Errorf("%v became %v", cause, err)
		}
		if strings.Contains(err.Error(), "secret-id") {
			t.Errorf("the URL is in %v", err)
		}
	}
}

func TestTranslateContext(t *testing.T) {
	why := errors.New("shutting down")
	canceled, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	err := translate(canceled, opPut, context.Canceled)
	if !errors.Is(err, context.Canceled) || !errors.Is(err, why) || errors.Is(err, filestore.ErrUnavailable) || filestore.Terminal(err) {
		t.Errorf("cancelled: %v", err)
	}
	// What the backend has said stays true when the caller turns away in the same moment.
	err = translate(canceled, opPut, minio.ErrorResponse{StatusCode: 404, Code: "NoSuchUpload", RequestID: "r1"})
	if !errors.Is(err, filestore.ErrNoSuchUpload) {
		t.Errorf("answered, then cancelled: %v", err)
	}
	late, cancelLate := context.WithDeadline(t.Context(), time.Unix(1, 0))
	defer cancelLate()
	err = translate(late, opPut, &url.Error{Op: "Put", Err: context.DeadlineExceeded})
	if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, filestore.ErrUnavailable) {
		t.Errorf("too late: %v", err)
	}
}

func TestErrorTexts(t *testing.T) {
	err := translate(t.Context(), opPut, minio.ErrorResponse{StatusCode: 403, Code: "RequestTimeTooSkewed", Message: "The difference is too large.", RequestID: "r1"})
	for _, part := range []string{"UploadPart", "403", "RequestTimeTooSkewed", "clock", "r1"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q lacks %q", err, part)
		}
	}
	err = translate(t.Context(), opPut, minio.ErrorResponse{StatusCode: 502, Code: "502 Bad Gateway", Message: strings.Repeat("<html>", 1000)})
	if len(err.Error()) > 600 {
		t.Errorf("a page of a proxy became %d bytes of error", len(err.Error()))
	}
}
