package dataplane

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// answer is an error as a client sees it. It is an error itself, so that handlers can return one
// where no other package has a type for it.
type answer struct {
	status  int
	message string
	// retryAfter is sent where it is positive, in whole seconds.
	retryAfter time.Duration
	// final: to wait for a moment does not help, or was tried.
	final bool
	// header is set beside the others, such as Allow.
	header map[string]string
	// cause is for the log.
	cause error
}

// Error implements error.
func (a *answer) Error() string {
	if a.cause != nil {
		return a.message + ": " + a.cause.Error()
	}
	return a.message
}

// Unwrap gives the cause.
func (a *answer) Unwrap() error { return a.cause }

// because keeps the cause for the log.
func (a *answer) because(err error) *answer {
	a.cause = err
	return a
}

func errBadRequest(message string) *answer {
	return &answer{status: http.StatusBadRequest, message: message}
}

func errNoRoute() *answer {
	return &answer{status: http.StatusNotFound, message: "no such resource: the API is " + basePath + "files/{entityId}/{filepath} and " + basePath + "fileslist/{entityId}/{filepath}"}
}

func errMethod(allow, message string) *answer {
	return &answer{status: http.StatusMethodNotAllowed, message: message, header: map[string]string{"Allow": allow}}
}

func errNotFound(message string) *answer {
	return &answer{status: http.StatusNotFound, message: message}
}

func errConflict(message string) *answer {
	return &answer{status: http.StatusConflict, message: message}
}

func errUnavailable(message string, retryAfter time.Duration) *answer {
	return &answer{status: http.StatusServiceUnavailable, message: message, retryAfter: retryAfter}
}

// Errors of inbound bodies and of waiting.
var (
	errBodyShort    = errors.New("the body ended too early")
	errBodyIdle     = errors.New("the client sent no byte for too long")
	errBodySlow     = errors.New("the client sends too slowly")
	errStoreStalled = fmt.Errorf("object storage neither took nor gave a byte for too long: %w", filestore.ErrSilent)
	errClientGone   = errors.New("the client is gone")
	errTimeout      = errors.New("the time to wait is over")
)

// clusterError marks an error of the API server.
type clusterError struct {
	op  string
	err error
}

// Error implements error.
func (e *clusterError) Error() string { return e.op + ": " + e.err.Error() }

// Unwrap gives the API server's error.
func (e *clusterError) Unwrap() error { return e.err }

// stalledError says that the reconciler cannot go on with an upload. reason is a condition reason.
type stalledError struct{ reason, message string }

// Error implements error. The text is for logs: it may name objects of the cluster.
func (e *stalledError) Error() string { return e.reason + ": " + e.message }

const (
	retrySoon  = time.Second
	retryShort = 5 * time.Second
	retryLong  = 30 * time.Second
)

// fixed is the part of the table that needs only the error's identity. The first match counts.
var fixed = []struct {
	err    error
	answer answer
}{
	{ErrUnauthenticated, answer{status: http.StatusUnauthorized, message: "send a valid token in the Authorization header", header: map[string]string{"WWW-Authenticate": "Bearer"}}},
	{ErrForbidden, answer{status: http.StatusForbidden, message: "you may not do this with the files of this entity: ask for the right in its namespace"}},
	{filestore.ErrSilent, answer{status: http.StatusGatewayTimeout, message: "object storage is too slow: send the request again", retryAfter: retryShort}},
	{errBodyShort, answer{status: http.StatusBadRequest, message: "the body ended too early: nothing was stored"}},
	{errBodyIdle, answer{status: http.StatusRequestTimeout, message: "no byte of the body arrived for too long: nothing was stored"}},
	{errBodySlow, answer{status: http.StatusRequestTimeout, message: "the body arrives too slowly to be waited for: nothing was stored"}},
	{errClientGone, clientGone},
	{filestore.ErrNoSuchUpload, answer{status: http.StatusConflict, message: "the upload is not open any more: start it again with upload=start"}},
	{filestore.ErrNotFound, answer{status: http.StatusNotFound, message: "the file does not exist"}},
	{filestore.ErrPrecondition, answer{status: http.StatusConflict, message: "the file has changed meanwhile: read it again and decide anew"}},
	{filestore.ErrInvalidParts, answer{status: http.StatusBadRequest, message: "object storage refuses to assemble these parts"}},
	{filestore.ErrPartSize, answer{status: http.StatusBadRequest, message: "object storage refuses a part of this size"}},
	{filestore.ErrIncompleteBody, answer{status: http.StatusBadRequest, message: "the body ended too early: nothing was stored"}},
	{filestore.ErrChecksum, answer{status: http.StatusBadGateway, message: "the bytes were damaged on the way to object storage, nothing was stored: send the request again", retryAfter: retrySoon}},
	{filestore.ErrRange, answer{status: http.StatusRequestedRangeNotSatisfiable, message: "the range lies outside the file"}},
	{filestore.ErrInvalidKey, answer{status: http.StatusBadRequest, message: "object storage cannot store a file of this path, for example because a part of it is a file: choose another"}},
	{filestore.ErrBusy, answer{status: http.StatusServiceUnavailable, message: "object storage is busy: send the request again", retryAfter: retryShort}},
	{context.DeadlineExceeded, answer{status: http.StatusGatewayTimeout, message: "the answer took too long: send the request again", retryAfter: retryShort}},
	{filestore.ErrUnavailable, answer{status: http.StatusBadGateway, message: "object storage cannot be reached: send the request again", retryAfter: retryShort}},
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
	{errTimeout, answer{status: http.StatusServiceUnavailable, message: "it takes longer than usual: send the request again", retryAfter: retryShort}},
	{context.Canceled, clientGone},
}

