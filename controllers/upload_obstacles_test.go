package controllers_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/memory"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// errDown is what a store answers that does not answer.
var errDown = &filestore.Error{Op: "test", Kind: filestore.ErrUnavailable, Cause: errors.New("connection refused to s3.internal:9000")}

func TestFileBusy(t *testing.T) {
	r := newRig(t)
	first := r.open("first")
	r.create("second")
	r.drive("second")
	if u := r.expect("second", v1alpha1.ReasonFileBusy); !stalled(u) || u.Status.Phase != v1alpha1.PhaseStalled {
		t.Errorf("stalled %t, phase %s", stalled(u), u.Status.Phase)
	}
	r.open("other", testkit.ForFile(testkit.Entity, "another.bin"))
	r.expectOpen(2)
	r.part(first, 1, "ab")
	r.edit("first", aborted)
	r.drive("first")
	r.drive("second")
	if u := r.expect("second", v1alpha1.ReasonUploading); stalled(u) {
		t.Error("still stalled")
	}
	r.expectEvents("Normal Initiated", "Warning FileBusy", "Normal Initiated", "Normal Aborted", "Normal Initiated")
}

// Of two that came before either was opened, the older one goes, whichever is looked at first.
func TestFileBusyOlderGoes(t *testing.T) {
	r := newRig(t)
	r.create("older")
	testkit.Eventually(t, func() error { // creation times have whole seconds
		if time.Since(r.get("older").CreationTimestamp.Time) < time.Second {
			return errNotYet
		}
		return nil
	})
	r.create("younger")
	r.drive("younger")
	r.expect("younger", v1alpha1.ReasonFileBusy)
	r.drive("older")
	r.expect("older", v1alpha1.ReasonUploading)
	r.delete("older")
	r.drive("older")
	r.drive("younger")
	r.expect("younger", v1alpha1.ReasonUploading)
	r.expectOpen(1)
}

func TestTooManyOpenUploads(t *testing.T) {
	r := newRig(t, testkit.AtMostOpen(2))
	file := func(name string) testkit.UploadOption { return testkit.ForFile(testkit.Entity, name) }
	r.open("a", file("a"))
	r.open("b", file("b"))
	r.create("c", file("c"))
	r.drive("c")
	if u := r.expect("c", v1alpha1.ReasonTooManyOpenUploads); !stalled(u) {
		t.Error("not stalled")
	}
	r.edit("a", aborted)
	r.drive("a")
	r.drive("c")
	r.expect("c", v1alpha1.ReasonUploading)
}

func TestVersionConflictRule6(t *testing.T) {
	r := newRig(t)
	r.plant(3)
	for _, name := range []string{"stale", "new"} { // neither keeps the file from the other
		if name == "stale" {
			r.create(name, testkit.IfMatch(2))
		} else {
			r.create(name)
		}
		r.drive(name)
		if u := r.expect(name, v1alpha1.ReasonVersionConflict); !stalled(u) || u.Status.UploadID != "" {
			t.Errorf("%s: stalled %t, upload id %q", name, stalled(u), u.Status.UploadID)
		}
	}
	r.backend.LoseObject(r.key())
	r.drive("new")
	r.expect("new", v1alpha1.ReasonUploading)
	r.edit("stale", aborted)
	r.drive("stale")
	r.expect("stale", v1alpha1.ReasonAborted)
}

// A look that gives version 0 with the ETag of version 1, which is just taking its place,
// must not let this upload make version 1 too.
func TestTornLookAtCompletion(t *testing.T) {
	r := newRig(t)
	r.plant(0)
	u := r.open("up", testkit.IfMatch(0))
	r.part(u, 1, "ab")
	r.edit("up", completed)
	r.backend.TearStat(r.key(), func() {
		r.backend.SetObject(r.key(), []byte("the winner's"), filestore.CreateUploadOptions{Metadata: upload.FileMetadata{Version: 1}.Encode()})
	})
	r.drive("up")
	r.expect("up", v1alpha1.ReasonVersionConflict)
	if r.content() != "the winner's" {
		t.Errorf("the file is %q", r.content())
	}
	r.edit("up", aborted)
	r.drive("up")
	r.expect("up", v1alpha1.ReasonAborted)
}

