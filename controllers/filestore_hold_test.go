package controllers_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

// storeGone reports whether the FileStore is.
func (r *rig) storeGone() bool {
	r.t.Helper()
	err := r.direct.Get(r.ctx, client.ObjectKey{Name: r.store}, &v1alpha1.FileStore{})
	r.must(client.IgnoreNotFound(err))
	return apierrors.IsNotFound(err)
}

func TestFileStoreInUseIsHeld(t *testing.T) {
	r := newRig(t)
	r.open("a", testkit.ForFile(testkit.Entity, "a"))
	r.part(r.open("b", testkit.ForFile(testkit.Entity, "b")), 1, "ab")
	r.must(r.direct.Delete(r.ctx, r.fileStore()))
	for range 2 {
		c := meta.FindStatusCondition(r.probe().Status.Conditions, v1alpha1.ConditionInUse)
		if c == nil || c.Reason != v1alpha1.ReasonUploadsOpen || !strings.Contains(c.Message, "there are 2") {
			t.Fatalf("condition InUse is %+v", c)
		}
	}
	r.create("late", testkit.ForFile(testkit.Entity, "c"))
	r.drive("late")
	if u := r.expect("late", v1alpha1.ReasonStoreUnavailable); !strings.Contains(u.Status.Conditions[0].Message, "being deleted") {
		t.Errorf("the conditions are %+v", u.Status.Conditions)
	}
	r.edit("b", completed) // what is open may end well
	r.drive("b")
	r.expect("b", v1alpha1.ReasonCompleted)
	if c := meta.FindStatusCondition(r.probe().Status.Conditions, v1alpha1.ConditionInUse); c == nil || !strings.Contains(c.Message, "there are 1") {
		t.Errorf("condition InUse is %+v", c)
	}
	r.delete("a")
	r.drive("a")
	if r.probeFor(); !r.storeGone() {
		t.Errorf("the store stays: %+v", r.fileStore())
	}
	held := 0
	for _, e := range r.events.all {
		if strings.HasPrefix(e, "Warning "+v1alpha1.ReasonUploadsOpen) {
			held++
		}
	}
	if held != 1 {
		t.Errorf("%d events tell that the store is held: %q", held, r.events.all)
	}
}

// The cache that shows nothing open may be behind.
func TestFileStoreIsReleasedByTheWordOfTheAPIServer(t *testing.T) {
	r := newRig(t)
	r.open("up")
	r.must(r.direct.Delete(r.ctx, r.fileStore()))
	r.faults.hidden = func(*v1alpha1.MultipartUpload) bool { return true }
	if fs := r.probe(); meta.FindStatusCondition(fs.Status.Conditions, v1alpha1.ConditionInUse) == nil || *fs.Status.OpenUploads != 1 {
		t.Errorf("the status is %+v", fs.Status)
	}
}

func TestFileStoreFinalizerSurvivesFaults(t *testing.T) {
	r := newRig(t)
	if fs := r.fileStore(); !slices.Contains(fs.Finalizers, v1alpha1.FinalizerHoldStore) {
		t.Fatalf("the finalizers are %v", fs.Finalizers)
	}
	r.must(r.direct.Delete(r.ctx, r.fileStore()))
	for _, fault := range []func(error){
		func(err error) { r.faults.patch = once(err) },
		func(err error) { r.faults.after = once(err) },
	} {
		fault(errServer)
		if _, err := r.stores.Reconcile(r.ctx, reconcile.Request{NamespacedName: client.ObjectKey{Name: r.store}}); err == nil {
			t.Error("the fault was not told")
		}
	}
	if !r.storeGone() {
		t.Error("the store stays")
	}
	if result := r.probeFor(); result != (reconcile.Result{}) {
		t.Errorf("result is %+v", result)
	}
}

// Somebody who changes a store while the finalizer is put on it, or taken off, is no failure.
func TestFileStoreIsChangedMeanwhile(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		what  string
		begin func(*v1alpha1.FileStore) error
		done  func() bool
	}{
		{
			"add the finalizer",
			func(fs *v1alpha1.FileStore) error {
				fs.Finalizers = nil
				return r.direct.Update(r.ctx, fs)
			},
			func() bool { return slices.Contains(r.fileStore().Finalizers, v1alpha1.FinalizerHoldStore) },
		},
		{"remove the finalizer", func(fs *v1alpha1.FileStore) error { return r.direct.Delete(r.ctx, fs) }, r.storeGone},
	} {
		r.must(c.begin(r.fileStore()))
		changed := false
		r.faults.patch = func(client.Object) error {
			if changed {
				return nil
			}
			changed = true
			fs := r.fileStore()
			fs.Annotations = map[string]string{"changed": "to " + c.what}
			return r.direct.Update(r.ctx, fs)
		}
		result, err := r.stores.Reconcile(r.ctx, reconcile.Request{NamespacedName: client.ObjectKey{Name: r.store}})
		if err != nil || result.RequeueAfter != time.Second || !changed || c.done() {
			t.Errorf("%s: changed meanwhile is %v, the result %+v, %v", c.what, changed, result, err)
		}
		if r.probeFor(); !c.done() {
			t.Errorf("%s: that is not done in the next pass", c.what)
		}
	}
}

// Uploads that the backend reaped are warned of where the platform team looks, for as long as there
// are records of them.
func TestFileStoreWarnsOfReapedUploads(t *testing.T) {
	r := newRig(t)
	for _, name := range []string{"kept", "reaped"} {
		r.open(name, testkit.ForFile(testkit.Entity, name))
	}
	r.lose("reaped")
	c := meta.FindStatusCondition(r.probe().Status.Conditions, v1alpha1.ConditionUploadsLost)
	if c == nil || c.Reason != v1alpha1.ReasonReapedByBackend || !strings.Contains(c.Message, "deleted 1 uploads") {
		t.Errorf("condition UploadsLost is %+v", c)
	}
	r.delete("reaped")
	r.drive("reaped")
	if c := meta.FindStatusCondition(r.probe().Status.Conditions, v1alpha1.ConditionUploadsLost); c != nil {
		t.Errorf("condition UploadsLost is %+v", c)
	}
}

// lose has the backend delete an upload, and the reconciler notice.
func (r *rig) lose(name string) {
	r.t.Helper()
	r.must(r.backend.AbortUpload(r.ctx, ref(r.get(name))))
	r.clock.Step(2 * time.Hour)
	r.drive(name)
	r.expect(name, v1alpha1.ReasonUploadLost)
}
