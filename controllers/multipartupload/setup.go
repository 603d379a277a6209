package multipartupload

import (
	"context"
	"errors"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/controllers/reconciler"
)

// SetupWithManager registers the three controllers: they run on the replica that holds the lease.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	r.checks.begin(r.Clock.Now())
	return errors.Join(r.setUp(mgr, urgent), r.setUp(mgr, expiration), r.setUp(mgr, collection))
}

func (r *Reconciler) setUp(mgr ctrl.Manager, q queue) error {
	pass := reconcile.Func(func(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
		return r.step(ctx, req, func(u *v1alpha1.MultipartUpload) bool { return queueOf(u) == q })
	})
	b := ctrl.NewControllerManagedBy(mgr).
		Named(names[q]).
		For(&v1alpha1.MultipartUpload{}, builder.WithPredicates(changesOf(q))).
		Watches(&v1alpha1.FileStore{}, handler.EnqueueRequestsFromMapFunc(r.waitingForStore(q)), builder.WithPredicates(storeChanged())).
		WatchesRawSource(source.Func(r.workers[q].feed)).
		WithOptions(controller.Options{MaxConcurrentReconciles: passesAtOnce(q.places(r.Workers))})
	if q == urgent {
		b = b.Watches(&v1alpha1.MultipartUpload{}, handler.EnqueueRequestsFromMapFunc(r.waitingForFile), builder.WithPredicates(endedOrDeleted()))
	}
	return b.Complete(reconciler.Traced(r.Tracer, names[q], reconciler.Finishing(pass)))
}

// changesOf passes the events that bring an upload to a queue. Of one that has ended nothing but
// its deletion concerns a queue, once its finalizer is gone: when its record goes is planned then.
func changesOf(q queue) predicate.Predicate {
	mine := predicate.NewPredicateFuncs(func(obj client.Object) bool {
		u, ok := obj.(*v1alpha1.MultipartUpload)
		return ok && queueOf(u) == q
	})
	return predicate.And(mine, moreThanProgress(), moreThanReleased())
}
