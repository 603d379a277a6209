package multipartupload

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.opentelemetry.io/otel/trace"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/controllers/abortagain"
	"github.com/iotfile-operator/iotfile-operator/controllers/orphans"
	"github.com/iotfile-operator/iotfile-operator/controllers/reconciler"
	"github.com/iotfile-operator/iotfile-operator/internal/catalog"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// Pauses before a waiting upload is looked at again, if nothing wakes it before. While object
// storage says nothing, they grow with its silence up to silencePause, so that an outage is over
// for all uploads when it has lasted a fifth longer than it did.
const (
	transientPause = 5 * time.Second
	silencePause   = 30 * time.Second
	stalledPause   = time.Minute
	pauseJitter    = 0.2
)

// Reconciler drives each MultipartUpload to what its owner wants of it. All exported
// fields but TidyRate, Ended, Orphans and Tracer are required.
type Reconciler struct {
	// Client reads from the informer cache, and writes.
	Client client.Client
	// Catalog finds other uploads and FileStores.
	Catalog *catalog.Catalog
	// Live reads from the API server: before anything is destroyed, the record is read again.
	Live client.Reader
	// Stores finds object storage.
	Stores reconciler.Stores
	// Clock tells the time.
	Clock clock.WithTicker
	// Events tells the users of the cluster.
	Events reconciler.EventRecorder
	// FinalizerTimeout is how long a deleted upload waits for object storage that cannot be reached
	// before its record goes without its parts.
	FinalizerTimeout time.Duration
	// Workers is how many uploads are reconciled at once, which bounds the calls to object storage;
	// at least 1. One FileStore has three quarters of them at most, and twice as many assemblies
	// and aborts that take longer than a second go on beside them.
	Workers int
	// TidyRate is how many writes a second go into records that nobody waits for; 0 for
	// DefaultTidyRate.
	TidyRate int
	// Ended remembers what has ended, to be aborted again; nil for nothing.
	Ended *abortagain.Log
	// Orphans are what the sweep has found last; nil for none.
	Orphans *orphans.Counts
	// Tracer gets a span for each pass; nil for none.
	Tracer trace.Tracer

	cleared clearedUploads
	checks  checks
	writes  ownWrites
	places  upload.Claims
	tidying tidying
	workers workerShares
}

// SetupWithManager registers the reconciler: it runs on the replica that holds the lease.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	r.checks.begin(r.Clock.Now())
	return ctrl.NewControllerManagedBy(mgr).
		Named("multipartupload").
		Watches(&v1alpha1.MultipartUpload{}, byPriority(itself), builder.WithPredicates(moreThanProgress())).
		Watches(&v1alpha1.MultipartUpload{}, byPriority(r.waitingForFile), builder.WithPredicates(endedOrDeleted())).
		Watches(&v1alpha1.FileStore{}, byPriority(r.waitingForStore), builder.WithPredicates(storeChanged())).
		WatchesRawSource(source.Func(r.workers.feed)).
		WithOptions(controller.Options{MaxConcurrentReconciles: passesAtOnce(r.Workers)}).
		Complete(reconciler.Traced(r.Tracer, "multipartupload", reconciler.Finishing(r)))
}

// Reconcile takes one step: gather, decide, act, report.
func (r *Reconciler) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	defer r.workers.rouse()
	u := &v1alpha1.MultipartUpload{}
	if err := r.Client.Get(ctx, req.NamespacedName, u); err != nil {
		r.workers.forget(req)
		r.checks.forget(req.NamespacedName)
		r.writes.forget(req.NamespacedName)
		r.tidying.forget(req.NamespacedName)
		r.places.Release(req.Namespace, req.Name)
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	if r.writes.hidden(u, r.Clock.Now()) {
		return reconcile.Result{RequeueAfter: cacheLag, Priority: ptr.To(priorityOf(u))}, nil // the event of the write brings the next look
	}
	if upload.Ended(u) || u.Status.UploadID != "" { // it counts by the cache from now on, or no more
		r.places.Release(req.Namespace, req.Name)
	}
	if upload.Ended(u) {
		r.checks.forget(req.NamespacedName)
	}
	seen, err := r.observeStore(ctx, u)
	if err != nil {
		return reconcile.Result{}, err
	}
	defer func() {
		if seen.stay != nil {
			seen.stay.leave()
		}
	}()
	result, err := r.pass(ctx, req, seen)
	if errors.Is(err, errParked) {
		return reconcile.Result{RequeueAfter: wait.Jitter(parkedAtMost, pauseJitter), Priority: ptr.To(priorityOf(u))}, nil
	}
	return result, err
}

