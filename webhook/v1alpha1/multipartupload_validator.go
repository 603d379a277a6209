package v1alpha1

import (
	"context"
	"errors"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/catalog"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// uploadValidator refuses an upload that could not be opened.
type uploadValidator struct{ catalog *catalog.Catalog }

// ValidateCreate implements admission.Validator.
func (v *uploadValidator) ValidateCreate(ctx context.Context, u *v1alpha1.MultipartUpload) (admission.Warnings, error) {
	store, err := storeFor(ctx, v.catalog, u.Namespace, u.Spec.StoreName)
	var refused *upload.StoreError
	switch {
	case errors.As(err, &refused):
		return nil, refuse(refused.Reason, refused.Message)
	case err != nil:
		return nil, err
	}
	if _, err := upload.KeyOf(upload.FileOf(u), store); err != nil {
		return nil, refuse(v1alpha1.ReasonInvalidKey, err.Error())
	}
	if message := upload.TTLTooLong(u, store); message != "" {
		return nil, refuse(v1alpha1.ReasonMaxUploadTTL, message)
	}
	holder, err := v.catalog.LiveHolder(ctx, upload.FileOf(u))
	switch {
	case err != nil:
		return nil, err
	case holder != nil:
		return nil, refuse(v1alpha1.ReasonFileBusy, fmt.Sprintf("the upload %q of the same file is open: complete, abort or delete it first", holder.Name))
	}
	return nil, v.checkCaps(ctx, u, store)
}

// checkCaps counts by the cache, and keeps no place for what it admits: the reconciler counts
// again, and decides. A place that is kept could be taken by whoever reaches the port, without
// making an upload.
func (v *uploadValidator) checkCaps(ctx context.Context, u *v1alpha1.MultipartUpload, store *v1alpha1.FileStore) error {
	limits := upload.LimitsOf(store)
	if !limits.Count(u.Spec.Size != nil) {
		return nil
	}
	held, err := v.catalog.Held(ctx, upload.Tenant{Namespace: u.Namespace, Store: store.Name}, catalog.ByOpen, nil, u.Name)
	if err != nil {
		return err
	}
	if u.Spec.Size != nil {
		if err := upload.AdmitBytes(*u.Spec.Size, held.Bytes, limits); err != nil {
			return refuse(v1alpha1.ReasonTooManyBytes, err.Error())
		}
	}
	if held.Full(limits) {
		return refuse(v1alpha1.ReasonTooManyOpenUploads, fmt.Sprintf("the namespace has as many uploads open in the FileStore %q as it allows, %d (limits.maxOpenUploadsPerNamespace): complete or abort one first", store.Name, limits.MaxOpenUploads))
	}
	return nil
}

// ValidateUpdate implements admission.Validator. The schema says all that there is to say about
// changes.
func (v *uploadValidator) ValidateUpdate(context.Context, *v1alpha1.MultipartUpload, *v1alpha1.MultipartUpload) (admission.Warnings, error) {
	return nil, nil
}

// ValidateDelete implements admission.Validator. A deletion is an abort, and always allowed.
func (v *uploadValidator) ValidateDelete(context.Context, *v1alpha1.MultipartUpload) (admission.Warnings, error) {
	return nil, nil
}
