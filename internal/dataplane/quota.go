package dataplane

import (
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// quotaWords are those of the API server's quota plugin; it has no other sign for programs.
const quotaWords = "exceeded quota: "

// exceedsQuota reports whether a ResourceQuota of the namespace has refused an upload.
func exceedsQuota(err error) bool {
	return apierrors.IsForbidden(err) && strings.Contains(err.Error(), quotaWords)
}

// quotaPending reports whether nobody has counted yet for a ResourceQuota: it was made a moment
// ago.
func quotaPending(err error) bool {
	return apierrors.IsForbidden(err) && strings.Contains(err.Error(), "status unknown for quota: ")
}

// quotaMessage tells the client which quota is used up, and how large it is. Both are its own
// namespace's.
func quotaMessage(err error) string {
	_, which, _ := strings.Cut(err.Error(), quotaWords)
	return "the namespace has as many uploads as its ResourceQuota allows (" + which + "): complete or abort one, or wait until finished ones are forgotten"
}

// unauthorized reports whether the API server has denied the operator a right of its own. That is
// no verdict on the request: an API server that has just started denies everything until it has
// read its roles. It can be told from the verdicts of quotas and admission by its wording alone.
func unauthorized(err error) bool {
	return apierrors.IsUnauthorized(err) || apierrors.IsForbidden(err) && strings.Contains(err.Error(), " is forbidden: User ")
}
