package filestore

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/controllers/reconciler"
	"github.com/iotfile-operator/iotfile-operator/internal/failpoint"
)

// hold puts the finalizer on a store that is not being deleted: what is open in it could not be
// ended without it.
func (r *Reconciler) hold(ctx context.Context, fs *v1alpha1.FileStore) error {
	if fs.DeletionTimestamp != nil {
		return nil
	}
	before := fs.DeepCopy()
	if !controllerutil.AddFinalizer(fs, v1alpha1.FinalizerHoldStore) {
		return nil
	}
	if err := r.Client.Patch(ctx, fs, reconciler.LockedPatch(before)); err != nil {
		return fmt.Errorf("add the finalizer: %w", err)
	}
	failpoint.Hit(failpoint.StoreHeld)
	return nil
}

// release lets a deleted store go once nothing is open in it, by the word of the API server: the
// cache may be behind. It returns how many uploads keep it.
func (r *Reconciler) release(ctx context.Context, fs *v1alpha1.FileStore) (open int32, err error) {
	err = r.Catalog.EachLiveUpload(ctx, func(u *v1alpha1.MultipartUpload) {
		if isOpenIn(u, fs.Name) {
			open++
		}
	})
	if apierrors.IsNotFound(err) || meta.IsNoMatchError(err) {
		// The kind MultipartUpload is gone, which the API server removes after all its records.
		open, err = 0, nil
	}
	if err != nil || open > 0 {
		return open, err
	}
	before := fs.DeepCopy()
	if !controllerutil.RemoveFinalizer(fs, v1alpha1.FinalizerHoldStore) {
		return 0, nil
	}
	if err := r.Client.Patch(ctx, fs, reconciler.LockedPatch(before)); client.IgnoreNotFound(err) != nil {
		return 0, fmt.Errorf("remove the finalizer: %w", err)
	}
	failpoint.Hit(failpoint.StoreReleased)
	return 0, nil
}

// setInUse says of a deleted store what keeps it.
func (r *Reconciler) setInUse(fs *v1alpha1.FileStore, open int32) {
	if fs.DeletionTimestamp == nil || open == 0 {
		meta.RemoveStatusCondition(&fs.Status.Conditions, v1alpha1.ConditionInUse)
		return
	}
	meta.SetStatusCondition(&fs.Status.Conditions, metav1.Condition{
		Type: v1alpha1.ConditionInUse, Status: metav1.ConditionTrue, ObservedGeneration: fs.Generation, LastTransitionTime: metav1.NewTime(r.Clock.Now()),
		Reason: v1alpha1.ReasonUploadsOpen,
		Message: fmt.Sprintf("the FileStore is being deleted, takes no new uploads, and goes when those that are open in it have ended, of which there are %d: "+
			"complete, abort or delete them, or wait until they expire. kubectl get mpu -A lists them", open),
	})
}

// tellInUse writes an event when a deletion is first held up.
func (r *Reconciler) tellInUse(old, updated *v1alpha1.FileStore) {
	c := meta.FindStatusCondition(updated.Status.Conditions, v1alpha1.ConditionInUse)
	if c == nil || meta.FindStatusCondition(old.Status.Conditions, v1alpha1.ConditionInUse) != nil {
		return
	}
	r.Events.Eventf(updated, nil, corev1.EventTypeWarning, c.Reason, "Delete", "%s", c.Message)
}
