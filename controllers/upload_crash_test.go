package controllers_test

import (
	"errors"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/memory"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

var (
	errCrash    = errors.New("the process dies here")
	errConflict = apierrors.NewConflict(v1alpha1.GroupVersion.WithResource("multipartuploads").GroupResource(), "up", errors.New("it is newer"))
	errServer   = apierrors.NewInternalError(errors.New("etcd is gone"))
)

// A crash is a pass that ends between two of its effects; what comes back is a reconciler that
// knows nothing but the record.
func TestCrashes(t *testing.T) {
	lostAnswer := func(op memory.Operation) func(*rig) {
		return func(r *rig) {
			r.backend.Inject(memory.Fault{Operation: op, Times: 1, After: memory.Fail(errDown)})
		}
	}
	never := func(op memory.Operation) func(*rig) {
		return func(r *rig) {
			r.backend.Inject(memory.Fault{Operation: op, Times: 1, Before: memory.Fail(errDown)})
		}
	}
	status := func(err error) func(*rig) { return func(r *rig) { r.faults.status = once(err) } }
	patch := func(err error) func(*rig) { return func(r *rig) { r.faults.patch = once(err) } }
	after := func(err error) func(*rig) { return func(r *rig) { r.faults.after = once(err) } }
	faults := map[string]func(*rig){
		"CreateNever": never(memory.CreateUpload), "CreateAnswerLost": lostAnswer(memory.CreateUpload),
		"CompleteNever": never(memory.CompleteUpload), "CompleteAnswerLost": lostAnswer(memory.CompleteUpload),
		"AbortNever": never(memory.AbortUpload), "AbortAnswerLost": lostAnswer(memory.AbortUpload),
		"ListNever": never(memory.ListParts), "ListAnswerLost": lostAnswer(memory.ListParts), "StatNever": never(memory.Stat),
		"StatusCrash": status(errCrash), "StatusConflict": status(errConflict), "StatusServerError": status(errServer),
		"StatusOrPatchAnswerLost": after(errServer), "StatusOrPatchCrashAfter": after(errCrash),
		"PatchCrash": patch(errCrash), "PatchConflict": patch(errConflict),
	}
	// Where it happens: while the upload is opened, or while it comes to its end.
	for name, inject := range faults {
		t.Run("Opening/"+name, func(t *testing.T) {
			r := newRig(t)
			r.create("up")
			inject(r)
			r.drive("up")
			u := r.expect("up", v1alpha1.ReasonUploading)
			if !r.isOpen(ref(u)) {
				t.Error("the recorded upload is not open")
			}
			expectOrphans(r, u, map[string]int{"CreateAnswerLost": 1, "StatusCrash": 1, "StatusServerError": 1}[name])
		})
		for end, act := range map[string]func(*rig){
			v1alpha1.ReasonCompleted: func(r *rig) { r.edit("up", completed) },
			v1alpha1.ReasonAborted:   func(r *rig) { r.edit("up", aborted) },
			v1alpha1.ReasonExpired:   func(r *rig) { r.clock.Step(50 * time.Hour) },
		} {
			t.Run(end+"/"+name, func(t *testing.T) {
				r := newRig(t)
				r.part(r.open("up"), 1, "ab")
				act(r)
				inject(r)
				r.drive("up")
				u := r.expect("up", end)
				if len(u.Finalizers) != 0 {
					t.Errorf("finalizers are %v", u.Finalizers)
				}
				r.expectOpen(0)
				if (r.content() == "ab") != (end == v1alpha1.ReasonCompleted) {
					t.Errorf("the file is %q", r.content())
				}
			})
		}
		t.Run("Deleted/"+name, func(t *testing.T) {
			r := newRig(t)
			r.part(r.open("up"), 1, "ab")
			r.delete("up")
			inject(r)
			r.drive("up")
			if u := r.get("up"); u != nil {
				t.Errorf("the record stays: %+v", u.Status)
			}
			r.expectOpen(0)
		})
	}
}

// expectOrphans checks what is open in the backend beside the upload that is recorded, and that the
// sweep removes it.
func expectOrphans(r *rig, u *v1alpha1.MultipartUpload, want int) {
	r.t.Helper()
	r.expectOpen(1 + want)
	fs := r.fileStore()
	changed := fs.DeepCopy()
	changed.Spec.OrphanPolicy = v1alpha1.OrphanPolicyAbort
	r.must(r.direct.Patch(r.ctx, changed, client.MergeFrom(fs)))
	r.probe()
	r.clock.Step(2 * time.Hour)
	r.sweepOnce()
	if open := r.backend.OpenUploads(); len(open) != 1 || open[0].UploadRef != ref(u) {
		r.t.Errorf("after the sweep, %+v are open", open)
	}
}

// The API server says No to the write of an id: the upload that nobody knows of is closed at once.
func TestUnrecordedUploadIsClosed(t *testing.T) {
	r := newRig(t)
	r.create("up")
	_, err := r.step("up")
	r.must(err)
	r.faults.status = once(errConflict)
	if _, err := r.step("up"); err != nil {
		t.Errorf("a conflict is no error: %v", err)
	}
	if n := r.backend.Calls(memory.CreateUpload); n != 1 {
		t.Fatalf("CreateUpload was called %d times", n)
	}
	r.expectOpen(0)
	r.drive("up")
	r.expect("up", v1alpha1.ReasonUploading)
	r.expectOpen(1)
}

// A write whose answer is a conflict because an earlier try of it got through: the upload is
// recorded, and must live.
func TestRecordedUploadIsNotClosed(t *testing.T) {
	r := newRig(t)
	r.create("up")
	_, err := r.step("up")
	r.must(err)
	r.faults.after = once(errConflict)
	_, err = r.step("up")
	r.must(err)
	u := r.expect("up", v1alpha1.ReasonUploading)
	if _, err := r.backend.ListParts(r.ctx, ref(u)); err != nil {
		t.Errorf("the recorded upload: %v", err)
	}
}

// A cache that is behind: the record that the pass sees is not opened yet, the real one is. That a
// process waits for its own writes is TestOwnWritesAreKnown; here another process has opened it,
// and the version that the write carries is what counts.
func TestStaleCacheDoesNotOpenTwice(t *testing.T) {
	r := newRig(t)
	r.create("up")
	_, err := r.step("up")
	r.must(err)
	stale := r.get("up")
	r.faults.cached = func() *v1alpha1.MultipartUpload { return stale }
	_, err = r.step("up")
	r.must(err)
	u := r.get("up")
	for range 3 {
		_, err := r.step("up")
		r.must(err)
	}
	if r.backend.Calls(memory.CreateUpload) == 1 {
		t.Error("the record is not looked at again")
	}
	if open := r.backend.OpenUploads(); len(open) != 1 || open[0].UploadRef != ref(u) {
		t.Errorf("%+v are open, recorded is %s", open, u.Status.UploadID)
	}
	if now := r.get("up"); now.ResourceVersion != u.ResourceVersion {
		t.Errorf("the record was written: %+v", now.Status)
	}
}

// Nothing is destroyed on the word of the cache alone.
func TestStaleCacheDoesNotAbort(t *testing.T) {
	for name, c := range map[string]struct {
		stale, live []testkit.UploadOption
		step        time.Duration
	}{
		"TTLRaisedMeanwhile":    {[]testkit.UploadOption{testkit.TTL(time.Hour)}, []testkit.UploadOption{testkit.TTL(9 * time.Hour)}, 2 * time.Hour},
		"CompletionWantedByNow": {[]testkit.UploadOption{testkit.TTL(time.Hour)}, []testkit.UploadOption{completed}, 2 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			u := r.open("up", c.stale...)
			r.part(u, 1, "ab")
			stale := r.get("up")
			r.edit("up", c.live...)
			r.clock.Step(c.step)
			r.faults.cached = func() *v1alpha1.MultipartUpload { return stale }
			_, err := r.step("up")
			r.must(err)
			r.expectOpen(1)
			if n := r.backend.Calls(memory.AbortUpload); n != 0 {
				t.Errorf("AbortUpload was called %d times", n)
			}
		})
	}
	t.Run("AnotherOfTheSameName", func(t *testing.T) {
		r := newRig(t)
		u := r.open("up", testkit.TTL(time.Hour))
		other := r.get("up")
		other.UID = "uid-of-the-one-before"
		r.clock.Step(2 * time.Hour)
		r.faults.cached = func() *v1alpha1.MultipartUpload { return other }
		_, err := r.step("up")
		r.must(err)
		if _, err := r.backend.ListParts(r.ctx, ref(u)); err != nil {
			t.Errorf("the upload: %v", err)
		}
	})
}