// Of two racing updates exactly one wins, and readers see the old file until then.
func TestVersionConflictAtCompletion(t *testing.T) {
	r := newRig(t)
	u := r.open("up")
	r.part(u, 1, "ab")
	r.plant(0)
	r.edit("up", completed)
	r.drive("up")
	if u := r.expect("up", v1alpha1.ReasonVersionConflict); !stalled(u) {
		t.Error("not stalled")
	}
	if n := r.backend.Calls(memory.CompleteUpload); n != 0 || r.content() != "old" {
		t.Errorf("CompleteUpload was called %d times, the file is %q", n, r.content())
	}
	r.edit("up", aborted) // the API lets a stalled completion be aborted
	r.drive("up")
	r.expect("up", v1alpha1.ReasonAborted)
	r.expectOpen(0)
	if r.content() != "old" {
		t.Errorf("the file is %q", r.content())
	}
}

// The decisive comparison is the backend's: a file that appears after the reconciler has looked is
// not overwritten.
func TestVersionConflictInTheBackend(t *testing.T) {
	r := newRig(t)
	u := r.open("up")
	r.part(u, 1, "ab")
	r.edit("up", completed)
	r.backend.Inject(memory.Fault{Operation: memory.CompleteUpload, Times: 1, Before: does(func() { r.plant(0) })})
	r.drive("up")
	r.expect("up", v1alpha1.ReasonVersionConflict)
	if r.content() != "old" {
		t.Errorf("the file is %q", r.content())
	}
}

func TestUpdateThatIsOvertaken(t *testing.T) {
	r := newRig(t)
	r.plant(0)
	u := r.open("up", testkit.IfMatch(0))
	r.part(u, 1, "ab")
	r.edit("up", completed)
	r.backend.Inject(memory.Fault{Operation: memory.CompleteUpload, Times: 1, Before: does(func() {
		meta := upload.FileMetadata{Version: 1, Owner: "uid-of-another"}
		r.backend.SetObject(r.key(), []byte("newer"), filestore.CreateUploadOptions{Metadata: meta.Encode()})
	})})
	r.drive("up")
	r.expect("up", v1alpha1.ReasonVersionConflict)
	if r.content() != "newer" {
		t.Errorf("the file is %q", r.content())
	}
}

// A backend that compares nothing, or refuses to be asked, gets no condition.
func TestUnconditionalBackend(t *testing.T) {
	no := false
	r := newRigWith(t, memory.Options{MinPartSize: -1, Capabilities: v1alpha1.FileStoreCapabilities{
		PayloadMode: v1alpha1.PayloadSignedChunks, ConditionalComplete: &no, UploadListing: v1alpha1.UploadListingNone,
	}})
	u := r.open("up")
	r.part(u, 1, "ab")
	r.edit("up", completed)
	r.backend.Inject(memory.Fault{Operation: memory.CompleteUpload, Times: 1, Before: does(func() { r.plant(0) })})
	r.drive("up")
	r.expect("up", v1alpha1.ReasonCompleted)
}

