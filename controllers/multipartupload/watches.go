package multipartupload

import (
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// waitingForFile are the uploads of the same file that wait for this one to end.
func (r *Reconciler) waitingForFile(ctx context.Context, obj client.Object) []reconcile.Request {
	u, ok := obj.(*v1alpha1.MultipartUpload)
	if !ok {
		return nil
	}
	same, err := r.Catalog.OfFile(ctx, upload.FileOf(u))
	if err != nil {
		return nil // the waiting ones look again by themselves
	}
	var out []reconcile.Request
	for _, other := range same {
		if other.UID != u.UID && other.Status.UploadID == "" && !upload.Ended(other) {
			out = append(out, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(other)})
		}
	}
	return out
}

// waitingForStore are the uploads of a queue that a change of a FileStore can concern.
func (r *Reconciler) waitingForStore(q queue) handler.MapFunc {
	return func(ctx context.Context, obj client.Object) []reconcile.Request {
		var out []reconcile.Request
		err := r.Catalog.EachUpload(ctx, func(u *v1alpha1.MultipartUpload) {
			_, collected := upload.CollectionTime(u, nil) // when, the store's finishedTTL may have changed
			if name := upload.StoreNameOf(u); queueOf(u) == q && (name == "" || name == obj.GetName()) && (collected || !upload.Ended(u)) {
				out = append(out, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(u)})
			}
		})
		if err != nil {
			return nil // the waiting ones look again by themselves
		}
		return out
	}
}

// endedOrDeleted passes the events after which a file is free again.
func endedOrDeleted() predicate.Predicate {
	ended := func(obj client.Object) bool {
		u, ok := obj.(*v1alpha1.MultipartUpload)
		return ok && upload.Ended(u)
	}
	return predicate.Funcs{
		CreateFunc:  func(event.CreateEvent) bool { return false },
		UpdateFunc:  func(e event.UpdateEvent) bool { return ended(e.ObjectNew) && !ended(e.ObjectOld) },
		DeleteFunc:  func(event.DeleteEvent) bool { return true },
		GenericFunc: func(event.GenericEvent) bool { return false },
	}
}

// storeChanged passes changes of a FileStore's spec, annotations and readiness, and none of its
// counters.
func storeChanged() predicate.Predicate {
	// readyFor is the generation of the spec that was found good, 0 for none.
	readyFor := func(obj client.Object) int64 {
		s, ok := obj.(*v1alpha1.FileStore)
		if !ok || !meta.IsStatusConditionTrue(s.Status.Conditions, v1alpha1.ConditionReady) {
			return 0
		}
		return ptr.Deref(s.Status.ObservedGeneration, 0)
	}
	return predicate.Or(
		predicate.GenerationChangedPredicate{},
		predicate.AnnotationChangedPredicate{},
		predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool { return readyFor(e.ObjectNew) != readyFor(e.ObjectOld) }},
	)
}

// moreThanProgress passes the events of an upload but for those that tell of its progress alone.
// The data plane writes that every few seconds for each upload that gets parts, nothing is decided
// by it, and a pass for each would be most of what the leader does. The look that is planned
// already stays planned. That object storage does not know an upload has it looked at, at once.
func moreThanProgress() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok1 := e.ObjectOld.(*v1alpha1.MultipartUpload)
		after, ok2 := e.ObjectNew.(*v1alpha1.MultipartUpload)
		if !ok1 || !ok2 || before.ResourceVersion == after.ResourceVersion { // the latter are all looked at again
			return true
		}
		if p := after.Status.Progress; p != nil && p.MissingTime != nil &&
			(before.Status.Progress == nil || !p.MissingTime.Equal(before.Status.Progress.MissingTime)) {
			return true
		}
		a, b := *before, *after
		a.ResourceVersion, a.ManagedFields, a.Status.Progress = "", nil, nil
		b.ResourceVersion, b.ManagedFields, b.Status.Progress = "", nil, nil
		return !equality.Semantic.DeepEqual(&a, &b)
	}}
}

// moreThanReleased leaves out the events of an upload that has ended which wake nobody: that its
// finalizer is gone, after which its collection is planned already, and that its record is.
func moreThanReleased() predicate.Predicate {
	return predicate.Funcs{
		UpdateFunc: func(e event.UpdateEvent) bool {
			before, ok1 := e.ObjectOld.(*v1alpha1.MultipartUpload)
			after, ok2 := e.ObjectNew.(*v1alpha1.MultipartUpload)
			released := ok1 && ok2 && upload.Ended(before) && slices.Contains(before.Finalizers, v1alpha1.FinalizerAbortUpload)
			return !released || slices.Contains(after.Finalizers, v1alpha1.FinalizerAbortUpload) || after.DeletionTimestamp != nil
		},
		DeleteFunc: func(e event.DeleteEvent) bool {
			u, ok := e.Object.(*v1alpha1.MultipartUpload)
			return ok && !upload.Ended(u)
		},
	}
}
