package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/catalog"
)

// decoded is an upload as an informer gets it: every string is a copy of its own.
func decoded(t *testing.T, name string) *v1alpha1.MultipartUpload {
	t.Helper()
	u := &v1alpha1.MultipartUpload{}
	u.Namespace, u.Name = "tenant", name
	u.Labels = map[string]string{v1alpha1.LabelCreatedThrough: v1alpha1.CreatedThroughREST}
	u.Finalizers = []string{v1alpha1.FinalizerAbortUpload}
	u.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "somebody", FieldsV1: metav1.NewFieldsV1(`{"f:spec":{}}`)}}
	u.Spec.EntityID, u.Spec.Path, u.Spec.StoreName = "0123456789abcdef0123456789abcdef", "a/"+name, "store"
	u.Spec.DesiredState, u.Spec.CreatedBy = v1alpha1.DesiredStateUploading, "system:serviceaccount:tenant:app"
	u.Status.StoreName, u.Status.UploadID, u.Status.ObjectKey = "store", "id of "+name, "tenant/"+u.Spec.EntityID+"/a/"+name
	u.UID, u.ResourceVersion, u.CreationTimestamp = types.UID("e2b0c6a4-0000-4000-8000-"+name), "123456", metav1.NewTime(time.Unix(1, 0))
	u.Status.StartTime, u.Status.ExpirationTime, u.Status.FileVersion = ptr.To(metav1.NewTime(time.Unix(1, 0))), ptr.To(metav1.NewTime(time.Unix(2, 0))), ptr.To[int64](0)
	u.Status.Progress = &v1alpha1.UploadProgress{Parts: ptr.To[int32](2), Bytes: ptr.To[int64](10 << 20), DisplayBytes: "10 MiB", LastPartTime: ptr.To(metav1.NewTime(time.Unix(1, 0)))}
	u.Status.Conditions = []metav1.Condition{
		{Type: v1alpha1.ConditionInitiated, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonInitiated, Message: "object storage has opened the upload", LastTransitionTime: metav1.NewTime(time.Unix(1, 0))},
		{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonUploading, Message: "parts are taken", LastTransitionTime: metav1.NewTime(time.Unix(1, 0))},
		{Type: v1alpha1.ConditionStalled, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonPartsInvalid, Message: "of " + name},
	}
	text, err := json.Marshal(u)
	if err != nil {
		t.Fatal(err)
	}
	out := &v1alpha1.MultipartUpload{}
	if err := json.Unmarshal(text, out); err != nil {
		t.Fatal(err)
	}
	return out
}

// What the reconciler reads from the cache and writes back must not lose anything: a patch from a
// trimmed object is the one from the whole object.
func TestTrimTakesNothingThatIsWritten(t *testing.T) {
	trimmed, whole := decoded(t, "up"), decoded(t, "up")
	for _, u := range []*v1alpha1.MultipartUpload{trimmed, whole} {
		u.GenerateName = "up-"
		u.Annotations = map[string]string{"tenant": strings.Repeat("x", 250<<10), v1alpha1.AnnotationAnswered: "true"}
		u.Labels["team"] = "a"
		u.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "Deployment", Name: "app", UID: "1"}}
		u.Finalizers = append(u.Finalizers, "example.com/keep")
	}
	if _, err := newTrimmer().trim(trimmed); err != nil {
		t.Fatal(err)
	}
	want := whole.DeepCopy()
	want.ManagedFields, want.Annotations, want.OwnerReferences, want.GenerateName = nil, nil, nil, ""
	delete(want.Labels, "team")
	if d := cmp.Diff(want, trimmed); d != "" {
		t.Errorf("more than what nobody reads was changed: %s", d)
	}
	change := func(u *v1alpha1.MultipartUpload) string {
		changed := u.DeepCopy()
		changed.Status.Conditions[1].Message = "the file has version 0"
		changed.Finalizers = changed.Finalizers[1:]
		patch, err := client.MergeFromWithOptions(u, client.MergeFromWithOptimisticLock{}).Data(changed)
		if err != nil {
			t.Fatal(err)
		}
		return string(patch)
	}
	if d := cmp.Diff(change(whole), change(trimmed)); d != "" {
		t.Errorf("the patch from the trimmed object is another one: %s", d)
	}
}

