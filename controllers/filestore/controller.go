package filestore

import (
	"cmp"
	"context"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/controllers/reconciler"
	"github.com/iotfile-operator/iotfile-operator/internal/catalog"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

// countDelay is how long changes of the number of open uploads are collected before one status
// write tells of them.
const countDelay = 10 * time.Second

// Reconciler probes FileStores and reports what it finds. All fields but probed and Tracer
// are required.
type Reconciler struct {
	// Client reads from the informer cache, and writes.
	Client client.Client
	// Catalog finds uploads and other FileStores: before a store is let go, what is open is counted
	// again by the API server.
	Catalog *catalog.Catalog
	// Stores finds object storage.
	Stores reconciler.Stores
	// Clock tells the time.
	Clock clock.PassiveClock
	// Events tells the users of the cluster.
	Events reconciler.EventRecorder
	// ProbeInterval is how often a store that is ready is probed again.
	ProbeInterval time.Duration
	// Tracer gets a span for each pass; nil for none.
	Tracer trace.Tracer

	// probed holds, by FileStore, what the last probe of this process saw: a probedStore.
	probed sync.Map
}

// SetupWithManager registers the reconciler: it runs on the replica that holds the lease.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		Named("filestore").
		For(&v1alpha1.FileStore{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&corev1.Secret{}, handler.EnqueueRequestsFromMapFunc(r.storesOfSecret)).
		Watches(&v1alpha1.MultipartUpload{}, countOpen()).
		WithOptions(controller.Options{MaxConcurrentReconciles: reconciler.StoresAtOnce}).
		Complete(reconciler.Traced(r.Tracer, "filestore", reconciler.Finishing(r)))
}

// Reconcile probes the store if that is due, and counts what is open in it.
func (r *Reconciler) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	fs := &v1alpha1.FileStore{}
	if err := r.Client.Get(ctx, req.NamespacedName, fs); err != nil {
		r.probed.Delete(req.Name)
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	reconciler.ReapedTotal(fs.Name) // also while nothing was lost, or the first would be no increase
	if err := r.hold(ctx, fs); err != nil {
		return reconciler.Failed(err)
	}
	rivals, err := r.rivals(ctx, fs)
	if err != nil {
		return reconcile.Result{}, err
	}
	if forgiven, err := r.forgive(ctx, fs, rivals); err != nil || forgiven {
		return reconcile.Result{RequeueAfter: time.Second}, err
	}
	updated := fs.DeepCopy()
	if due, version := r.probeDue(ctx, fs); due {
		r.probe(ctx, updated, rivals, version)
	}
	open, lost, err := r.count(ctx, fs.Name)
	if err != nil {
		return reconcile.Result{}, err
	}
	if fs.DeletionTimestamp != nil && open == 0 {
		if open, err = r.release(ctx, fs.DeepCopy()); err != nil || open == 0 {
			return reconciler.Failed(err)
		}
	}
	updated.Status.OpenUploads = ptr.To(open)
	r.setInUse(updated, open)
	r.setReaped(updated, lost)
	if !equality.Semantic.DeepEqual(fs.Status, updated.Status) {
		if err := r.Client.Status().Patch(ctx, updated, client.MergeFrom(fs)); err != nil {
			return reconcile.Result{}, client.IgnoreNotFound(err)
		}
		r.tell(fs, updated)
		r.tellInUse(fs, updated)
		r.tellConsent(fs, updated)
		r.tellOverlap(fs, updated)
		r.tellProtection(fs, updated)
	}
	return reconcile.Result{RequeueAfter: r.interval(updated)}, nil
}

// count counts the uploads of a store: those that are open, and the records of those that object
// storage has deleted on its own.
func (r *Reconciler) count(ctx context.Context, store string) (open, lost int32, err error) {
	err = r.Catalog.EachUpload(ctx, func(u *v1alpha1.MultipartUpload) {
		switch {
		case isOpenIn(u, store):
			open++
		case isReapedFrom(u, store):
			lost++
		}
	})
	return open, lost, err
}

// clusterNamespace is the namespace whose UID is the cluster's id: each cluster has it, and none
// deletes it.
const clusterNamespace = "kube-system"

// orphanPolicy is what the policy of a store comes to: Auto aborts where this cluster was the first
// to use the prefix.
func (r *Reconciler) orphanPolicy(ctx context.Context, fs *v1alpha1.FileStore, store reconciler.Store) v1alpha1.OrphanPolicy {
	if fs.Spec.OrphanPolicy != v1alpha1.OrphanPolicyAuto {
		return cmp.Or(fs.Spec.OrphanPolicy, v1alpha1.OrphanPolicyReport)
	}
	caps := fs.Status.Capabilities
	if known := caps != nil && cmp.Or(caps.ConditionalCreate, caps.ConditionalPut) != nil; !known || !filestore.Compares(caps, true) {
		return v1alpha1.OrphanPolicyReport // of two clusters that claim it, both would win
	}
	var ns corev1.Namespace
	err := r.Client.Get(ctx, client.ObjectKey{Name: clusterNamespace}, &ns)
	owner := ""
	if err == nil {
		owner, err = store.Claim(ctx, string(ns.UID))
	}
	switch {
	case err != nil:
		log.FromContext(ctx).Error(err, "cannot tell whether this cluster alone uses the store; orphans are reported only", "store", fs.Name)
	case owner == string(ns.UID):
		return v1alpha1.OrphanPolicyAbort
	}
	return v1alpha1.OrphanPolicyReport
}

func (r *Reconciler) tell(old, updated *v1alpha1.FileStore) {
	before := meta.FindStatusCondition(old.Status.Conditions, v1alpha1.ConditionReady)
	after := meta.FindStatusCondition(updated.Status.Conditions, v1alpha1.ConditionReady)
	if after == nil || (before != nil && before.Reason == after.Reason) {
		return
	}
	kind := corev1.EventTypeNormal
	if after.Status != metav1.ConditionTrue {
		kind = corev1.EventTypeWarning
	}
	r.Events.Eventf(updated, nil, kind, after.Reason, "Probe", "%s", after.Message)
}
