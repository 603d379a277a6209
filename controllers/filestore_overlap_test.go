package controllers_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/memory"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

// rival makes a second FileStore in the bucket of the rig's, past admission.
func (r *rig) rival(change testkit.StoreOption) string {
	r.t.Helper()
	fs := testkit.Store(r.store+"-b", testkit.Prefixed("deeper/"), change)
	fs.Spec.Bucket = r.store
	fs.Generation, fs.CreationTimestamp = 0, metav1.Time{}
	r.must(r.direct.Create(r.ctx, fs))
	r.t.Cleanup(func() { r.removeByForce(context.Background(), fs) })
	r.faults.rivals = append(r.faults.rivals, fs.Name)
	return fs.Name
}

// look reconciles a FileStore twice, some time later, and returns its status. A store that had to
// yield is let go in the first pass, and probed in the second.
func (r *rig) look(name, reason string) *v1alpha1.FileStore {
	r.t.Helper()
	key := client.ObjectKey{Name: name}
	r.clock.Step(10 * time.Minute)
	for range 2 {
		if _, err := r.stores.Reconcile(r.ctx, reconcile.Request{NamespacedName: key}); err != nil {
			r.t.Fatal(err)
		}
	}
	fs := &v1alpha1.FileStore{}
	r.must(r.direct.Get(r.ctx, key, fs))
	checkStoreHealth(r.t, fs)
	if c := meta.FindStatusCondition(fs.Status.Conditions, v1alpha1.ConditionReady); c == nil || c.Reason != reason || (c.Status == metav1.ConditionTrue) != (reason == v1alpha1.ReasonProbed) {
		r.t.Errorf("%s: condition Ready is %+v, want reason %s", name, c, reason)
	}
	return fs
}

func overlapping(fs *v1alpha1.FileStore) *metav1.Condition {
	return meta.FindStatusCondition(fs.Status.Conditions, v1alpha1.ConditionOverlapping)
}

// TestFileStoreYields: of two FileStores with keys in common that have passed admission, the
// younger one is used by nobody, and comes to its own when the other one goes.
func TestFileStoreYields(t *testing.T) {
	r := newRig(t)
	b := r.rival(func(*v1alpha1.FileStore) {})
	probes := r.backend.Calls(memory.Probe)
	for range 2 {
		fs := r.look(b, v1alpha1.ReasonPrefixOverlap)
		message := meta.FindStatusCondition(fs.Status.Conditions, v1alpha1.ConditionReady).Message
		if !storeStalled(fs) || fs.Status.Capabilities != nil || overlapping(fs) != nil || !strings.Contains(message, r.store) {
			t.Errorf("status is %+v", fs.Status)
		}
	}
	if _, err := r.stores.Stores.Get(r.ctx, b); !errors.Is(err, filestore.ErrPrefixOverlap) || r.backend.Calls(memory.Probe) != probes {
		t.Errorf("the younger one is to be had: %v, and was probed %d times", err, r.backend.Calls(memory.Probe)-probes)
	}
	if fs := r.look(r.store, v1alpha1.ReasonProbed); overlapping(fs) != nil {
		t.Errorf("the older one has the condition %+v", overlapping(fs))
	}

	r.removeByForce(r.ctx, r.fileStore())
	fs := r.look(b, v1alpha1.ReasonProbed)
	if _, err := r.stores.Stores.Get(r.ctx, b); err != nil || storeStalled(fs) {
		t.Errorf("alone, it is not to be had: %v, status %+v", err, fs.Status)
	}
}

// TestFileStoreBesideOneThatGoes: a FileStore that is being deleted, and one of the same name that
// is gone, keep nobody out.
func TestFileStoreBesideOneThatGoes(t *testing.T) {
	r := newRig(t)
	r.must(r.direct.Delete(r.ctx, r.fileStore())) // its finalizer keeps it
	b := r.rival(func(*v1alpha1.FileStore) {})
	if fs := r.look(b, v1alpha1.ReasonProbed); overlapping(fs) != nil {
		t.Errorf("status is %+v", fs.Status)
	}
	r.removeByForce(r.ctx, &v1alpha1.FileStore{ObjectMeta: metav1.ObjectMeta{Name: b}})
	r.removeByForce(r.ctx, r.fileStore())
	r.createStore()
	r.look(r.store, v1alpha1.ReasonProbed)
}

// TestFileStorePairsGoOn: FileStores that were in use beside each other before that was refused go
// on, through changes of their specs and restarts, and say so until one of them goes.
func TestFileStorePairsGoOn(t *testing.T) {
	r := newRig(t)
	b := r.rival(func(*v1alpha1.FileStore) {})
	fs := &v1alpha1.FileStore{}
	r.must(r.direct.Get(r.ctx, client.ObjectKey{Name: b}, fs))
	before := fs.DeepCopy()
	fs.Status.ObservedGeneration, fs.Status.Capabilities = &fs.Generation, r.fileStore().Status.Capabilities // as an earlier version wrote it
	r.must(r.direct.Status().Patch(r.ctx, fs, client.MergeFrom(before)))
	goOn := func(what string) {
		t.Helper()
		r.stores = r.freshStores()
		for _, pair := range [][2]string{{r.store, b}, {b, r.store}} {
			c := overlapping(r.look(pair[0], v1alpha1.ReasonProbed))
			if c == nil || c.Status != metav1.ConditionTrue || c.Reason != v1alpha1.ReasonPrefixOverlap || !strings.Contains(c.Message, `"`+pair[1]+`"`) {
				t.Errorf("%s: %s has the condition %+v", what, pair[0], c)
			}
		}
	}
	goOn("at first")
	r.must(r.direct.Get(r.ctx, client.ObjectKey{Name: b}, fs))
	before = fs.DeepCopy()
	fs.Spec.Region = "eu-central-1"
	r.must(r.direct.Patch(r.ctx, fs, client.MergeFrom(before)))
	goOn("with another spec")
	r.removeByForce(r.ctx, fs)
	if c := overlapping(r.look(r.store, v1alpha1.ReasonProbed)); c != nil {
		t.Errorf("alone, the condition is %+v", c)
	}
}

// TestFileStoreMovesOntoAnother: who moves yields, and be it the older one.
func TestFileStoreMovesOntoAnother(t *testing.T) {
	r := newRig(t)
	b := r.rival(func(fs *v1alpha1.FileStore) { fs.Spec.Endpoint = "http://127.0.0.1:2" })
	r.look(b, v1alpha1.ReasonProbed)
	r.changeStore(func(fs *v1alpha1.FileStore) { fs.Spec.Endpoint = "http://127.0.0.1:2" })
	r.look(r.store, v1alpha1.ReasonPrefixOverlap)
	if c := overlapping(r.look(b, v1alpha1.ReasonProbed)); c != nil {
		t.Errorf("the one that was there has the condition %+v", c)
	}
	r.changeStore(func(fs *v1alpha1.FileStore) { fs.Spec.Endpoint = "http://127.0.0.1:1" })
	r.look(r.store, v1alpha1.ReasonProbed)
}
