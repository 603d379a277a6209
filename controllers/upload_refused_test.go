package controllers_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/controllers/abortagain"
	"github.com/iotfile-operator/iotfile-operator/controllers/reconciler"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/memory"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// answers are what a proxy, or a backend that cannot assemble the file, says to
// CompleteMultipartUpload alone.
var answers = map[string]error{
	"InternalError":  &filestore.Error{Op: "CompleteMultipartUpload", Kind: filestore.ErrUnavailable, Cause: errors.New("500"), Status: 500},
	"AccessDenied":   &filestore.Error{Op: "CompleteMultipartUpload", Kind: filestore.ErrAccessDenied, Cause: errors.New("403"), Status: 403},
	"NotImplemented": &filestore.Error{Op: "CompleteMultipartUpload", Kind: filestore.ErrRejected, Cause: errors.New("501"), Status: 501},
	"Precondition":   &filestore.Error{Op: "CompleteMultipartUpload", Kind: filestore.ErrPrecondition, Cause: errors.New("412"), Status: 412},
}

// refusing is an upload of one part that is to be completed, and never can be.
func refusing(t *testing.T, answer error) (r *rig, heal func()) {
	t.Helper()
	r = newRig(t)
	u := r.open("up", testkit.TTL(2*time.Hour))
	r.part(u, 1, "ab")
	heal = r.backend.Inject(memory.Fault{Operation: memory.CompleteUpload, Before: memory.Fail(answer)})
	r.edit("up", completed)
	return r, heal
}

// Nothing is retried for ever: a definite No ends the upload when its time is over.
func TestRefusedCompletionExpires(t *testing.T) {
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			r, _ := refusing(t, answer)
			for range 3 {
				_, err := r.step("up")
				r.must(err)
			}
			r.clock.Step(2*time.Hour + upload.FenceDelay)
			r.drive("up")
			r.expect("up", v1alpha1.ReasonExpired)
			r.expectOpen(0)
		})
	}
}

// The deletion of the record ends it at once.
func TestRefusedCompletionIsDeleted(t *testing.T) {
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			r, _ := refusing(t, answer)
			_, err := r.step("up")
			r.must(err)
			r.delete("up")
			r.drive("up")
			if u := r.get("up"); u != nil {
				t.Errorf("the record stays: %+v", u.Status.Conditions)
			}
			r.expectOpen(0)
		})
	}
}

// It is asked again less and less often, says so after a minute, can be aborted then, and succeeds
// when the backend does.
func TestRefusedCompletionIsAskedAgain(t *testing.T) {
	r, heal := refusing(t, answers["InternalError"])
	var pauses []time.Duration
	for range 8 {
		result, err := r.step("up")
		r.must(err)
		pauses = append(pauses, result.RequeueAfter)
		r.clock.Step(result.RequeueAfter)
	}
	for i := 1; i < len(pauses); i++ {
		if pauses[i] < pauses[i-1] || pauses[i] > 5*time.Minute {
			t.Fatalf("the pauses are %v", pauses)
		}
	}
	if pauses[0] != 5*time.Second || pauses[7] != 5*time.Minute {
		t.Errorf("the pauses are %v", pauses)
	}
	if u := r.expect("up", v1alpha1.ReasonCompletionRefused); !stalled(u) {
		t.Error("it does not say that it cannot go on")
	}
	heal()
	r.drive("up")
	r.expect("up", v1alpha1.ReasonCompleted)
}

// It can be aborted when it says so.
func TestRefusedCompletionIsAborted(t *testing.T) {
	r, _ := refusing(t, answers["InternalError"])
	for range 6 {
		result, err := r.step("up")
		r.must(err)
		r.clock.Step(result.RequeueAfter)
	}
	r.expect("up", v1alpha1.ReasonCompletionRefused)
	r.edit("up", aborted)
	r.drive("up")
	r.expect("up", v1alpha1.ReasonAborted)
	r.expectOpen(0)
}

// A time-out is no answer: what may have been assembled is not aborted.
func TestUnansweredCompletionIsNotAborted(t *testing.T) {
	r, _ := refusing(t, &filestore.Error{Op: "CompleteMultipartUpload", Kind: filestore.ErrUnavailable, Cause: errors.New("timeout")})
	_, err := r.step("up")
	r.must(err)
	r.clock.Step(3 * time.Hour)
	_, err = r.step("up")
	r.must(err)
	r.expect("up", v1alpha1.ReasonStoreUnavailable)
	r.expectOpen(1)
}

