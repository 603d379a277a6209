package v1alpha1

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// HTTP statuses of reviews that cannot be answered.
const (
	badRequest    = 400
	internalError = 500
)

// finalizerKeeper puts the finalizer back where a change leaves it out although the upload has not
// ended. `kubectl replace` and Replace=true of Argo CD send a manifest as it is in Git, without
// finalizers. A patch that takes it off on purpose looks the same to a webhook, and is repaired,
// too. Either way a warning says so. Who may take it off is not asked here: the webhook is not
// called for them.
//
// Such a manifest lacks the fields of the spec that the operator fills in, too. They are immutable,
// so without them the change would be refused: they are put back with the finalizer.
type finalizerKeeper struct{ decoder admission.Decoder }

// Handle implements admission.Handler.
func (k finalizerKeeper) Handle(_ context.Context, req admission.Request) admission.Response {
	var old v1alpha1.MultipartUpload
	var changed unstructured.Unstructured
	if err := k.decoder.DecodeRaw(req.OldObject, &old); err != nil {
		return admission.Errored(badRequest, fmt.Errorf("decode the record: %w", err))
	}
	if err := changed.UnmarshalJSON(req.Object.Raw); err != nil {
		return admission.Errored(badRequest, fmt.Errorf("decode the change: %w", err))
	}
	if !lacksFinalizer(&old, changed.GetFinalizers()) {
		return admission.Allowed("")
	}
	// The rest stays as it was written, to the letter: what Go writes would be another manifest.
	changed.SetFinalizers(append(changed.GetFinalizers(), v1alpha1.FinalizerAbortUpload))
	if err := keepFilledIn(&changed, req.OldObject.Raw); err != nil {
		return admission.Errored(badRequest, fmt.Errorf("decode the spec: %w", err))
	}
	data, err := changed.MarshalJSON()
	if err != nil {
		return admission.Errored(internalError, err)
	}
	return admission.PatchResponseFromRaw(req.Object.Raw, data).WithWarnings(fmt.Sprintf(
		"the finalizer %s was put back: it stays until the upload has ended; to abort the upload, delete the MultipartUpload",
		v1alpha1.FinalizerAbortUpload))
}

// keepFilledIn copies the fields of the spec that the operator fills in from old, the record as
// JSON, where changed leaves them out.
func keepFilledIn(changed *unstructured.Unstructured, old []byte) error {
	var was unstructured.Unstructured
	if err := was.UnmarshalJSON(old); err != nil {
		return err
	}
	for _, field := range []string{"createdBy", "requestTime", "storeName"} {
		_, has, err := unstructured.NestedString(changed.Object, "spec", field)
		if err != nil || has {
			continue // what is no string is left to the schema
		}
		value, had, err := unstructured.NestedString(was.Object, "spec", field)
		if err != nil || !had {
			continue
		}
		if err := unstructured.SetNestedField(changed.Object, value, "spec", field); err != nil {
			return err
		}
	}
	return nil
}

// lacksFinalizer reports whether finalizers, which the record is to have, would let it go before
// its parts.
func lacksFinalizer(old *v1alpha1.MultipartUpload, finalizers []string) bool {
	return !upload.Ended(old) &&
		slices.Contains(old.Finalizers, v1alpha1.FinalizerAbortUpload) &&
		!slices.Contains(finalizers, v1alpha1.FinalizerAbortUpload)
}
