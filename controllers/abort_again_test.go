package controllers_test

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/controllers/abortagain"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/memory"
)

// What has ended is aborted again after 1, 10 and 60 minutes, by whoever leads then, and forgotten.
func TestEndedUploadsAreAbortedAgain(t *testing.T) {
	r := newRigWith(t, memory.Options{MinPartSize: -1, LateParts: memory.LatePartsResurrect})
	leader := func() *abortagain.Runner {
		return &abortagain.Runner{
			Log:    &abortagain.Log{Client: r.direct, Live: r.direct, Namespace: r.ns, Clock: r.clock},
			Client: r.direct, Stores: r.uploads.Stores, Clock: r.clock,
		}
	}
	u := r.open("up")
	var late [3]func() // a part that is in flight lands after the abort, and brings the upload back
	for i := range late {
		body, bytes := newSlowBody()
		landed := make(chan error)
		go func() {
			_, err := r.backend.PutPart(r.ctx, ref(u), int32(i+1), body, 2)
			landed <- err
		}()
		<-body.started
		late[i] = func() {
			bytes <- "ab"
			r.must(<-landed)
			r.expectOpen(1)
		}
	}
	r.delete("up")
	r.drive("up")
	if r.get("up") != nil {
		t.Fatal("the record stays")
	}
	for i, after := range []time.Duration{time.Minute, 9 * time.Minute, 50 * time.Minute} {
		late[i]()
		r.clock.Step(after - 2*time.Second)
		r.must(leader().Pass(r.ctx))
		r.expectOpen(1)
		r.clock.Step(2 * time.Second)
		r.must(leader().Pass(r.ctx))
		r.expectOpen(0)
	}
	var pages corev1.ConfigMapList
	r.must(r.direct.List(r.ctx, &pages, client.InNamespace(r.ns), client.HasLabels{abortagain.LabelEnded}))
	if len(pages.Items) != 0 {
		t.Errorf("%d pages are left", len(pages.Items))
	}
}

// The id of a completed upload is aborted only where that was seen to leave the file.
func TestCompletedUploadsAreAbortedAgain(t *testing.T) {
	for _, keeps := range []bool{true, false} {
		r := newRigWith(t, memory.Options{MinPartSize: -1, Capabilities: v1alpha1.FileStoreCapabilities{AbortKeepsObject: ptr.To(keeps)}})
		u := r.open("up")
		r.part(u, 1, "ab")
		r.edit("up", completed)
		r.drive("up")
		r.expect("up", v1alpha1.ReasonCompleted)
		before := r.backend.Calls(memory.AbortUpload)
		again := &abortagain.Runner{Log: r.uploads.Ended, Client: r.direct, Stores: r.uploads.Stores, Clock: r.clock}
		r.clock.Step(2 * time.Minute)
		want := 0
		if keeps {
			want = 1
		}
		for range 200 { // it is noted while nobody waits
			r.must(again.Pass(r.ctx))
			if r.backend.Calls(memory.AbortUpload)-before == want && want > 0 {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		if n := r.backend.Calls(memory.AbortUpload) - before; n != want {
			t.Errorf("where an abort keeps the file (%v): %d aborts, want %d", keeps, n, want)
		}
		if got := r.content(); got != "ab" {
			t.Errorf("the file is %q", got)
		}
	}
}

// Somebody who changes the record of what has ended while that is aborted again is no failure.
func TestRecordOfEndedUploadsIsChangedMeanwhile(t *testing.T) {
	r := newRig(t)
	r.open("up")
	r.delete("up")
	r.drive("up")
	again := &abortagain.Runner{Log: r.uploads.Ended, Client: r.direct, Stores: r.uploads.Stores, Clock: r.clock}
	r.backend.Inject(memory.Fault{Operation: memory.AbortUpload, Times: 1, Before: does(func() {
		var pages corev1.ConfigMapList
		r.must(r.direct.List(r.ctx, &pages, client.InNamespace(r.ns), client.HasLabels{abortagain.LabelEnded}))
		for _, page := range pages.Items {
			page.Annotations["somebody"] = "was here"
			r.must(r.direct.Update(r.ctx, &page))
		}
	})})
	before := r.backend.Calls(memory.AbortUpload)
	r.clock.Step(2 * time.Minute)
	r.must(again.Pass(r.ctx))
	if n := r.backend.Calls(memory.AbortUpload) - before; n != 1 {
		t.Errorf("%d aborts", n)
	}
}
