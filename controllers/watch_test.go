package controllers_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/controllers"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

func TestWhichStoreChangesWake(t *testing.T) {
	ready := func(generation int64) testkit.StoreOption {
		return func(fs *v1alpha1.FileStore) {
			fs.Status.ObservedGeneration = generation
			meta.SetStatusCondition(&fs.Status.Conditions, metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonProbed})
		}
	}
	unready := func(fs *v1alpha1.FileStore) {
		meta.SetStatusCondition(&fs.Status.Conditions, metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonUnreachable})
	}
	generation := func(fs *v1alpha1.FileStore) { fs.Generation = 2 }
	counted := func(fs *v1alpha1.FileStore) { fs.Status.OpenUploads = ptr.To[int32](7) }
	store := func(options ...testkit.StoreOption) *v1alpha1.FileStore { return testkit.Store("store", options...) }
	passes := controllers.StoreChanged()
	for _, c := range []struct {
		name          string
		before, after *v1alpha1.FileStore
		want          bool
	}{
		{"BecameReady", store(), store(ready(1)), true},
		{"BecameReadyAgain", store(unready), store(ready(1)), true},
		{"BecameUnready", store(ready(1)), store(unready), true},
		{"SpecChanged", store(ready(1)), store(ready(1), generation), true},
		{"NewSpecProbed", store(ready(1), generation), store(ready(2), generation), true},
		{"BecameTheDefault", store(ready(1)), store(ready(1), testkit.Default()), true},
		{"OnlyCounted", store(ready(1)), store(ready(1), counted), false},
		{"ProbedAgain", store(ready(1)), store(ready(1)), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := passes.Update(event.UpdateEvent{ObjectOld: c.before, ObjectNew: c.after}); got != c.want {
				t.Errorf("wakes: %t", got)
			}
		})
	}
	if !passes.Create(event.CreateEvent{Object: store()}) || !passes.Delete(event.DeleteEvent{Object: store()}) {
		t.Error("a store that comes or goes wakes nobody")
	}
}

func TestWhichEndsWake(t *testing.T) {
	open, ended := testkit.Upload(testkit.Opened("id")), testkit.Upload(testkit.Opened("id"), testkit.Ended(testkit.Epoch))
	passes := controllers.EndedOrDeleted()
	if !passes.Update(event.UpdateEvent{ObjectOld: open, ObjectNew: ended}) || !passes.Delete(event.DeleteEvent{Object: open}) {
		t.Error("an end wakes nobody")
	}
	if passes.Update(event.UpdateEvent{ObjectOld: open, ObjectNew: open}) || passes.Update(event.UpdateEvent{ObjectOld: ended, ObjectNew: ended}) || passes.Create(event.CreateEvent{Object: ended}) {
		t.Error("what is no end wakes somebody")
	}
}
