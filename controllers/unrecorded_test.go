package controllers_test

import (
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/memory"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

// exactKeyRig is a rig on a backend that lists uploads by exact key only, like MinIO, with the API
// server's time.
func exactKeyRig(t *testing.T) *rig {
	r := newRigWith(t, memory.Options{MinPartSize: -1, Capabilities: v1alpha1.FileStoreCapabilities{
		PayloadMode: v1alpha1.PayloadSignedChunks, UploadListing: v1alpha1.UploadListingExactKey,
	}}, testkit.Orphans(v1alpha1.OrphanPolicyAbort))
	r.clock.SetTime(time.Now())
	return r
}

// TestOrphans: what a crash has left of a file goes with the file's record, where no orphan search
// would find it.
func TestOrphans(t *testing.T) {
	for name, end := range map[string]func(r *rig, u *v1alpha1.MultipartUpload){
		"Deleted": func(r *rig, _ *v1alpha1.MultipartUpload) { r.delete("up") },
		"Aborted": func(r *rig, _ *v1alpha1.MultipartUpload) { r.edit("up", aborted) },
		"Completed": func(r *rig, u *v1alpha1.MultipartUpload) {
			r.part(u, 1, "a")
			r.edit("up", completed)
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := exactKeyRig(t)
			r.create("up")
			r.faults.status = once(errCrash) // between the backend's answer and the record
			r.drive("up")
			u := r.get("up")
			r.expectOpen(2)
			end(r, u)
			r.drive("up")
			r.expectOpen(0)
		})
	}
	t.Run("NeverOpened", func(t *testing.T) {
		r := exactKeyRig(t)
		r.create("up", testkit.Finalizer())
		r.leak(r.key())
		r.delete("up")
		r.drive("up")
		r.expectOpen(0)
	})
}

// TestOrphansOfOthers: what may belong to another record is left to it, and what is older than the
// record to the orphan search.
func TestOrphansOfOthers(t *testing.T) {
	r := exactKeyRig(t)
	r.clock.SetTime(time.Now().Add(-10 * time.Minute))
	older := r.leak(r.key())
	r.clock.SetTime(time.Now())
	r.create("up", testkit.Finalizer())
	r.create("other", testkit.Finalizer())
	theirs := r.leak(r.key())
	r.delete("up")
	r.drive("up")
	if !r.isOpen(theirs) {
		t.Error("an upload that another record may be about to own was aborted")
	}
	r.delete("other")
	r.drive("other")
	if r.isOpen(theirs) || !r.isOpen(older) {
		t.Errorf("open are %+v", r.backend.OpenUploads())
	}
}

// TestOrphansUnknown: as long as object storage does not say what is left, the record stays, but a
// deleted one not for ever.
func TestOrphansUnknown(t *testing.T) {
	r := exactKeyRig(t)
	r.open("up")
	r.delete("up")
	r.backend.Inject(memory.Fault{Operation: memory.ListUploads, Before: memory.Fail(errDown)})
	r.drive("up")
	if r.get("up") == nil {
		t.Fatal("the record went before anybody knew what is left of its file")
	}
	r.clock.Step(finalizerTimeout + time.Minute) // the API server's clock, which tells of the deletion, is ahead of it
	r.drive("up")
	if r.get("up") != nil {
		t.Error("the record stays for ever")
	}
}
