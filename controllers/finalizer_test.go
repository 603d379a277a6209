package controllers_test

import (
	"errors"
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/memory"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

// A namespace can always be deleted: whatever of object storage fails, and however, the finalizer
// gives up after a bounded time, and not before.
func TestFinalizerGivesUp(t *testing.T) {
	denied := &filestore.Error{Op: "test", Kind: filestore.ErrAccessDenied, Cause: errors.New("no right")}
	rejected := &filestore.Error{Op: "test", Kind: filestore.ErrRejected, Cause: errors.New("not implemented")}
	conflict := &filestore.Error{Op: "test", Kind: filestore.ErrPrecondition, Cause: errors.New("always")}
	for name, fault := range map[string]memory.Fault{
		"ListPartsDown":          {Operation: memory.ListParts, Before: memory.Fail(errDown)},
		"StatDown":               {Operation: memory.Stat, Before: memory.Fail(errDown)},
		"StatDenied":             {Operation: memory.Stat, Before: memory.Fail(denied)},
		"AbortDown":              {Operation: memory.AbortUpload, Before: memory.Fail(errDown)},
		"AbortDenied":            {Operation: memory.AbortUpload, Before: memory.Fail(denied)},
		"CompletingRejected":     {Operation: memory.CompleteUpload, Before: memory.Fail(rejected)},
		"CompletingAlwaysRefuse": {Operation: memory.CompleteUpload, Before: memory.Fail(conflict)},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			u := r.open("up")
			r.part(u, 1, "ab")
			if fault.Operation == memory.CompleteUpload {
				r.edit("up", completed)
			}
			r.delete("up")
			remove := r.backend.Inject(fault)
			defer remove()
			for range 5 {
				if _, err := r.step("up"); err != nil {
					t.Fatal(err)
				}
			}
			deleted := r.get("up").DeletionTimestamp.Time
			r.clock.SetTime(deleted.Add(finalizerTimeout - time.Second))
			_, err := r.step("up")
			r.must(err)
			if r.get("up") == nil {
				t.Fatal("given up too early")
			}
			r.clock.SetTime(deleted.Add(finalizerTimeout))
			_, err = r.step("up")
			r.must(err)
			if u := r.get("up"); u != nil {
				t.Fatalf("not given up: %+v", u.Status)
			}
			if last := r.events.all[len(r.events.all)-1]; !containsAny(last, "Warning CleanupAbandoned") {
				t.Errorf("the last event is %q", last)
			}
		})
	}
}

// An abort that the backend says Yes to, again and again, without doing it.
func TestFinalizerGivesUpOnABackendThatLies(t *testing.T) {
	r := newRig(t)
	r.open("up")
	r.delete("up")
	r.uploads.Stores = lyingStores{r.backend}
	r.fence("up")
	_, err := r.step("up")
	r.must(err)
	r.expect("up", v1alpha1.ReasonAborting)
	r.clock.SetTime(r.get("up").DeletionTimestamp.Add(finalizerTimeout))
	_, err = r.step("up")
	r.must(err)
	if r.get("up") != nil {
		t.Error("not given up")
	}
}

func TestFinalizerGivesUpWithoutItsStore(t *testing.T) {
	r := newRig(t)
	r.open("up")
	r.removeByForce(r.ctx, r.fileStore())
	r.delete("up")
	r.drive("up")
	r.expect("up", v1alpha1.ReasonStoreNotFound)
	r.clock.Step(finalizerTimeout + time.Minute)
	r.drive("up")
	if r.get("up") != nil {
		t.Error("the record stays")
	}
}

// Long after the deletion, a store that answers is given its chance: nothing is given up that can
// be cleaned.
func TestFinalizerCleansAfterALongDowntime(t *testing.T) {
	r := newRig(t)
	u := r.open("up")
	r.part(u, 1, "ab")
	r.delete("up")
	r.clock.Step(100 * finalizerTimeout)
	r.drive("up")
	if r.get("up") != nil {
		t.Error("the record stays")
	}
	r.expectOpen(0)
	r.expectEvents("Normal Initiated", "Normal Aborted")
}

// Ended uploads need no store to go.
func TestEndedUploadGoesWithoutItsStore(t *testing.T) {
	r := newRig(t)
	r.open("up", testkit.OverREST())
	r.edit("up", aborted)
	r.fence("up")
	_, err := r.step("up")
	r.must(err)
	r.expect("up", v1alpha1.ReasonAborted)
	r.removeByForce(r.ctx, r.fileStore())
	r.drive("up")
	if u := r.get("up"); len(u.Finalizers) != 0 {
		t.Errorf("finalizers are %v", u.Finalizers)
	}
	r.clock.Step(time.Hour)
	r.drive("up")
	if r.get("up") != nil {
		t.Error("the record stays")
	}
}
