package apierror

import (
	"context"
	"errors"
	"net/http"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// ClusterError marks an error of the API server.
type ClusterError struct {
	// Op is what was asked of it.
	Op string
	// Err is its answer.
	Err error
}

// Error implements error.
func (e *ClusterError) Error() string { return e.Op + ": " + e.Err.Error() }

// Unwrap gives the API server's error.
func (e *ClusterError) Unwrap() error { return e.Err }

// describeCluster answers for errors of the API server.
func describeCluster(err error) Error {
	switch {
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return Error{Status: http.StatusConflict, Message: "the namespace is being deleted"}
	case apierrors.IsInvalid(err):
		return Error{Status: http.StatusBadRequest, Message: "the cluster does not take an upload like this: check path, media type, description and Idempotency-Key"}
	case unauthorized(err):
		return Error{Status: http.StatusServiceUnavailable, Message: "the cluster does not let the operator do its work at this moment: send the request again", RetryAfter: RetryShort}
	case exceedsQuota(err):
		return Error{Status: http.StatusTooManyRequests, Message: quotaMessage(err), RetryAfter: RetryLong}
	case quotaPending(err):
		return Error{Status: http.StatusServiceUnavailable, Message: "a ResourceQuota of the namespace is being counted: send the request again", RetryAfter: RetryShort}
	case apierrors.IsForbidden(err):
		return Error{Status: http.StatusForbidden, Message: "the cluster does not allow this upload in this namespace"}
	case errors.Is(err, context.Canceled):
		return clientGone
	default:
		return Error{Status: http.StatusServiceUnavailable, Message: "the cluster cannot be reached: send the request again", RetryAfter: RetryShort}
	}
}

// quotaWords are those of the API server's quota plugin; it has no other sign for programs.
const quotaWords = "exceeded quota: "

// exceedsQuota says whether a ResourceQuota of the namespace has refused an upload.
func exceedsQuota(err error) bool {
	return apierrors.IsForbidden(err) && strings.Contains(err.Error(), quotaWords)
}

// quotaPending says whether nobody has counted yet for a ResourceQuota: it was made a moment ago.
func quotaPending(err error) bool {
	return apierrors.IsForbidden(err) && strings.Contains(err.Error(), "status unknown for quota: ")
}

// quotaMessage tells the client which quota is used up, and how large it is. Both are its own
// namespace's.
func quotaMessage(err error) string {
	_, which, _ := strings.Cut(err.Error(), quotaWords)
	return "the namespace has as many uploads as its ResourceQuota allows (" + which + "): complete or abort one, or wait until finished ones are forgotten"
}

// unauthorized says whether the API server has denied the operator a right of its own. That is no
// verdict on the request: an API server that has just started denies everything until it has read
// its roles. It can be told from the verdicts of quotas and admission by its wording alone.
func unauthorized(err error) bool {
	return apierrors.IsUnauthorized(err) || apierrors.IsForbidden(err) && strings.Contains(err.Error(), " is forbidden: User ")
}