func TestPartsMissingRule3(t *testing.T) {
	r := newRig(t)
	u := r.open("up", testkit.TTL(2*time.Hour))
	r.part(u, 1, "ab")
	r.part(u, 3, "ef")
	r.edit("up", completed)
	wait := r.drive("up")
	u = r.expect("up", v1alpha1.ReasonPartsMissing)
	if !stalled(u) || *u.Status.Progress.Parts != 2 || wait.RequeueAfter != upload.CheckInterval-upload.MissingPartsDelay {
		t.Errorf("stalled %t, progress %+v, looks again in %s", stalled(u), u.Status.Progress, wait.RequeueAfter)
	}
	if n := r.backend.Calls(memory.CompleteUpload); n != 0 {
		t.Errorf("CompleteUpload was called %d times", n)
	}
	r.edit("up", testkit.TTL(3*time.Hour))
	r.drive("up") // the same again, of another generation, is written, but not told twice
	r.part(u, 2, "cd")
	r.drive("up")
	r.expect("up", v1alpha1.ReasonCompleted)
	if r.content() != "abcdef" {
		t.Errorf("the file is %q", r.content())
	}
	r.expectEvents("Normal Initiated", "Warning PartsMissing", "Normal Completed")
}

// TestPartsVanishWhileTheFileIsAssembled: MinIO takes the parts off its list before the file is
// there. Whoever looks in between, after a change of leaders for example, must neither say that
// they are missing nor, since the time of the upload is over, delete them.
func TestPartsVanishWhileTheFileIsAssembled(t *testing.T) {
	for name, edit := range map[string]func(*rig){"as it is": func(*rig) {}, "expired": func(r *rig) { r.clock.Step(48 * time.Hour) }, "deleted": func(r *rig) { r.delete("up") }} {
		t.Run(name, func(t *testing.T) {
			r := newRigWith(t, memory.Options{MinPartSize: -1, PartsVanish: true})
			u := r.open("up")
			r.part(u, 1, "whole")
			told := r.get("up")
			told.Status.Progress = &v1alpha1.UploadProgress{Parts: ptr.To[int32](1), Bytes: ptr.To[int64](2), DisplayBytes: upload.DisplayBytes(2)} // before the part was replaced
			r.must(r.direct.Status().Update(r.ctx, told))
			r.edit("up", completed)
			edit(r)
			parts, err := r.backend.ListParts(r.ctx, ref(u))
			r.must(err)
			hold, assembled := make(chan struct{}), make(chan error, 1)
			meanwhile := make(chan struct{})
			r.backend.Inject(memory.Fault{Operation: memory.CompleteUpload, Times: 1, Before: func(ctx context.Context) error {
				close(meanwhile)
				return memory.WaitFor(hold)(ctx)
			}})
			go func() { // the leader before this one
				_, err := r.backend.CompleteUpload(r.ctx, ref(u), parts, filestore.Condition{Absent: true})
				assembled <- err
			}()
			<-meanwhile
			for range 2 {
				result, err := r.step("up")
				r.must(err)
				if result.RequeueAfter != upload.MissingPartsDelay || r.backend.Calls(memory.AbortUpload) != 0 {
					t.Fatalf("looks again in %s, after %d aborts", result.RequeueAfter, r.backend.Calls(memory.AbortUpload))
				}
			}
			r.expectEvents("Normal Initiated")
			close(hold)
			r.must(<-assembled)
			r.clock.Step(upload.MissingPartsDelay)
			r.drive("up")
			r.expectEvents("Normal Initiated", "Normal Completed")
			if r.content() != "whole" {
				t.Errorf("the file is %q", r.content())
			}
			if u := r.get("up"); u != nil && (*u.Status.Progress.Bytes != 5 || *u.Status.Progress.Parts != 1) { // though the parts are not listed any more
				t.Errorf("progress %+v", u.Status.Progress)
			}
		})
	}
}

func TestPartsMissingUntilItExpires(t *testing.T) {
	r := newRig(t)
	u := r.open("up", testkit.TTL(30*time.Minute))
	r.part(u, 2, "cd")
	r.edit("up", completed)
	if wait := r.drive("up"); wait.RequeueAfter != 30*time.Minute-upload.MissingPartsDelay {
		t.Errorf("looks again in %s", wait.RequeueAfter)
	}
	r.clock.Step(30 * time.Minute)
	r.drive("up")
	r.expect("up", v1alpha1.ReasonExpired)
	r.expectOpen(0)
}

