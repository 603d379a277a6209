package multipartupload_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/controllers/multipartupload"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

func TestWhichStoreChangesWake(t *testing.T) {
	ready := func(generation int64) testkit.StoreOption {
		return func(fs *v1alpha1.FileStore) {
			fs.Status.ObservedGeneration = new(generation)
			meta.SetStatusCondition(&fs.Status.Conditions, metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonProbed})
		}
	}
	unready := func(fs *v1alpha1.FileStore) {
		meta.SetStatusCondition(&fs.Status.Conditions, metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonUnreachable})
	}
	generation := func(fs *v1alpha1.FileStore) { fs.Generation = 2 }
	counted := func(fs *v1alpha1.FileStore) { fs.Status.OpenUploads = ptr.To[int32](7) }
	store := func(options ...testkit.StoreOption) *v1alpha1.FileStore { return testkit.Store("store", options...) }
	passes := multipartupload.StoreChanged()
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
	passes := multipartupload.EndedOrDeleted()
	if !passes.Update(event.UpdateEvent{ObjectOld: open, ObjectNew: ended}) || !passes.Delete(event.DeleteEvent{Object: open}) {
		t.Error("an end wakes nobody")
	}
	if passes.Update(event.UpdateEvent{ObjectOld: open, ObjectNew: open}) || passes.Update(event.UpdateEvent{ObjectOld: ended, ObjectNew: ended}) || passes.Create(event.CreateEvent{Object: ended}) {
		t.Error("what is no end wakes somebody")
	}
}

// The progress of an upload wakes nobody, whatever else has changed with it does.
func TestWhichChangesOfAnUploadWake(t *testing.T) {
	version := func(v string) testkit.UploadOption {
		return func(u *v1alpha1.MultipartUpload) { u.ResourceVersion = v }
	}
	progress := func(u *v1alpha1.MultipartUpload) {
		u.Status.Progress = &v1alpha1.UploadProgress{Parts: ptr.To[int32](2)}
		u.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "iotfile-data-plane"}}
	}
	opened, deleted := testkit.Opened("id"), testkit.Deleted(testkit.Epoch)
	passes := multipartupload.MoreThanProgress()
	for name, c := range map[string]struct {
		change []testkit.UploadOption
		want   bool
	}{
		"Progress":           {[]testkit.UploadOption{version("2"), progress}, false},
		"NothingAtAll":       {[]testkit.UploadOption{version("2")}, false},
		"LookedAtAgain":      {[]testkit.UploadOption{version("1")}, true},
		"Opened":             {[]testkit.UploadOption{version("2"), testkit.Opened("other")}, true},
		"Ended":              {[]testkit.UploadOption{version("2"), testkit.Ended(testkit.Epoch)}, true},
		"Wanted":             {[]testkit.UploadOption{version("2"), progress, testkit.Wanting(v1alpha1.DesiredStateCompleted)}, true},
		"TTL":                {[]testkit.UploadOption{version("2"), progress, testkit.TTL(1)}, true},
		"Deleted":            {[]testkit.UploadOption{version("2"), progress, deleted}, true},
		"FinalizerTaken":     {[]testkit.UploadOption{version("2"), progress, func(u *v1alpha1.MultipartUpload) { u.Finalizers = nil }}, true},
		"OthersFinalizer":    {[]testkit.UploadOption{version("2"), progress, func(u *v1alpha1.MultipartUpload) { u.Finalizers = append(u.Finalizers, "example.com/x") }}, true},
		"ReplacedByRestored": {[]testkit.UploadOption{version("2"), progress, func(u *v1alpha1.MultipartUpload) { u.UID = "another" }}, true},
	} {
		t.Run(name, func(t *testing.T) {
			before := testkit.Upload(opened, testkit.Finalizer(), version("1"))
			after := testkit.Upload(append([]testkit.UploadOption{opened, testkit.Finalizer()}, c.change...)...)
			if got := passes.Update(event.UpdateEvent{ObjectOld: before, ObjectNew: after}); got != c.want {
				t.Errorf("wakes: %t", got)
			}
		})
	}
	if u := testkit.Upload(); !passes.Create(event.CreateEvent{Object: u}) || !passes.Delete(event.DeleteEvent{Object: u}) {
		t.Error("an upload that comes or goes wakes nobody")
	}
}
