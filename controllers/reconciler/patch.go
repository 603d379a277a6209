package reconciler

import (
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// LockedPatch is a merge patch that fails with a conflict if the record is newer than base.
func LockedPatch(base client.Object) client.Patch {
	return client.MergeFromWithOptions(base, client.MergeFromWithOptimisticLock{})
}

// Outdated reports whether a write failed because the record is newer than what was read, or gone.
// That is no failure: somebody else was faster.
func Outdated(err error) bool { return apierrors.IsConflict(err) || apierrors.IsNotFound(err) }

// Failed is what a pass returns whose write failed with err. A pass by an outdated record counts
// for nothing: the event that outdated it is on the way to the cache, and another pass follows.
func Failed(err error) (reconcile.Result, error) {
	if Outdated(err) {
		return reconcile.Result{RequeueAfter: time.Second}, nil
	}
	return reconcile.Result{}, err
}