// Parts that the backend refuses are not sent to it again and again; the end is an abort, a
// deletion or the expiration.
func TestPartsInvalid(t *testing.T) {
	for name, end := range map[string]func(*rig){
		v1alpha1.ReasonAborted: func(r *rig) { r.edit("up", aborted) },
		v1alpha1.ReasonExpired: func(r *rig) { r.clock.Step(48 * time.Hour) },
		"Deleted":              func(r *rig) { r.delete("up") },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRigWith(t, memory.Options{})
			u := r.open("up")
			r.part(u, 1, "too small")
			r.part(u, 2, "the last may be")
			r.edit("up", completed)
			wait := r.drive("up")
			if u := r.expect("up", v1alpha1.ReasonPartsInvalid); !stalled(u) || wait.RequeueAfter != upload.CheckInterval {
				t.Errorf("stalled %t, looks again in %s", stalled(u), wait.RequeueAfter)
			}
			r.clock.Step(upload.CheckInterval)
			r.drive("up")
			if n := r.backend.Calls(memory.CompleteUpload); n != 1 {
				t.Errorf("CompleteUpload was called %d times", n)
			}
			end(r)
			r.drive("up")
			if name == "Deleted" {
				if r.get("up") != nil {
					t.Error("the record stays")
				}
			} else {
				r.expect("up", name)
			}
			r.expectOpen(0)
		})
	}
}

// A part that is replaced between the listing and the assembly is no fault of the parts.
func TestPartReplacedMeanwhile(t *testing.T) {
	r := newRig(t)
	u := r.open("up")
	r.part(u, 1, "old")
	r.edit("up", completed)
	r.backend.Inject(memory.Fault{Operation: memory.CompleteUpload, Times: 1, Before: does(func() { r.part(u, 1, "new") })})
	r.drive("up")
	r.expect("up", v1alpha1.ReasonCompleted)
	if r.content() != "new" {
		t.Errorf("the file is %q", r.content())
	}
}

func TestInvalidKey(t *testing.T) {
	invalid := &filestore.Error{Op: "test", Kind: filestore.ErrInvalidKey, Cause: errors.New("a segment is a file")}
	for _, op := range []memory.Operation{memory.Stat, memory.CreateUpload} {
		t.Run("SeenBy"+string(op), func(t *testing.T) {
			r := newRig(t)
			remove := r.backend.Inject(memory.Fault{Operation: op, Before: memory.Fail(invalid)})
			r.create("up")
			r.drive("up")
			if u := r.expect("up", v1alpha1.ReasonInvalidKey); !stalled(u) {
				t.Error("not stalled")
			}
			remove()
			r.drive("up")
			r.expect("up", v1alpha1.ReasonUploading)
		})
	}
	// The key became impossible while the upload was open: it must still be possible to end it.
	t.Run("WhileOpen", func(t *testing.T) {
		r := newRig(t)
		u := r.open("up")
		r.part(u, 1, "ab")
		r.backend.Inject(memory.Fault{Operation: memory.Stat, Before: memory.Fail(invalid)})
		r.backend.Inject(memory.Fault{Operation: memory.CompleteUpload, Before: memory.Fail(invalid)})
		r.edit("up", completed)
		r.drive("up")
		if u := r.expect("up", v1alpha1.ReasonInvalidKey); !stalled(u) {
			t.Error("not stalled")
		}
		r.delete("up")
		r.drive("up")
		if r.get("up") != nil {
			t.Error("the record stays")
		}
		r.expectOpen(0)
	})
}

func TestStoreNotFound(t *testing.T) {
	r := newRig(t)
	r.create("up", testkit.InStore("no-such-store"))
	wait := r.drive("up")
	if u := r.expect("up", v1alpha1.ReasonStoreNotFound); !stalled(u) || wait.RequeueAfter < time.Minute {
		t.Errorf("stalled %t, looks again in %s", stalled(u), wait.RequeueAfter)
	}
	r.expectEvents("Warning StoreNotFound")
}

