package orphans

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/controllers/reconciler"
	"github.com/iotfile-operator/iotfile-operator/internal/catalog"
	"github.com/iotfile-operator/iotfile-operator/internal/failpoint"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// unreadyInterval is when a store that is not ready is looked at again.
const unreadyInterval = 15 * time.Second

// Sweep looks, store by store, for uploads in object storage that no MultipartUpload owns:
// what a crash between the backend's answer and the status write leaves, and parts that landed
// after an abort. All fields but Counts and Tracer are required.
type Sweep struct {
	// Client reads from the informer cache.
	Client client.Client
	// Catalog finds uploads: before anything is aborted, all are read again from the API server.
	Catalog *catalog.Catalog
	// Stores finds object storage.
	Stores reconciler.Stores
	// Clock tells the time.
	Clock clock.PassiveClock
	// Events tells the users of the cluster.
	Events reconciler.EventRecorder
	// Interval is the pause between two sweeps of a store.
	Interval time.Duration
	// Grace is how old, by the backend's clock, an upload must be: younger ones may be about to be
	// recorded.
	Grace time.Duration
	// Counts is told what was found and left; nil for nobody.
	Counts *Counts
	// Tracer gets a span for each pass; nil for none.
	Tracer trace.Tracer
}

// SetupWithManager registers the sweep: it runs on the replica that holds the lease.
func (s *Sweep) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		Named("orphan-sweep").
		For(&v1alpha1.FileStore{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		WithOptions(controller.Options{MaxConcurrentReconciles: reconciler.StoresAtOnce}).
		Complete(reconciler.Traced(s.Tracer, "orphan-sweep", reconciler.Finishing(s)))
}

// Reconcile sweeps one store, and comes back after Interval.
func (s *Sweep) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	fs := &v1alpha1.FileStore{}
	if err := s.Client.Get(ctx, req.NamespacedName, fs); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	if fs.DeletionTimestamp != nil || fs.Status.Capabilities == nil || !meta.IsStatusConditionTrue(fs.Status.Conditions, v1alpha1.ConditionReady) {
		return reconcile.Result{RequeueAfter: min(s.Interval, unreadyInterval)}, nil
	}
	store, err := s.Stores.Get(ctx, fs.Name)
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("store %s: %w", fs.Name, err)
	}
	if err := s.sweep(ctx, fs, store); err != nil {
		return reconcile.Result{}, fmt.Errorf("sweep %s: %w", fs.Name, err)
	}
	return reconcile.Result{RequeueAfter: s.Interval}, nil
}

// sweep finds the orphans of a store and deals with each by the store's policy.
func (s *Sweep) sweep(ctx context.Context, fs *v1alpha1.FileStore, store reconciler.Store) error {
	policy, orphans := PolicyOf(fs), Total(fs) // also while there are none, or the first would be no increase
	suspects, err := s.suspects(ctx, fs, store)
	if err != nil {
		return err
	}
	owned := owners{prefix: fs.Spec.Prefix}
	if len(suspects) > 0 {
		if err := s.Catalog.EachLiveUpload(ctx, owned.add); err != nil {
			return err
		}
	}
	failpoint.Hit(failpoint.OrphansListed)
	var found int
	var failures []error
	left := map[string]int{}
	for _, orphan := range suspects {
		if owned.has(orphan) {
			continue
		}
		found++
		orphans.Inc()
		log.FromContext(ctx).Info("found an upload that no MultipartUpload owns", "key", orphan.Key, "initiated", orphan.Initiated, "policy", policy)
		if policy == v1alpha1.OrphanPolicyAbort {
			err := abortOrphan(ctx, store, orphan)
			failpoint.Hit(failpoint.OrphanAborted)
			if err == nil {
				continue
			}
			failures = append(failures, err)
		}
		left[owned.namespace(orphan)]++
	}
	failures = append(failures, s.count(ctx, fs, left))
	if found > 0 {
		s.Events.Eventf(fs, nil, "Warning", v1alpha1.ReasonOrphanFound, string(policy),
			"%d uploads in object storage belonged to no MultipartUpload (orphanPolicy %s); the operator's log names them", found, policy)
	}
	return errors.Join(failures...)
}

