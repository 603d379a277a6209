package multipartupload

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

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
// fields but Ended, Orphans and Tracer are required.
type Reconciler struct {
	// Client reads from the informer cache, and writes. One that has a read wait until the cache
	// shows what was written (client.CacheOptions.EnableReadYourWritesConsistency) saves passes
	// that come to nothing, since every write carries the version that was read.
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
	// Workers is how many uploads that somebody waits for are reconciled at once, which bounds the
	// calls to object storage; at least 1. One FileStore has three quarters of them at most, and
	// twice as many assemblies and aborts that take longer than a second go on beside them.
	Workers int
	// Assemblies are waited for by whoever ends the process.
	Assemblies *Assemblies
	// Ended remembers what has ended, to be aborted again; nil for nothing.
	Ended *abortagain.Log
	// Orphans are what the sweep has found last; nil for none.
	Orphans *orphans.Counts
	// Tracer gets a span for each pass; nil for none.
	Tracer trace.Tracer

	checks  checks
	claims  upload.Claims
	workers [queues]workerShares
	// inHand are the names of the uploads that a pass has: one at a time, whichever queue it is of,
	// or an upload could be aborted while it is completed.
	inHand sync.Map
}

// Reconcile takes one step of any upload.
func (r *Reconciler) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	return r.step(ctx, req, func(*v1alpha1.MultipartUpload) bool { return true })
}

// step takes one step: gather, decide, act, report. An upload that is not mine by now is left to
// its own queue, to which its event brings it.
func (r *Reconciler) step(ctx context.Context, req reconcile.Request, mine func(*v1alpha1.MultipartUpload) bool) (reconcile.Result, error) {
	if _, taken := r.inHand.LoadOrStore(req, nil); taken {
		return reconcile.Result{RequeueAfter: time.Second}, nil
	}
	defer r.inHand.Delete(req)
	u, err := r.read(ctx, req)
	if err != nil {
		r.forget(req)
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	workers := &r.workers[queueOf(u)]
	defer workers.rouse()
	if !mine(u) {
		return reconcile.Result{}, nil
	}
	if upload.Ended(u) || u.Status.UploadID != "" { // it counts by the cache from now on, or no more
		r.claims.Release(req.Namespace, req.Name)
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
	result, err := r.pass(ctx, seen)
	if errors.Is(err, errParked) {
		return reconcile.Result{RequeueAfter: wait.Jitter(parkedAtMost, pauseJitter)}, nil
	}
	return result, err
}

// cacheLag is for how long a read waits for the cache to catch up with a write. After it the record
// is taken for what the cache says: an etcd that was restored from a backup counts from an older
// version on.
const cacheLag = 10 * time.Second

// read reads the record from the cache, as this process has written it last.
func (r *Reconciler) read(ctx context.Context, req reconcile.Request) (*v1alpha1.MultipartUpload, error) {
	waiting, cancel := context.WithTimeout(ctx, cacheLag)
	defer cancel()
	u := &v1alpha1.MultipartUpload{}
	err := r.Client.Get(waiting, req.NamespacedName, u)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		err = r.Client.Get(ctx, req.NamespacedName, u, client.DisableReadYourWritesConsistency)
	}
	return u, err
}

// forget drops what was remembered of an upload whose record is gone.
func (r *Reconciler) forget(req reconcile.Request) {
	for q := range r.workers {
		r.workers[q].forget(req)
		r.workers[q].rouse()
	}
	r.checks.forget(req.NamespacedName)
	r.claims.Release(req.Namespace, req.Name)
}

// pass is what step does once it is known which FileStore serves the upload. It takes a place when
// it needs one.
func (r *Reconciler) pass(ctx context.Context, seen *observation) (reconcile.Result, error) {
	if err := r.observe(ctx, seen); err != nil {
		return reconcile.Result{}, err
	}
	if seen.fencing > 0 {
		return r.result(seen, outcome{after: seen.at.Add(seen.fencing)}), nil
	}
	decision := upload.Decide(seen.Observation, seen.at)
	if asking[decision.Step] {
		if err := r.takeWorker(seen); err != nil {
			return reconcile.Result{}, err
		}
	}
	stepsTotal.WithLabelValues(string(decision.Step)).Inc()
	done, err := r.act(ctx, seen, decision)
	if err == nil {
		err = r.report(ctx, seen, done)
	}
	if err != nil {
		return reconciler.Failed(err)
	}
	return r.result(seen, done), nil
}

// takeWorker takes a place for a pass that is about to ask something of object storage, unless it
// has one; errParked if there is none.
func (r *Reconciler) takeWorker(o *observation) error {
	if o.stay != nil {
		return nil
	}
	req := reconcile.Request{NamespacedName: client.ObjectKeyFromObject(o.Upload)}
	q := queueOf(o.Upload)
	var ok bool
	if o.stay, ok = r.workers[q].enter(req, o.lane(), q.places(r.Workers)); !ok {
		return errParked
	}
	return nil
}

// result is when to look again.
func (r *Reconciler) result(seen *observation, done outcome) reconcile.Result {
	if seen.silence == 0 {
		r.checks.silent.forget(client.ObjectKeyFromObject(seen.Upload))
	}
	return r.next(done, seen.silence)
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
