package filestore

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/controllers/reconciler"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// rivals are the other FileStores whose keys could be those of fs. What is being deleted takes
// nothing new, and is none.
func (r *Reconciler) rivals(ctx context.Context, fs *v1alpha1.FileStore) ([]*v1alpha1.FileStore, error) {
	stores, err := r.Catalog.FileStores(ctx)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(stores, func(other *v1alpha1.FileStore) bool {
		return other.Name == fs.Name || other.DeletionTimestamp != nil || !upload.Overlap(&fs.Spec, &other.Spec)
	}), nil
}

// inUse reports whether a store was found good with the spec that it has, or has gone on beside a
// rival since.
func inUse(fs *v1alpha1.FileStore) bool {
	return filestore.Probed(fs) != nil || meta.IsStatusConditionTrue(fs.Status.Conditions, v1alpha1.ConditionOverlapping)
}

// before reports whether a has its keys before b: it was in use when b was not, or else is the
// older one.
func before(a, b *v1alpha1.FileStore) bool {
	if inUse(a) != inUse(b) {
		return inUse(a)
	}
	if !a.CreationTimestamp.Equal(&b.CreationTimestamp) {
		return a.CreationTimestamp.Before(&b.CreationTimestamp)
	}
	return a.UID < b.UID
}

// yieldsTo is the rival that has the keys before a store that is not in use; nil for none.
func yieldsTo(fs *v1alpha1.FileStore, rivals []*v1alpha1.FileStore) *v1alpha1.FileStore {
	for _, other := range rivals {
		if !inUse(fs) && before(other, fs) {
			return other
		}
	}
	return nil
}

// judgeOverlap decides beside its rivals whether a store may be used. Admission refuses overlapping
// ones, but two that are made at once can pass it, and others are older than it. A store that is in
// use goes on in any case, with a condition; one that is not yields to those before it, and the
// error says so.
func (r *Reconciler) judgeOverlap(fs *v1alpha1.FileStore, rivals []*v1alpha1.FileStore) error {
	if other := yieldsTo(fs, rivals); other != nil {
		return filestore.NewConfigError(filestore.ErrPrefixOverlap,
			"the FileStore %q has the same bucket, and the prefix %q: choose another bucket or prefix, or delete that one", other.Name, other.Spec.Prefix)
	}
	var names []string
	for _, other := range rivals {
		if inUse(other) {
			names = append(names, fmt.Sprintf("%q (prefix %q)", other.Name, other.Spec.Prefix))
		}
	}
	if len(names) == 0 {
		meta.RemoveStatusCondition(&fs.Status.Conditions, v1alpha1.ConditionOverlapping)
		return nil
	}
	meta.SetStatusCondition(&fs.Status.Conditions, metav1.Condition{
		Type: v1alpha1.ConditionOverlapping, Status: metav1.ConditionTrue, ObservedGeneration: fs.Generation, LastTransitionTime: metav1.NewTime(r.Clock.Now()),
		Reason: v1alpha1.ReasonPrefixOverlap,
		Message: fmt.Sprintf("other FileStores have the same bucket, and keys of one can be those of the other: %s. "+
			"Move the uploads of one to another bucket or prefix, and delete it", strings.Join(names, ", ")),
	})
	return nil
}

// mayUse finds object storage, unless the keys are those of another store.
func (r *Reconciler) mayUse(ctx context.Context, fs *v1alpha1.FileStore, rivals []*v1alpha1.FileStore) (reconciler.Store, error) {
	if err := r.judgeOverlap(fs, rivals); err != nil {
		return nil, err
	}
	return r.Stores.Get(ctx, fs.Name)
}

// forgive takes back that a store has to yield, before it is probed: while its status says so,
// nobody gets the store. It reports whether it did.
func (r *Reconciler) forgive(ctx context.Context, fs *v1alpha1.FileStore, rivals []*v1alpha1.FileStore) (bool, error) {
	if !filestore.Yields(fs) || yieldsTo(fs, rivals) != nil {
		return false, nil
	}
	updated := fs.DeepCopy()
	meta.RemoveStatusCondition(&updated.Status.Conditions, v1alpha1.ConditionReady)
	meta.RemoveStatusCondition(&updated.Status.Conditions, v1alpha1.ConditionStalled)
	r.probed.Delete(fs.Name)
	if err := r.Client.Status().Patch(ctx, updated, client.MergeFrom(fs)); client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("take back that the store yields: %w", err)
	}
	return true, nil
}

// tellOverlap writes an event when two stores are first seen to have keys in common.
func (r *Reconciler) tellOverlap(old, updated *v1alpha1.FileStore) {
	c := meta.FindStatusCondition(updated.Status.Conditions, v1alpha1.ConditionOverlapping)
	if c == nil || meta.FindStatusCondition(old.Status.Conditions, v1alpha1.ConditionOverlapping) != nil {
		return
	}
	r.Events.Eventf(updated, nil, corev1.EventTypeWarning, c.Reason, "Probe", "%s", c.Message)
}