func TestTrimNamespace(t *testing.T) {
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: "team-a", Labels: map[string]string{"stage": "production"},
		Annotations:     map[string]string{v1alpha1.AnnotationNamespaceStore: "gold", "large": strings.Repeat("x", 250<<10)},
		OwnerReferences: []metav1.OwnerReference{{Name: "owner"}}, ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "somebody"}},
	}}
	if _, err := trimNamespace(ns); err != nil {
		t.Fatal(err)
	}
	want := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: "team-a", Labels: map[string]string{"stage": "production"}, Annotations: map[string]string{v1alpha1.AnnotationNamespaceStore: "gold"},
	}}
	if d := cmp.Diff(want, ns); d != "" {
		t.Errorf("what is kept of a namespace (-want +got): %s", d)
	}
}

func TestTrimShares(t *testing.T) {
	trimmer := newTrimmer()
	uploads := []*v1alpha1.MultipartUpload{decoded(t, "one"), decoded(t, "two")}
	for _, u := range uploads {
		if _, err := trimmer.trim(u); err != nil {
			t.Fatal(err)
		}
	}
	one, two := uploads[0], uploads[1]
	for name, pair := range map[string][2]string{
		"namespace": {one.Namespace, two.Namespace}, "store": {one.Spec.StoreName, two.Status.StoreName}, "createdBy": {one.Spec.CreatedBy, two.Spec.CreatedBy},
		"state": {string(one.Spec.DesiredState), string(two.Spec.DesiredState)}, "message": {one.Status.Conditions[0].Message, two.Status.Conditions[0].Message},
		"finalizer": {one.Finalizers[0], two.Finalizers[0]}, "path": {one.Spec.Path, one.Status.ObjectKey[len(one.Status.ObjectKey)-len(one.Spec.Path):]},
	} {
		if unsafe.StringData(pair[0]) != unsafe.StringData(pair[1]) {
			t.Errorf("%s is there twice", name)
		}
	}
	// A change of one is none of the other: those who change an object do it to a copy.
	changed := one.DeepCopy()
	changed.Labels["more"] = "labels"
	if len(two.Labels) != 1 || len(one.Labels) != 1 {
		t.Error("a copy shares its labels")
	}
}

// The values of tenants do not fill the memory.
func TestTrimKeepsLittle(t *testing.T) {
	trimmer := newTrimmer()
	for i := range sharedStrings + 100 {
		u := decoded(t, "up")
		u.Namespace, u.Labels = fmt.Sprintf("ns-%d", i), map[string]string{v1alpha1.LabelCreatedThrough: fmt.Sprint(i)}
		if _, err := trimmer.trim(u); err != nil {
			t.Fatal(err)
		}
		if u.Namespace != fmt.Sprintf("ns-%d", i) || u.Labels[v1alpha1.LabelCreatedThrough] != fmt.Sprint(i) {
			t.Fatalf("it is in %s with labels %v", u.Namespace, u.Labels)
		}
	}
	if len(trimmer.strings) > sharedStrings || len(trimmer.labels) > sharedSets {
		t.Errorf("%d strings and %d labels are kept", len(trimmer.strings), len(trimmer.labels))
	}
}

// cacheBytes is what an open upload may take in the cache with its indexes. It is a guard against
// growth: a hundred thousand of them are 100,000 times that, and garbage comes on top.
const cacheBytes = 2200

func TestUploadsAreSmallInTheCache(t *testing.T) {
	const count = 5000
	indexers := toolscache.Indexers{toolscache.NamespaceIndex: toolscache.MetaNamespaceIndexFunc}
	for name, values := range catalog.Indexes() {
		indexers["field:"+string(name)] = func(obj any) ([]string, error) { // as controller-runtime makes them
			u := obj.(*v1alpha1.MultipartUpload)
			var keys []string
			for _, value := range values(u) {
				keys = append(keys, u.Namespace+"/"+value, "__all_namespaces/"+value)
			}
			return keys, nil
		}
	}
	measure := func(transform func(any) (any, error)) uint64 {
		known := toolscache.NewIndexer(toolscache.MetaNamespaceKeyFunc, indexers)
		before := heap()
		for i := range count {
			obj, err := transform(decoded(t, fmt.Sprintf("engine-%06d-bin-1942cbafb55ee4372d4b", i)))
			if err != nil {
				t.Fatal(err)
			}
			if err := known.Add(obj); err != nil {
				t.Fatal(err)
			}
		}
		taken := (heap() - before) / count
		runtime.KeepAlive(known)
		return taken
	}
	whole := measure(cache.TransformStripManagedFields())
	trimmed := measure(newTrimmer().trim)
	t.Logf("an open upload takes %d bytes, %d if nothing is shared", trimmed, whole)
	if trimmed > cacheBytes || trimmed >= whole {
		t.Errorf("an open upload takes %d bytes, %d if nothing is shared; at most %d are good", trimmed, whole, cacheBytes)
	}
}

// heap is what is alive.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
