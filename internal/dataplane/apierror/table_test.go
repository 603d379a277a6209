package apierror

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/identity"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// TestDescribe: every error has its status, says when to come back if that helps, and keeps its
// cause to itself.
func TestDescribe(t *testing.T) {
	const secret = "bucket-of-acme upload-id-42"
	cause := errors.New(secret)
	stored := func(kind error) error {
		return fmt.Errorf("part: %w", &filestore.Error{Op: "UploadPart", Kind: kind, Cause: cause})
	}
	cluster := func(err error) error { return fmt.Errorf("x: %w", &ClusterError{Op: secret, Err: err}) }
	terminating := apierrors.NewForbidden(schema.GroupResource{}, "x", cause)
	terminating.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}
	for _, tt := range []struct {
		err    error
		status int
		retry  bool
	}{
		{BadRequest("x").Because(cause), 400, false},
		{fmt.Errorf("%w: %w", identity.ErrUnauthenticated, cause), 401, false},
		{&upload.Refusal{Kind: upload.RefusalTooSmall, Message: "m"}, 400, false},
		{&upload.Refusal{Kind: upload.RefusalTooLarge, Message: "m"}, 413, false},
		{&upload.Refusal{Kind: upload.RefusalNotOpen, Message: "m"}, 409, false},
		{&upload.Refusal{Kind: upload.RefusalConflict, Message: "m"}, 409, false},
		{&upload.ConflictError{Message: "m"}, 409, false},
		{&upload.SequenceError{Parts: 2, Missing: []int32{1}}, 400, false},
		{&upload.StoreError{Reason: v1alpha1.ReasonStoreNotFound, Message: secret}, 404, false},
		{&upload.StoreError{Reason: v1alpha1.ReasonStoreNotAllowed, Message: secret}, 403, false},
		{&StalledError{Reason: v1alpha1.ReasonFileBusy, Message: secret}, 400, false},
		{&StalledError{Reason: v1alpha1.ReasonVersionConflict, Message: secret}, 409, false},
		{&StalledError{Reason: v1alpha1.ReasonTooManyOpenUploads, Message: secret}, 429, true},
		{&StalledError{Reason: v1alpha1.ReasonInvalidKey, Message: secret}, 400, false},
		{&StalledError{Reason: v1alpha1.ReasonPartsMissing, Message: secret}, 400, false},
		{&StalledError{Reason: v1alpha1.ReasonPartsInvalid, Message: secret}, 400, false},
		{&StalledError{Reason: v1alpha1.ReasonExpired, Message: secret}, 409, false},
		{&StalledError{Reason: v1alpha1.ReasonAborted, Message: secret}, 409, false},
		{&StalledError{Reason: v1alpha1.ReasonUploadLost, Message: secret}, 409, false},
		{&StalledError{Reason: v1alpha1.ReasonStoreUnavailable, Message: secret}, 503, true},
		{stored(filestore.ErrNoSuchUpload), 409, false},
		{stored(filestore.ErrNotFound), 404, false},
		{stored(filestore.ErrPrecondition), 409, false},
		{stored(filestore.ErrInvalidParts), 400, false},
		{stored(filestore.ErrPartSize), 400, false},
		{stored(filestore.ErrIncompleteBody), 400, false},
		{stored(filestore.ErrChecksum), 502, true},
		{stored(filestore.ErrRange), 416, false},
		{stored(filestore.ErrInvalidKey), 400, false},
		{stored(filestore.ErrBucketNotFound), 502, true},
		{stored(filestore.ErrAccessDenied), 502, true},
		{stored(filestore.ErrIntegrityUnsupported), 502, true},
		{stored(filestore.ErrRejected), 502, true},
		{stored(filestore.ErrInvalidConfig), 502, true},
		{stored(filestore.ErrStoreNotFound), 502, true},
		{stored(filestore.ErrSecretNotFound), 502, true},
		{stored(filestore.ErrSecretKey), 502, true},
		{stored(filestore.ErrSecretConsent), 502, true},
		{stored(filestore.ErrPrefixOverlap), 502, true},
		{stored(filestore.ErrEndpointNotAllowed), 502, true},
		{stored(filestore.ErrBusy), 503, true},
		{stored(filestore.ErrUnavailable), 502, true},
		{&filestore.Error{Op: "UploadPart", Kind: filestore.ErrUnavailable, Cause: context.DeadlineExceeded}, 504, true},
		{errors.Join(ErrStoreStalled, stored(filestore.ErrUnavailable)), 504, true},
		{errors.Join(ErrBodyShort, stored(filestore.ErrIncompleteBody)), 400, false},
		{errors.Join(ErrBodyIdle, stored(filestore.ErrIncompleteBody)), 408, false},
		{ErrTimeout, 503, true},
		{context.Canceled, 499, false},
		{cluster(apierrors.NewInternalError(cause)), 503, true},
		{cluster(apierrors.NewTooManyRequests(secret, 1)), 503, true},
		{cluster(apierrors.NewTimeoutError(secret, 1)), 503, true},
		{cluster(apierrors.NewForbidden(schema.GroupResource{}, secret, cause)), 403, false},
		// As an API server words it that has not read its roles yet.
		{cluster(apierrors.NewForbidden(schema.GroupResource{Resource: "x"}, "y", errors.New(`User "operator" cannot get resource "x" in API group "z"`))), 503, true},
		{cluster(apierrors.NewUnauthorized(secret)), 503, true},
		{cluster(apierrors.NewInvalid(schema.GroupKind{}, secret, nil)), 400, false},
		{cluster(terminating), 409, false},
		{cluster(cause), 503, true},
		{cluster(context.Canceled), 499, false},
		{cause, 500, false},
	} {
		a := Describe(tt.err)
		if a.Status != tt.status || (a.RetryAfter > 0) != tt.retry {
			t.Errorf("%v: status %d, retry %v; want %d, %v", tt.err, a.Status, a.RetryAfter, tt.status, tt.retry)
		}
		if a.Message == "" || strings.Contains(a.Message, "acme") || strings.Contains(a.Message, "42") {
			t.Errorf("%v: the message %q is empty or leaks", tt.err, a.Message)
		}
	}
}

// TestEveryRefusalHasAStatus fails when the domain gets a kind that the table does not know.
func TestEveryRefusalHasAStatus(t *testing.T) {
	for kind := upload.RefusalTooSmall; kind <= upload.RefusalConflict; kind++ {
		if refusalStatus[kind] == 0 {
			t.Errorf("refusal %d has no status", kind)
		}
	}
}