// abortOrphan takes its time: the sweep of a store holds up that of no other.
func abortOrphan(ctx context.Context, store reconciler.Store, orphan filestore.Upload) error {
	ctx, cancel := context.WithTimeout(ctx, reconciler.LastAbortTime)
	defer cancel()
	return store.AbortUpload(ctx, orphan.UploadRef)
}

// count tells how many orphans are left, by namespace: their users, and the limits of the
// namespaces.
func (s *Sweep) count(ctx context.Context, fs *v1alpha1.FileStore, left map[string]int) error {
	s.Counts.set(fs.Name, left)
	total := int32(0)
	for _, n := range left {
		total += int32(n) //nolint:gosec // as many as there are uploads
	}
	if fs.Status.Orphans != nil && *fs.Status.Orphans == total {
		return nil
	}
	updated := fs.DeepCopy()
	updated.Status.Orphans = &total
	if err := s.Client.Status().Patch(ctx, updated, client.MergeFrom(fs)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("count orphans: %w", err)
	}
	return nil
}

// ourKey is the shape of the keys that the operator makes, behind the store's prefix. The uploads
// of others in the same bucket are none of our business.
var ourKey = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?/[a-f0-9]{32}/.`)

// suspects are the uploads of our keys that are older than the grace period and that no record in
// the cache owns.
func (s *Sweep) suspects(ctx context.Context, fs *v1alpha1.FileStore, store reconciler.Store) ([]filestore.Upload, error) {
	owned := owners{prefix: fs.Spec.Prefix}
	if err := s.Catalog.EachUpload(ctx, owned.add); err != nil {
		return nil, err
	}
	prefixes, err := s.prefixes(ctx, fs)
	if err != nil {
		return nil, err
	}
	before := s.Clock.Now().Add(-s.Grace)
	var out []filestore.Upload
	for _, prefix := range prefixes {
		err := store.ListUploads(ctx, prefix, func(u filestore.Upload) bool {
			if !owned.has(u) && u.Initiated.Before(before) && ourKey.MatchString(strings.TrimPrefix(u.Key, fs.Spec.Prefix)) {
				out = append(out, u)
			}
			return true
		})
		if err != nil {
			return nil, fmt.Errorf("list uploads: %w", err)
		}
	}
	return out, nil
}

// prefixes is what has to be listed to see what the store can show: its prefix, or the key of each
// file that a record is of. A record whose upload was never recorded may have had one opened all
// the same, and that can be all that is known of the file.
func (s *Sweep) prefixes(ctx context.Context, fs *v1alpha1.FileStore) ([]string, error) {
	switch fs.Status.Capabilities.UploadListing {
	case v1alpha1.UploadListingPrefix:
		return []string{fs.Spec.Prefix}, nil
	case v1alpha1.UploadListingExactKey:
		keys := map[string]bool{}
		err := s.Catalog.EachUpload(ctx, func(u *v1alpha1.MultipartUpload) {
			if store := upload.StoreNameOf(u); store == fs.Name || store == "" {
				if key, err := upload.KeyOf(upload.FileOf(u), fs); err == nil {
					keys[key] = true
				}
			}
		})
		return slices.Collect(maps.Keys(keys)), err
	default:
		return nil, nil
	}
}

// owners are the uploads that records own, ended ones excepted: what is left of those is an orphan.
// A record owns nothing of another namespace, whatever id its status names. The rest of the key is
// not compared: some backends list another spelling of it.
type owners struct {
	prefix string
	ids    map[ownedID]bool
}

type ownedID struct{ namespace, uploadID string }

func (o *owners) add(u *v1alpha1.MultipartUpload) {
	if u.Status.UploadID == "" || u.Status.CompletionTime != nil {
		return
	}
	if o.ids == nil {
		o.ids = map[ownedID]bool{}
	}
	o.ids[ownedID{u.Namespace, u.Status.UploadID}] = true
}

func (o *owners) has(found filestore.Upload) bool {
	return o.ids[ownedID{o.namespace(found), found.UploadID}]
}

// namespace is that of the key of an upload in object storage.
func (o *owners) namespace(found filestore.Upload) string {
	namespace, _, _ := strings.Cut(strings.TrimPrefix(found.Key, o.prefix), "/")
	return namespace
}