// storeBroken answers what only the platform team can mend.
var storeBroken = answer{final: true, status: http.StatusBadGateway, message: "the file store cannot be used as it is set up: the platform team has to look at its FileStore", retryAfter: retryLong}

// statusClientGone stands in logs and metrics for requests whose client left. The answer, 400, is
// read only by a client that has closed its side of the connection alone: a server cannot tell the
// two apart.
const statusClientGone = 499

// clientGone is what such a client is told, wherever the request was when it was given up.
var clientGone = answer{
	status:  statusClientGone,
	message: "the client closed the connection before the answer, and the request was given up: keep both sides open, and send it again to learn what has become of it",
}

// describe is the one table from errors to answers.
func describe(err error) answer {
	var (
		own      *answer
		refusal  *upload.Refusal
		conflict *upload.ConflictError
		sequence *upload.SequenceError
		size     *upload.SizeError
		store    *upload.StoreError
		stalled  *stalledError
		key      *upload.KeyError
		status   *upload.StatusError
		cluster  *clusterError
	)
	switch {
	case errors.As(err, &own):
		return *own
	case errors.As(err, &refusal):
		return answer{status: refusalStatus[refusal.Kind], message: refusal.Message, retryAfter: refusalRetry[refusal.Kind]}
	case errors.As(err, &conflict):
		return answer{status: http.StatusConflict, message: conflict.Message}
	case errors.As(err, &sequence):
		return answer{status: http.StatusBadRequest, message: sequence.Error()}
	case errors.As(err, &size):
		return answer{status: http.StatusBadRequest, message: size.Error()}
	case errors.As(err, &store):
		return describeReason(store.Reason)
	case errors.As(err, &stalled):
		return describeReason(stalled.reason)
	case errors.As(err, &key):
		return answer{status: http.StatusBadRequest, message: key.Error()}
	case errors.As(err, &status):
		return describeReason(v1alpha1.ReasonStatusMismatch)
	case errors.As(err, &cluster):
		return describeCluster(cluster.err)
	}
	for i := range fixed {
		if errors.Is(err, fixed[i].err) {
			return fixed[i].answer
		}
	}
	return answer{status: http.StatusInternalServerError, message: "an internal error: the log names it by this id"}
}

var refusalStatus = map[upload.RefusalKind]int{
	upload.RefusalTooSmall: http.StatusBadRequest,
	upload.RefusalTooLarge: http.StatusRequestEntityTooLarge,
	upload.RefusalNotOpen:  http.StatusConflict,
	upload.RefusalConflict: http.StatusConflict,
	upload.RefusalNoRoom:   http.StatusTooManyRequests,
}

// refusalRetry is when to try again what may then be taken.
var refusalRetry = map[upload.RefusalKind]time.Duration{upload.RefusalNoRoom: retryLong}

