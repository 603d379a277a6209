package v1alpha1

import (
	"context"
	"errors"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// uploadValidator refuses an upload that could not be opened.
type uploadValidator struct{ world *world }

// ValidateCreate implements admission.Validator.
func (v *uploadValidator) ValidateCreate(ctx context.Context, u *v1alpha1.MultipartUpload) (admission.Warnings, error) {
	store, err := v.world.storeFor(ctx, u.Namespace, u.Spec.StoreName)
	var refused *upload.StoreError
	switch {
	case errors.As(err, &refused):
		return nil, refuse(refused.Reason, refused.Message)
	case err != nil:
		return nil, err
	}
	if _, err := upload.FileOf(u).ObjectKey(store.Spec.Prefix); err != nil {
		return nil, refuse(v1alpha1.ReasonInvalidKey, err.Error())
	}
	holder, err := v.world.holderOf(ctx, u)
	switch {
	case err != nil:
		return nil, err
	case holder != nil:
		return nil, refuse(v1alpha1.ReasonFileBusy, fmt.Sprintf("the upload %q of the same file is open: complete, abort or delete it first", holder.Name))
	}
	return nil, v.checkCaps(ctx, u, store)
}

// checkCaps counts by the cache, as the reconciler does, which counts again.
func (v *uploadValidator) checkCaps(ctx context.Context, u *v1alpha1.MultipartUpload, store *v1alpha1.FileStore) error {
	limits := upload.LimitsOf(store)
	limit := int(limits.MaxOpenUploads)
	if u.Spec.Size != nil && limits.MaxIncompleteBytes > 0 {
		held, err := v.world.incompleteIn(ctx, u.Namespace, store.Name)
		if err != nil {
			return err
		}
		if err := upload.AdmitBytes(*u.Spec.Size, held, limits); err != nil {
			return refuse(v1alpha1.ReasonTooManyBytes, err.Error())
		}
	}
	if limit == 0 {
		return nil
	}
	n, err := v.world.openIn(ctx, u.Namespace, store.Name, limit)
	switch {
	case err != nil:
		return err
	case n >= limit:
		return refuse(v1alpha1.ReasonTooManyOpenUploads, fmt.Sprintf("the namespace has as many uploads open in the FileStore %q as it allows, %d (limits.maxOpenUploadsPerNamespace): complete or abort one first", store.Name, limit))
	}
	return nil
}

// ValidateUpdate implements admission.Validator. The schema says all that there is to say about changes.
func (v *uploadValidator) ValidateUpdate(context.Context, *v1alpha1.MultipartUpload, *v1alpha1.MultipartUpload) (admission.Warnings, error) {
	return nil, nil
}

// ValidateDelete implements admission.Validator. A deletion is an abort, and always allowed.
func (v *uploadValidator) ValidateDelete(context.Context, *v1alpha1.MultipartUpload) (admission.Warnings, error) {
	return nil, nil
}