func TestStoreNotReady(t *testing.T) {
	r := newRig(t)
	r.clock.Step(time.Hour)
	comesBack := r.storeGoesAway()
	r.create("up")
	r.drive("up")
	if u := r.expect("up", v1alpha1.ReasonStoreUnavailable); stalled(u) || u.Status.Phase != v1alpha1.PhasePending {
		t.Errorf("stalled %t, phase %s", stalled(u), u.Status.Phase)
	}
	comesBack()
	r.clock.Step(time.Minute)
	r.probe()
	r.drive("up")
	r.expect("up", v1alpha1.ReasonUploading)
}

// What was found of another spec says nothing: until the store is probed again, nothing is opened
// or assembled in it, but all may end.
func TestStoreChangedAndNotYetProbed(t *testing.T) {
	r := newRig(t)
	file := func(name string) testkit.UploadOption { return testkit.ForFile(testkit.Entity, name) }
	u := r.open("completing", file("a"))
	r.part(u, 1, "ab")
	r.open("aborting", file("b"))
	fs := r.fileStore()
	changed := fs.DeepCopy()
	changed.Spec.Region = "eu-central-1"
	r.must(r.direct.Patch(r.ctx, changed, client.MergeFrom(fs)))
	r.edit("completing", completed)
	r.edit("aborting", aborted)
	r.create("new", file("c"))
	for name, want := range map[string]string{"completing": v1alpha1.ReasonStoreUnavailable, "aborting": v1alpha1.ReasonAborted, "new": v1alpha1.ReasonStoreUnavailable} {
		r.drive(name)
		r.expect(name, want)
	}
	r.probe()
	r.drive("completing")
	r.expect("completing", v1alpha1.ReasonCompleted)
	r.drive("new")
	r.expect("new", v1alpha1.ReasonUploading)
}

func TestStoreNotAllowed(t *testing.T) {
	r := newRig(t, testkit.OnlyFor("tier", "gold"))
	r.create("up")
	r.drive("up")
	if u := r.expect("up", v1alpha1.ReasonStoreNotAllowed); !stalled(u) {
		t.Error("not stalled")
	}
	r.labelNamespace("tier", "gold")
	r.drive("up")
	u := r.expect("up", v1alpha1.ReasonUploading)
	r.part(u, 1, "ab")
	r.labelNamespace("tier", "lead")
	r.edit("up", completed) // a selector that changes later does not strand what is open
	r.drive("up")
	r.expect("up", v1alpha1.ReasonCompleted)
}

// What object storage says does not reach the cluster's users, who may not know where it is.
func TestStoreDownWhileOpen(t *testing.T) {
	for _, op := range []memory.Operation{memory.ListParts, memory.Stat, memory.CompleteUpload} {
		t.Run(string(op), func(t *testing.T) {
			r := newRig(t)
			u := r.open("up")
			r.part(u, 1, "ab")
			r.edit("up", completed)
			remove := r.backend.Inject(memory.Fault{Operation: op, Before: memory.Fail(errDown)})
			wait := r.drive("up")
			u = r.expect("up", v1alpha1.ReasonStoreUnavailable)
			if stalled(u) || u.Status.Phase != v1alpha1.PhaseCompleting || wait.RequeueAfter > 10*time.Second || wait.RequeueAfter < time.Second {
				t.Errorf("stalled %t, phase %s, looks again in %s", stalled(u), u.Status.Phase, wait.RequeueAfter)
			}
			for _, c := range u.Status.Conditions {
				if containsAny(c.Message, "s3.internal", "refused to") {
					t.Errorf("condition %s says %q", c.Type, c.Message)
				}
			}
			remove()
			r.drive("up")
			r.expect("up", v1alpha1.ReasonCompleted)
			r.expectEvents("Normal Initiated", "Warning StoreUnavailable", "Normal Completed")
		})
	}
}