// reasons are the answers for condition reasons, whose own messages are for the cluster's users.
var reasons = []struct {
	reason string
	answer answer
}{
	{v1alpha1.ReasonStoreNotFound, answer{status: http.StatusNotFound, message: "no file store serves this namespace: ask the platform team"}},
	{v1alpha1.ReasonStoreNotAllowed, answer{status: http.StatusForbidden, message: "this namespace may not use its file store: ask the platform team"}},
	{v1alpha1.ReasonFileBusy, answer{status: http.StatusBadRequest, message: alreadyOpen}},
	{v1alpha1.ReasonVersionConflict, answer{status: http.StatusConflict, message: "the file is not at the version that was demanded: read its ETag, abort the upload if it is open, and start again with that If-Match"}},
	{v1alpha1.ReasonTooManyOpenUploads, answer{status: http.StatusTooManyRequests, message: "the namespace has as many uploads open as it may: complete or abort one", retryAfter: retryLong}},
	{v1alpha1.ReasonTooManyBytes, answer{status: http.StatusTooManyRequests, message: "the open uploads of the namespace hold too many bytes for a file of this size: complete or abort one", retryAfter: retryLong}},
	{v1alpha1.ReasonSizeMismatch, answer{status: http.StatusBadRequest, message: "the parts do not have the size together that was declared with X-File-Size: abort the upload and start it again"}},
	{v1alpha1.ReasonInvalidKey, answer{status: http.StatusBadRequest, message: "object storage cannot store a file of this path: choose another"}},
	{v1alpha1.ReasonPartsMissing, answer{status: http.StatusBadRequest, message: "the parts are not exactly 1..N: abort the upload and start it again"}},
	{v1alpha1.ReasonPartsInvalid, answer{status: http.StatusBadRequest, message: "object storage refuses to assemble these parts, for example because one but the last is too small: abort the upload and start it again"}},
	{v1alpha1.ReasonCompletionRefused, answer{final: true, status: http.StatusBadGateway, message: "object storage refuses to assemble the file, and is asked again: send the request again later, or end the upload with upload=abort", retryAfter: retryLong}},
	{v1alpha1.ReasonAborted, answer{status: http.StatusConflict, message: "the upload was aborted: start it again with upload=start"}},
	{v1alpha1.ReasonAborting, answer{status: http.StatusConflict, message: "the upload was aborted: start it again with upload=start"}},
	{v1alpha1.ReasonExpired, answer{status: http.StatusConflict, message: "the upload's time was over: start it again with upload=start"}},
	{v1alpha1.ReasonExpiring, answer{status: http.StatusConflict, message: "the upload's time was over: start it again with upload=start"}},
	{v1alpha1.ReasonStatusMismatch, answer{status: http.StatusConflict, message: "the record of this upload says what cannot be true, and nothing is done with it: end it with upload=abort, and start again with upload=start"}},
	{v1alpha1.ReasonUploadLost, answer{status: http.StatusConflict, message: "object storage no longer knows the upload: start it again with upload=start"}},
}

func describeReason(reason string) answer {
	for i := range reasons {
		if reasons[i].reason == reason {
			return reasons[i].answer
		}
	}
	return answer{status: http.StatusServiceUnavailable, message: "the upload cannot go on now: send the request again", retryAfter: retryLong}
}

// describeCluster answers for errors of the API server.
func describeCluster(err error) answer {
	switch {
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return answer{status: http.StatusConflict, message: "the namespace is being deleted"}
	case apierrors.IsInvalid(err):
		return answer{status: http.StatusBadRequest, message: "the cluster does not take an upload like this: check path, media type, description and Idempotency-Key"}
	case unauthorized(err):
		return answer{status: http.StatusServiceUnavailable, message: "the cluster does not let the operator do its work at this moment: send the request again", retryAfter: retryShort}
	case exceedsQuota(err):
		return answer{status: http.StatusTooManyRequests, message: quotaMessage(err), retryAfter: retryLong}
	case quotaPending(err):
		return answer{status: http.StatusServiceUnavailable, message: "a ResourceQuota of the namespace is being counted: send the request again", retryAfter: retryShort}
	case apierrors.IsForbidden(err):
		return answer{status: http.StatusForbidden, message: "the cluster does not allow this upload in this namespace"}
	case errors.Is(err, context.Canceled):
		return clientGone
	default:
		return answer{status: http.StatusServiceUnavailable, message: "the cluster cannot be reached: send the request again", retryAfter: retryShort}
	}
}

// fail answers with an error: nothing else does. The log line of the id has the whole cause.
func (c *call) fail(err error) {
	a := describe(err)
	c.err = err
	if c.response.wroteHeader {
		return // too late: whoever wrote the header cuts the connection if it must
	}
	h := c.response.Header()
	for key, value := range a.header {
		h[key] = []string{value} // an empty Allow says that the resource offers nothing (RFC 9110, 10.2.1)
	}
	if a.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int((a.retryAfter+time.Second-1)/time.Second)))
	}
	body, _ := json.Marshal(struct {
		ID      string `json:"id"`
		Message string `json:"message"`
	}{c.id, a.message}) // two strings: it cannot fail
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if a.status == statusClientGone {
		a.status = http.StatusBadRequest
	}
	c.response.WriteHeader(a.status)
	if c.method != http.MethodHead {
		_, _ = c.response.Write(body) // the client may be gone; the log line has it
	}
}
