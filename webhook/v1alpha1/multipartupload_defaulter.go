package v1alpha1

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/catalog"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// maxCreatedBy is the limit of the schema, in characters.
const maxCreatedBy = 512

// uploadDefaulter writes down who asked for an upload, and which store takes it.
type uploadDefaulter struct {
	catalog *catalog.Catalog
	trusted func(ctx context.Context, user string) bool
	now     func() time.Time
}

// Default implements admission.Defaulter. An upload that no store takes is left as it is: the
// validator says why.
func (d *uploadDefaulter) Default(ctx context.Context, u *v1alpha1.MultipartUpload) error {
	request, err := admission.RequestFromContext(ctx)
	if err != nil {
		return fmt.Errorf("who asks: %w", err)
	}
	if u.Namespace == "" {
		u.Namespace = request.Namespace
	}
	if err := d.attribute(ctx, u, request.UserInfo.Username); err != nil {
		return err
	}
	if u.Spec.RequestTime == nil {
		u.Spec.RequestTime = &metav1.Time{Time: d.now()}
	}
	if u.Spec.StoreName != "" {
		return nil
	}
	store, err := storeFor(ctx, d.catalog, u.Namespace, "")
	var none *upload.StoreError
	switch {
	case errors.As(err, &none):
		return nil
	case err != nil:
		return err
	}
	u.Spec.StoreName = store.Name
	return nil
}

// attribute sets createdBy. What the object says of it counts only where the user speaks for
// callers that it has authenticated.
func (d *uploadDefaulter) attribute(ctx context.Context, u *v1alpha1.MultipartUpload, user string) error {
	if u.Spec.CreatedBy != "" && d.trusted(ctx, user) {
		return nil
	}
	if n := utf8.RuneCountInString(user); n > maxCreatedBy {
		return refuse("UserNameTooLong", fmt.Sprintf("your user name has %d characters, and spec.createdBy, which records it, takes %d", n, maxCreatedBy))
	}
	u.Spec.CreatedBy = user
	return nil
}