// An upload that object storage does not open says so after ten seconds, is asked for again less
// and less often, can be aborted meanwhile, and is opened when the backend does.
func TestRefusedOpening(t *testing.T) {
	refused := func(t *testing.T) (r *rig, heal func()) {
		r = newRig(t)
		answer := &filestore.Error{Op: "CreateMultipartUpload", Kind: filestore.ErrUnavailable, Cause: errors.New("500"), Status: 500}
		heal = r.backend.Inject(memory.Fault{Operation: memory.CreateUpload, Before: memory.Fail(answer)})
		r.create("up")
		_, err := r.step("up")
		r.must(err)
		var pauses []time.Duration
		for range 6 {
			if u := r.get("up"); stalled(u) != (len(pauses) > 2) {
				t.Errorf("after pauses of %v: %+v", pauses, u.Status.Conditions)
			}
			result, err := r.step("up")
			r.must(err)
			pauses = append(pauses, result.RequeueAfter)
			r.clock.Step(result.RequeueAfter)
		}
		if pauses[0] != 5*time.Second || pauses[5] != 160*time.Second {
			t.Errorf("the pauses are %v", pauses)
		}
		r.expect("up", v1alpha1.ReasonOpeningRefused)
		return r, heal
	}
	t.Run("Heals", func(t *testing.T) {
		r, heal := refused(t)
		heal()
		r.drive("up")
		r.expect("up", v1alpha1.ReasonUploading)
		r.expectOpen(1)
	})
	t.Run("Aborted", func(t *testing.T) {
		r, _ := refused(t)
		r.edit("up", aborted)
		r.drive("up")
		r.expect("up", v1alpha1.ReasonAborted)
		r.expectOpen(0)
	})
	// What asks to come again, such as a busy store, is no answer.
	t.Run("Busy", func(t *testing.T) {
		r := newRig(t)
		busy := &filestore.Error{Op: "CreateMultipartUpload", Kind: filestore.ErrUnavailable, Cause: errors.New("503"), Status: 503}
		r.backend.Inject(memory.Fault{Operation: memory.CreateUpload, Before: memory.Fail(busy)})
		r.create("up")
		for range 5 {
			_, err := r.step("up")
			r.must(err)
			r.clock.Step(time.Minute)
		}
		if u := r.expect("up", v1alpha1.ReasonStoreUnavailable); stalled(u) {
			t.Error("stalled")
		}
	})
}

// A record that was restored from a backup, without its status, is not opened anew: its parts are
// not known any more.
func TestRestoredRecordIsNotOpened(t *testing.T) {
	r := newRig(t)
	now := time.Now() // by which the API server dates records
	r.create("up", testkit.RequestedAt(now.Add(-time.Hour)))
	r.drive("up")
	r.expect("up", v1alpha1.ReasonUploadLost)
	r.expectOpen(0)
	r.create("other", testkit.RequestedAt(now.Add(-time.Minute)))
	r.drive("other")
	r.expect("other", v1alpha1.ReasonUploading)
}

// Versions begin at 0 again after a deletion: the ETag tells that it is another file.
func TestReplacedFileOfTheSameVersion(t *testing.T) {
	r := newRig(t)
	r.plant(0)
	u := r.open("up", testkit.IfMatch(0))
	r.part(u, 1, "ab")
	if u.Status.BaseETag == "" {
		t.Fatal("the status does not say what is replaced")
	}
	r.must(r.backend.DeleteObject(r.ctx, r.key()))
	meta := upload.FileMetadata{Version: 0, Owner: "uid-of-a-third"}
	r.backend.SetObject(r.key(), []byte("another file"), filestore.CreateUploadOptions{Metadata: meta.Encode()})
	r.edit("up", completed)
	r.drive("up")
	r.expect("up", v1alpha1.ReasonVersionConflict)
	if got := r.content(); got != "another file" {
		t.Errorf("the file is %q", got)
	}
	r.edit("up", aborted)
	r.drive("up")
	r.expectOpen(0)
}

// yesman says that it has assembled the file, and has not.
type yesman struct{ reconciler.Store }

func (yesman) CompleteUpload(context.Context, filestore.UploadRef, []filestore.Part, filestore.Condition) (filestore.Object, error) {
	return filestore.Object{ETag: "x"}, nil
}

func (y yesman) Get(context.Context, string) (reconciler.Store, error) { return y, nil }

// A Yes without a checksum is not believed of a store that gives checksums, unless the file is
// there.
func TestFileThatIsNotThere(t *testing.T) {
	r := newRig(t)
	u := r.open("up")
	r.part(u, 1, "ab")
	r.uploads.Stores = yesman{r.backend}
	r.edit("up", completed)
	r.drive("up")
	if u := r.expect("up", v1alpha1.ReasonUploadLost); !stalled(u) {
		t.Error("it does not say that it cannot go on")
	}
	// What is left of it is aborted a minute later.
	r.clock.Step(2 * time.Minute)
	again := &abortagain.Runner{Log: r.uploads.Ended, Client: r.direct, Stores: r.uploads.Stores, Clock: r.clock}
	r.must(again.Pass(r.ctx))
	r.expectOpen(0)
}
