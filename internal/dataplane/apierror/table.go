package apierror

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/identity"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// Describe is the one table from errors to answers.
func Describe(err error) Error {
	var (
		own      *Error
		refusal  *upload.Refusal
		conflict *upload.ConflictError
		sequence *upload.SequenceError
		size     *upload.SizeError
		store    *upload.StoreError
		stalled  *StalledError
		key      *upload.KeyError
		status   *upload.StatusError
		cluster  *ClusterError
	)
	switch {
	case errors.As(err, &own):
		return *own
	case errors.As(err, &refusal):
		return Error{Status: refusalStatus[refusal.Kind], Message: refusal.Message, RetryAfter: refusalRetry[refusal.Kind]}
	case errors.As(err, &conflict):
		return Error{Status: http.StatusConflict, Message: conflict.Message}
	case errors.As(err, &sequence):
		return Error{Status: http.StatusBadRequest, Message: sequence.Error()}
	case errors.As(err, &size):
		return Error{Status: http.StatusBadRequest, Message: size.Error()}
	case errors.As(err, &store):
		return describeReason(store.Reason)
	case errors.As(err, &stalled):
		return describeReason(stalled.Reason)
	case errors.As(err, &key):
		return Error{Status: http.StatusBadRequest, Message: key.Error()}
	case errors.As(err, &status):
		return describeReason(v1alpha1.ReasonStatusMismatch)
	case errors.As(err, &cluster):
		return describeCluster(cluster.Err)
	}
	for i := range fixed {
		if errors.Is(err, fixed[i].err) {
			return fixed[i].answer
		}
	}
	return Error{Status: http.StatusInternalServerError, Message: "an internal error: the log names it by this id"}
}

var refusalStatus = map[upload.RefusalKind]int{
	upload.RefusalTooSmall: http.StatusBadRequest,
	upload.RefusalTooLarge: http.StatusRequestEntityTooLarge,
	upload.RefusalNotOpen:  http.StatusConflict,
	upload.RefusalConflict: http.StatusConflict,
	upload.RefusalNoRoom:   http.StatusTooManyRequests,
}

// refusalRetry is when to try again what may then be taken.
var refusalRetry = map[upload.RefusalKind]time.Duration{upload.RefusalNoRoom: RetryLong}

// fixed is the part of the table that needs no more than the error's identity. The first match
// counts.
var fixed = []struct {
	err    error
	answer Error
}{
	{identity.ErrUnauthenticated, Error{Status: http.StatusUnauthorized, Message: "send a valid token in the Authorization header", Header: map[string]string{"WWW-Authenticate": "Bearer"}}},
	{filestore.ErrSilent, Error{Status: http.StatusGatewayTimeout, Message: "object storage is too slow: send the request again", RetryAfter: RetryShort}},
	{ErrBodyShort, Error{Status: http.StatusBadRequest, Message: "the body ended too early: nothing was stored"}},
	{ErrBodyIdle, Error{Status: http.StatusRequestTimeout, Message: "no byte of the body arrived for too long: nothing was stored"}},
	{ErrBodySlow, Error{Status: http.StatusRequestTimeout, Message: "the body arrives too slowly to be waited for: nothing was stored"}},
	{filestore.ErrNoSuchUpload, Error{Status: http.StatusConflict, Message: "the upload is not open any more: start it again with upload=start"}},
	{filestore.ErrNotFound, Error{Status: http.StatusNotFound, Message: "the file does not exist"}},
	{filestore.ErrPrecondition, Error{Status: http.StatusConflict, Message: "the file has changed meanwhile: read it again and decide anew"}},
	{filestore.ErrInvalidParts, Error{Status: http.StatusBadRequest, Message: "object storage refuses to assemble these parts"}},
	{filestore.ErrPartSize, Error{Status: http.StatusBadRequest, Message: "object storage refuses a part of this size"}},
	{filestore.ErrIncompleteBody, Error{Status: http.StatusBadRequest, Message: "the body ended too early: nothing was stored"}},
	{filestore.ErrChecksum, Error{Status: http.StatusBadGateway, Message: "the bytes were damaged on the way to object storage, nothing was stored: send the request again", RetryAfter: RetrySoon}},
	{filestore.ErrRange, Error{Status: http.StatusRequestedRangeNotSatisfiable, Message: "the range lies outside the file"}},
	{filestore.ErrInvalidKey, Error{Status: http.StatusBadRequest, Message: "object storage cannot store a file of this path, for example because a part of it is a file: choose another"}},
	{filestore.ErrBusy, Error{Status: http.StatusServiceUnavailable, Message: "object storage is busy: send the request again", RetryAfter: RetryShort}},
	{context.DeadlineExceeded, Error{Status: http.StatusGatewayTimeout, Message: "the answer took too long: send the request again", RetryAfter: RetryShort}},
	{filestore.ErrUnavailable, Error{Status: http.StatusBadGateway, Message: "object storage cannot be reached: send the request again", RetryAfter: RetryShort}},
	{filestore.ErrBucketNotFound, storeBroken},
	{filestore.ErrAccessDenied, storeBroken},
	{filestore.ErrIntegrityUnsupported, storeBroken},
	{filestore.ErrRejected, storeBroken},
	{filestore.ErrInvalidConfig, storeBroken},
	{filestore.ErrStoreNotFound, storeBroken},
	{filestore.ErrSecretNotFound, storeBroken},
	{filestore.ErrSecretKey, storeBroken},
	{filestore.ErrSecretConsent, storeBroken},
	{filestore.ErrPrefixOverlap, storeBroken},
	{filestore.ErrEndpointNotAllowed, storeBroken},
	{ErrTimeout, Error{Status: http.StatusServiceUnavailable, Message: "it takes longer than usual: send the request again", RetryAfter: RetryShort}},
	{context.Canceled, clientGone},
}

// storeBroken answers what only the platform team can mend.
var storeBroken = Error{Final: true, Status: http.StatusBadGateway, Message: "the file store cannot be used as it is set up: the platform team has to look at its FileStore", RetryAfter: RetryLong}

// StatusClientGone stands in logs and metrics for requests whose client left. The answer, 400, is
// read only by a client that has closed its side of the connection alone: a server cannot tell the
// two apart.
const StatusClientGone = 499

// clientGone is what such a client is told. Where the request was when it was given up is not
// known.
var clientGone = Error{
	Status:  StatusClientGone,
	Message: "the client closed the connection before the answer, and the request was given up: keep both sides open, and send it again to learn what has become of it",
}