func TestStaleCacheDoesNotCollect(t *testing.T) {
	r := newRig(t)
	r.plant(0)
	r.create("up", testkit.OverREST())
	_, err := r.step("up")
	r.must(err)
	stale := r.get("up")
	r.backend.LoseObject(r.key())
	r.drive("up")
	r.expect("up", v1alpha1.ReasonUploading)
	r.clock.Step(time.Hour)
	r.faults.cached = func() *v1alpha1.MultipartUpload { return stale }
	_, err = r.step("up")
	r.must(err)
	if u := r.get("up"); u == nil || u.DeletionTimestamp != nil {
		t.Error("an open upload was collected")
	}
}

// An assembly that a crashed pass has begun ends while the next one looks: the file is there,
// nothing is lost.
func TestAssemblyEndsWhileThePassLooks(t *testing.T) {
	for _, op := range []memory.Operation{memory.ListParts, memory.Stat, memory.CompleteUpload} {
		t.Run("Before"+string(op), func(t *testing.T) {
			r := newRig(t)
			u := r.open("up")
			r.part(u, 1, "ab")
			parts, err := r.backend.ListParts(r.ctx, ref(u))
			r.must(err)
			r.edit("up", completed)
			finished := false
			r.backend.Inject(memory.Fault{Operation: op, Times: 1, Before: does(func() {
				finished = true
				if _, err := r.backend.CompleteUpload(r.ctx, ref(u), parts, filestore.Condition{}); err != nil {
					t.Error(err)
				}
			})})
			r.drive("up")
			u = r.expect("up", v1alpha1.ReasonCompleted)
			if !finished || *u.Status.Size != 2 {
				t.Errorf("finished %t, size %d", finished, *u.Status.Size)
			}
		})
	}
}

