package dataplane

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
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
	cluster := func(err error) error { return fmt.Errorf("x: %w", &clusterError{secret, err}) }
	terminating := apierrors.NewForbidden(schema.GroupResource{}, "x", cause)
	terminating.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}
	for _, tt := range []struct {
		err    error
		status int
		retry  bool
	}{
		{errBadRequest("x").because(cause), 400, false},
		{fmt.Errorf("%w: %w", ErrUnauthenticated, cause), 401, false},
		{fmt.Errorf("%w: %w", ErrForbidden, cause), 403, false},
		{&upload.Refusal{Kind: upload.RefusalTooSmall, Message: "m"}, 400, false},
		{&upload.Refusal{Kind: upload.RefusalTooLarge, Message: "m"}, 413, false},
		{&upload.Refusal{Kind: upload.RefusalNotOpen, Message: "m"}, 409, false},
		{&upload.Refusal{Kind: upload.RefusalConflict, Message: "m"}, 409, false},
		{&upload.ConflictError{Message: "m"}, 409, false},
		{&upload.SequenceError{Parts: 2, Missing: []int32{1}}, 400, false},
		{&upload.StoreError{Reason: v1alpha1.ReasonStoreNotFound, Message: secret}, 404, false},
		{&upload.StoreError{Reason: v1alpha1.ReasonStoreNotAllowed, Message: secret}, 403, false},
		{&stalledError{v1alpha1.ReasonFileBusy, secret}, 400, false},
		{&stalledError{v1alpha1.ReasonVersionConflict, secret}, 409, false},
		{&stalledError{v1alpha1.ReasonTooManyOpenUploads, secret}, 429, true},
		{&stalledError{v1alpha1.ReasonInvalidKey, secret}, 400, false},
		{&stalledError{v1alpha1.ReasonPartsMissing, secret}, 400, false},
		{&stalledError{v1alpha1.ReasonPartsInvalid, secret}, 400, false},
		{&stalledError{v1alpha1.ReasonExpired, secret}, 409, false},
		{&stalledError{v1alpha1.ReasonAborted, secret}, 409, false},
		{&stalledError{v1alpha1.ReasonUploadLost, secret}, 409, false},
		{&stalledError{v1alpha1.ReasonStoreUnavailable, secret}, 503, true},
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
		{errors.Join(errStoreStalled, stored(filestore.ErrUnavailable)), 504, true},
		{errors.Join(errBodyShort, stored(filestore.ErrIncompleteBody)), 400, false},
		{errors.Join(errBodyIdle, stored(filestore.ErrIncompleteBody)), 408, false},
		{errTimeout, 503, true},
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
		a := describe(tt.err)
		if a.status != tt.status || (a.retryAfter > 0) != tt.retry {
			t.Errorf("%v: status %d, retry %v; want %d, %v", tt.err, a.status, a.retryAfter, tt.status, tt.retry)
		}
		if a.message == "" || strings.Contains(a.message, "acme") || strings.Contains(a.message, "42") {
			t.Errorf("%v: the message %q is empty or leaks", tt.err, a.message)
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

func TestParseTimestamp(t *testing.T) {
	want := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, s := range []string{
		"2026-01-02T03:04:05Z", "2026-01-02T04:04:05+01:00", "2026-01-02T04:04:05.000+0100", "2026-01-02T03:04:05", "20260102T030405Z",
	} {
		if got, ok := parseTimestamp(s); !ok || !got.Equal(want) {
			t.Errorf("%q: %v, %v", s, got, ok)
		}
	}
	for _, s := range []string{"", "Fri Jan 02 2026 03:04:05 GMT+0000", "2026-13-02T03:04:05Z", "0001-01-01T00:00:00Z", "0000-01-01", "12345"} {
		if got, ok := parseTimestamp(s); ok {
			t.Errorf("%q is taken for %v", s, got)
		}
	}
}

func TestFinalNumber(t *testing.T) {
	p := func(n int32) *int32 { return &n }
	for _, tt := range []struct {
		numbers []int32
		fixed   *int32
		want    int32
		ok      bool
	}{
		{nil, nil, 1, true},
		{[]int32{1, 2}, nil, 3, true},
		{[]int32{1, 3}, nil, 0, false},
		{[]int32{2}, nil, 0, false},
		{nil, p(1), 1, true},
		{[]int32{1}, p(1), 1, true},
		{[]int32{1, 2}, p(3), 3, true},
		{[]int32{1, 2, 3}, p(3), 3, true},
		{[]int32{1, 3}, p(3), 0, false},
		{[]int32{1, 2, 3, 4}, p(3), 0, false},
		{[]int32{2}, p(1), 0, false},
	} {
		got, err := finalNumber(tt.numbers, tt.fixed)
		if (err == nil) != tt.ok || (tt.ok && got != tt.want) {
			t.Errorf("finalNumber(%v, %v) = %d, %v", tt.numbers, tt.fixed, got, err)
		}
	}
}

func TestHeaderText(t *testing.T) {
	if got := text("gr\xf6\xdfe"); got != "größe" {
		t.Errorf("ISO 8859-1: %q", got)
	}
	if got := text("größe"); got != "größe" {
		t.Errorf("UTF-8: %q", got)
	}
}

func TestBindAddress(t *testing.T) {
	for address, ok := range map[string]bool{
		"127.0.0.1:80": true, "127.8.8.8:80": true, "[::1]:80": true, "localhost:80": true,
		":80": false, "0.0.0.0:80": false, "[::]:80": false, "10.0.0.1:80": false, "example.com:80": false, "nonsense": false,
	} {
		err := checkBind(Options{BindAddress: address, Authenticator: NoAuthentication{}})
		if (err == nil) != ok {
			t.Errorf("%s: %v", address, err)
		}
		if address != "nonsense" && checkBind(Options{BindAddress: address, Authenticator: somebody{}}) != nil {
			t.Errorf("%s is refused with authentication", address)
		}
	}
}

type somebody struct{}

func (somebody) Authenticate(*http.Request) (Identity, error) { return Identity{}, nil }