// pass is what Reconcile does once it is known which FileStore serves the upload. It takes a place
// when it needs one.
func (r *Reconciler) pass(ctx context.Context, req reconcile.Request, seen *observation) (reconcile.Result, error) {
	if err := r.observe(ctx, seen); err != nil {
		return reconcile.Result{}, err
	}
	if seen.fencing > 0 {
		return r.result(seen, outcome{after: seen.at.Add(seen.fencing)}), nil
	}
	u := seen.Upload
	decision := upload.Decide(seen.Observation, seen.at)
	if asking[decision.Step] {
		if err := r.takeWorker(seen); err != nil {
			return reconcile.Result{}, err
		}
	}
	if tidies(seen, decision) {
		if wait := r.tidying.enter(req.NamespacedName, decision.Step == upload.StepFinish, r.TidyRate, r.Clock.Now()); wait > 0 {
			return r.result(seen, outcome{after: r.Clock.Now().Add(wait), priority: r.cleared.priority(u)}), nil
		}
		defer r.tidying.leave()
	}
	stepsTotal.WithLabelValues(string(decision.Step)).Inc()
	done, err := r.act(ctx, seen, decision)
	if err == nil {
		err = r.report(ctx, seen, done)
	}
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		// The record is newer than the cache: its event is on the way, and this pass counts for
		// nothing.
		return reconcile.Result{RequeueAfter: time.Second}, nil
	}
	if err != nil {
		return reconcile.Result{}, err
	}
	return r.result(seen, done), nil
}

// result is when to look again, and with what priority.
func (r *Reconciler) result(seen *observation, done outcome) reconcile.Result {
	if seen.silence == 0 {
		r.checks.silent.forget(client.ObjectKeyFromObject(seen.Upload))
	}
	result := r.next(done, seen.silence)
	result.Priority = done.priority
	if result.Priority == nil {
		result.Priority = ptr.To(priorityOf(seen.Upload))
	}
	return result
}

// next is when to look again, where object storage has said nothing for so long.
func (r *Reconciler) next(done outcome, silence time.Duration) reconcile.Result {
	switch {
	case done.again:
		return reconcile.Result{RequeueAfter: time.Second}
	case done.retry && done.state.Stalled:
		return reconcile.Result{RequeueAfter: wait.Jitter(stalledPause, pauseJitter)}
	case done.retry:
		pause := min(max(silence, transientPause), silencePause)
		return reconcile.Result{RequeueAfter: wait.Jitter(pause, pauseJitter)}
	case !done.after.IsZero():
		// A moment too early would find nothing due; the API keeps whole seconds.
		return reconcile.Result{RequeueAfter: max(done.after.Sub(r.Clock.Now()), time.Millisecond)}
	default:
		return reconcile.Result{}
	}
}

// waitingForFile are the uploads of the same file that wait for this one to end.
func (r *Reconciler) waitingForFile(ctx context.Context, obj client.Object) []*v1alpha1.MultipartUpload {
	u, ok := obj.(*v1alpha1.MultipartUpload)
	if !ok {
		return nil
	}
	same, err := r.Catalog.OfFile(ctx, upload.FileOf(u))
	if err != nil {
		return nil // the waiting ones look again by themselves
	}
	return slices.DeleteFunc(same, func(other *v1alpha1.MultipartUpload) bool {
		return other.UID == u.UID || other.Status.UploadID != "" || upload.Ended(other)
	})
}

// waitingForStore are the uploads that a change of a FileStore can concern.
func (r *Reconciler) waitingForStore(ctx context.Context, obj client.Object) []*v1alpha1.MultipartUpload {
	var out []*v1alpha1.MultipartUpload
	err := r.Catalog.EachUpload(ctx, func(u *v1alpha1.MultipartUpload) {
		_, collected := upload.CollectionTime(u, nil) // when, the store's finishedTTL may have changed
		if name := upload.StoreNameOf(u); (name == "" || name == obj.GetName()) && (collected || !upload.Ended(u)) {
			out = append(out, u)
		}
	})
	if err != nil {
		return nil // the waiting ones look again by themselves
	}
	return out
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