// The same while an abort is under way, after a completion that was taken for failed.
func TestAssemblyEndsWhileItIsAborted(t *testing.T) {
	r := newRig(t)
	u := r.open("up")
	r.part(u, 2, "cd")
	r.edit("up", completed)
	r.drive("up")
	r.expect("up", v1alpha1.ReasonPartsMissing)
	parts, err := r.backend.ListParts(r.ctx, ref(u))
	r.must(err)
	r.edit("up", aborted)
	r.backend.Inject(memory.Fault{Operation: memory.AbortUpload, Times: 1, Before: does(func() {
		_, _ = r.backend.CompleteUpload(r.ctx, ref(u), parts, filestore.Condition{})
	})})
	r.drive("up")
	r.expect("up", v1alpha1.ReasonCompleted)
}

// Backends answer a repeated completion with success or with an unknown upload; both are fine when
// the file is there.
func TestRepeatedCompletion(t *testing.T) {
	for _, succeeds := range []bool{false, true} {
		r := newRigWith(t, memory.Options{MinPartSize: -1, RepeatedComplete: succeeds})
		u := r.open("up")
		r.part(u, 1, "ab")
		r.edit("up", completed)
		r.faults.status = once(errCrash)
		if _, err := r.step("up"); err == nil {
			t.Fatal("the crash did not come")
		}
		if r.content() != "ab" {
			t.Fatal("nothing was assembled before the crash")
		}
		r.drive("up")
		u = r.expect("up", v1alpha1.ReasonCompleted)
		if *u.Status.Size != 2 || *u.Status.FileVersion != 0 {
			t.Errorf("status is %+v", u.Status)
		}
		r.expectEvents("Normal Initiated", "Normal Completed")
	}
}

// A completion whose answer is lost is looked after in the same pass: nobody is told of a failure
// that was none.
func TestLostAnswerOfACompletion(t *testing.T) {
	r := newRig(t)
	r.part(r.open("up"), 1, "ab")
	r.edit("up", completed)
	r.backend.Inject(memory.Fault{Operation: memory.CompleteUpload, Times: 1, After: memory.Fail(errDown)})
	_, err := r.step("up")
	r.must(err)
	r.expect("up", v1alpha1.ReasonCompleted)
	r.expectEvents("Normal Initiated", "Normal Completed")
}
