package multipartupload

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/controllers/reconciler"
	"github.com/iotfile-operator/iotfile-operator/internal/failpoint"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

func (r *Reconciler) patchFinalizer(ctx context.Context, u *v1alpha1.MultipartUpload, change func(client.Object, string) bool) error {
	changed := u.DeepCopy()
	if !change(changed, v1alpha1.FinalizerAbortUpload) {
		return nil
	}
	if err := r.Client.Patch(ctx, changed, reconciler.LockedPatch(u)); err != nil {
		return fmt.Errorf("patch finalizer: %w", err)
	}
	return nil
}

// release lets the record go.
func (r *Reconciler) release(ctx context.Context, o *observation, d upload.Decision) error {
	if err := r.patchFinalizer(ctx, o.Upload, controllerutil.RemoveFinalizer); err != nil {
		return client.IgnoreNotFound(err)
	}
	failpoint.Hit(failpoint.FinalizerRemoved)
	if d.Step == upload.StepReleaseFinalizer && d.State.Reason != "" { // no status has told of it
		r.tell(o.Upload, o.Upload, o.Store, outcome{state: d.State, ended: true})
	}
	if d.Step == upload.StepAbandon {
		abandonedTotal.Inc()
		log.FromContext(ctx).Info("gave up cleaning an upload whose object storage cannot be reached", "reason", d.State.Reason)
		r.Events.Eventf(o.Upload, nil, "Warning", v1alpha1.ReasonCleanupAbandoned, "Abort",
			"object storage could not be reached for %s, so the parts may still be there: %s", r.FinalizerTimeout, d.State.Message)
	}
	return nil
}

// collect deletes the record of an upload, if it is still the one that was looked at.
func (r *Reconciler) collect(ctx context.Context, u *v1alpha1.MultipartUpload) error {
	err := r.Client.Delete(ctx, u, client.Preconditions{UID: &u.UID, ResourceVersion: &u.ResourceVersion})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete the record: %w", err)
	}
	failpoint.Hit(failpoint.RecordCollected)
	return nil
}
