package controllers_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/memory"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

var (
	completed = testkit.Wanting(v1alpha1.DesiredStateCompleted)
	aborted   = testkit.Wanting(v1alpha1.DesiredStateAborted)
)

func TestInitiate(t *testing.T) {
	r := newRig(t, testkit.Prefixed("iot/"))
	r.create("up", testkit.IfMatch(3), func(u *v1alpha1.MultipartUpload) {
		u.Spec.Description, u.Spec.CreatedBy, u.Spec.ContentType = "a test", "app", "text/plain"
	})
	meta := upload.FileMetadata{Version: 3, CreatedBy: "somebody", Created: testkit.Epoch}
	r.backend.SetObject("iot/"+r.key(), []byte("old"), filestore.CreateUploadOptions{Metadata: meta.Encode()})
	old, err := r.backend.Stat(r.ctx, "iot/"+r.key())
	r.must(err)
	_, err = r.step("up")
	r.must(err)
	if u := r.get("up"); len(u.Finalizers) != 1 || u.Status.UploadID != "" {
		t.Errorf("after the first pass: finalizers %v, upload id %q", u.Finalizers, u.Status.UploadID)
	}
	r.expectOpen(0)
	wait := r.drive("up")
	u := r.expect("up", v1alpha1.ReasonUploading)
	if u.Status.ObjectKey != "iot/"+r.key() || u.Status.StoreName != r.store || *u.Status.FileVersion != 4 || u.Status.Phase != v1alpha1.PhaseUploading {
		t.Errorf("status is %+v", u.Status)
	}
	if !u.Status.ExpirationTime.Equal(ptr.To(metav1.NewTime(r.clock.Now().Add(48 * time.Hour)))) {
		t.Errorf("started %s, expires %s", u.Status.StartTime, u.Status.ExpirationTime)
	}
	if wait.RequeueAfter != upload.CheckInterval {
		t.Errorf("looks again in %s", wait.RequeueAfter)
	}
	r.expectOpen(1)
	r.expectEvents("Normal Initiated")
	if n := r.backend.Calls(memory.CreateUpload); n != 1 {
		t.Errorf("CreateUpload was called %d times", n)
	}

	r.part(u, 1, "new")
	r.edit("up", completed)
	r.drive("up")
	stored, err := r.backend.Stat(r.ctx, "iot/"+r.key())
	r.must(err)
	got := upload.DecodeFileMetadata(stored.Metadata)
	want := upload.FileMetadata{Version: 4, Owner: u.UID, Description: "a test", Created: testkit.Epoch, CreatedBy: "somebody", Replaced: got.Replaced, UpdatedBy: "app"}
	if replaced := old.Modified.Truncate(time.Second); !got.Replaced.Truncate(time.Second).Equal(replaced) {
		t.Errorf("takes the place of the version of %s, want %s", got.Replaced, replaced)
	}
	if got != want || stored.ContentType != "text/plain" {
		t.Errorf("stored with %+v as %s, want %+v", got, stored.ContentType, want)
	}
}

func TestComplete(t *testing.T) {
	r := newRig(t)
	u := r.open("up", testkit.FinalPart(3))
	r.part(u, 2, "cd")
	r.part(u, 1, "ab")
	r.part(u, 3, "e")
	r.edit("up", completed)
	if wait := r.drive("up"); wait.RequeueAfter != 0 {
		t.Errorf("looks again in %s, though a manifest's record stays", wait.RequeueAfter)
	}
	u = r.expect("up", v1alpha1.ReasonCompleted)
	if *u.Status.Size != 5 || !strings.HasPrefix(u.Status.Checksum, "crc64nvme:") || *u.Status.FileVersion != 0 || *u.Status.Progress.Parts != 3 || *u.Status.Progress.Bytes != 5 {
		t.Errorf("status is %+v", u.Status)
	}
	if got := r.content(); got != "abcde" {
		t.Errorf("the file is %q", got)
	}
	if len(u.Finalizers) != 0 || stalled(u) {
		t.Errorf("finalizers %v, stalled %t", u.Finalizers, stalled(u))
	}
	r.expectOpen(0)
	r.expectEvents("Normal Initiated", "Normal Completed")
	r.drive("up")
	if n := r.backend.Calls(memory.CompleteUpload); n != 1 {
		t.Errorf("CompleteUpload was called %d times", n)
	}
	r.delete("up")
	if u := r.get("up"); u != nil {
		t.Errorf("the record of a finished upload is held by %v", u.Finalizers)
	}
	if got := r.content(); got != "abcde" {
		t.Errorf("after its record was deleted, the file is %q", got)
	}
}

// The end of a process does not cut an assembly: MinIO loses the parts then. The pass is over at
// once, and the next leader finds the file.
func TestAssemblyOutlivesItsPass(t *testing.T) {
	r := newRig(t)
	u := r.open("up")
	r.part(u, 1, "ab")
	r.edit("up", completed)
	hold := make(chan struct{})
	r.backend.Inject(memory.Fault{Operation: memory.CompleteUpload, Times: 1, Before: memory.WaitFor(hold)})
	ctx, cut := context.WithCancel(r.ctx)
	passed := make(chan struct{})
	go func() {
		defer close(passed)
		_, _ = r.uploads.Reconcile(ctx, reconcile.Request{NamespacedName: client.ObjectKey{Namespace: r.ns, Name: "up"}})
	}()
	testkit.Eventually(t, func() error {
		if r.backend.Calls(memory.CompleteUpload) == 0 {
			return errors.New("nothing is assembled yet")
		}
		return nil
	})
	cut()
	<-passed
	soon, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if r.uploads.Assemblies.Wait(soon); soon.Err() == nil {
		t.Error("the request was cut with its pass")
	}
	close(hold)
	r.uploads.Assemblies.Wait(t.Context())
	if got := r.content(); got != "ab" {
		t.Errorf("the file is %q", got)
	}
	r.drive("up")
	r.expect("up", v1alpha1.ReasonCompleted)
	if n := r.backend.Calls(memory.CompleteUpload); n != 1 {
		t.Errorf("it was assembled %d times", n)
	}
}

// A file that takes long to assemble is shown as being assembled, and the end is recorded all the
// same.
func TestCompleteSlowly(t *testing.T) {
	r := newRig(t)
	u := r.open("up")
	r.part(u, 1, "ab")
	r.edit("up", completed)
	assembled := make(chan struct{})
	r.backend.Inject(memory.Fault{Operation: memory.CompleteUpload, Before: memory.WaitFor(assembled)})
	done := make(chan struct{})
	go func() {
		defer close(done)
		if _, err := r.step("up"); err != nil {
			t.Error(err)
		}
	}()
	testkit.Eventually(t, func() error {
		if r.clock.HasWaiters() {
			r.clock.Step(2 * time.Second)
		}
		return phaseIs(r.get("up"), v1alpha1.PhaseCompleting)
	})
	r.expect("up", v1alpha1.ReasonCompleting)
	close(assembled)
	<-done
	r.drive("up")
	r.expect("up", v1alpha1.ReasonCompleted)
	r.expectEvents("Normal Initiated", "Normal Completed")
}

func phaseIs(u *v1alpha1.MultipartUpload, want v1alpha1.UploadPhase) error {
	if u == nil || u.Status.Phase != want {
		return errNotYet
	}
	return nil
}

func TestAbort(t *testing.T) {
	r := newRig(t)
	u := r.open("up")
	r.part(u, 1, "ab")
	r.edit("up", aborted)
	r.drive("up")
	u = r.expect("up", v1alpha1.ReasonAborted)
	if !stalled(u) || u.Status.Phase != v1alpha1.PhaseAborted || len(u.Finalizers) != 0 {
		t.Errorf("stalled %t, phase %s, finalizers %v", stalled(u), u.Status.Phase, u.Finalizers)
	}
	r.expectOpen(0)
	r.expectEvents("Normal Initiated", "Normal Aborted")
}

func TestAbortBeforeItWasOpened(t *testing.T) {
	r := newRig(t)
	r.create("up", aborted)
	r.drive("up")
	r.expect("up", v1alpha1.ReasonAborted)
	if n := r.backend.Calls(memory.CreateUpload); n != 0 {
		t.Errorf("CreateUpload was called %d times", n)
	}
}

// Parts that are on their way: one that lands after the abort brings the upload back on
// some backends.
func TestAbortWhileAPartIsInFlight(t *testing.T) {
	r := newRigWith(t, memory.Options{MinPartSize: -1, LateParts: memory.LatePartsResurrect})
	u := r.open("up")
	body, bytes := newSlowBody()
	landed := make(chan error)
	go func() {
		_, err := r.backend.PutPart(r.ctx, ref(u), 1, body, 2)
		landed <- err
	}()
	<-body.started
	r.backend.Inject(memory.Fault{Operation: memory.AbortUpload, Times: 1, After: func(context.Context) error {
		bytes <- "ab"
		return <-landed
	}})
	r.edit("up", aborted)
	r.fence("up")
	_, err := r.step("up")
	r.must(err)
	r.expect("up", v1alpha1.ReasonAborting)
	r.drive("up")
	r.expect("up", v1alpha1.ReasonAborted)
	r.expectOpen(0)
	if n := r.backend.Calls(memory.AbortUpload); n != 2 {
		t.Errorf("AbortUpload was called %d times", n)
	}
}

func TestExpireRule4(t *testing.T) {
	r := newRig(t)
	u := r.open("up", testkit.TTL(time.Hour))
	r.part(u, 1, "ab")
	r.clock.Step(time.Hour - time.Minute)
	if wait := r.drive("up"); wait.RequeueAfter != time.Minute+upload.FenceDelay {
		t.Errorf("a minute before it expires it looks again in %s", wait.RequeueAfter)
	}
	r.expect("up", v1alpha1.ReasonUploading)
	r.expectOpen(1)
	r.clock.Step(time.Minute)
	r.drive("up")
	u = r.expect("up", v1alpha1.ReasonExpired)
	if u.Status.Phase != v1alpha1.PhaseExpired || !stalled(u) {
		t.Errorf("phase %s, stalled %t", u.Status.Phase, stalled(u))
	}
	r.expectOpen(0)
	r.expectEvents("Normal Initiated", "Warning Expired")
	again := r.open("again")
	if again.Status.ObjectKey != u.Status.ObjectKey {
		t.Error("the path is not free again")
	}
}

func TestTTLMayBeChanged(t *testing.T) {
	r := newRig(t)
	r.open("up", testkit.TTL(time.Hour))
	r.edit("up", testkit.TTL(3*time.Hour))
	r.drive("up")
	r.clock.Step(2 * time.Hour)
	r.drive("up")
	r.expect("up", v1alpha1.ReasonUploading)
	r.edit("up", testkit.TTL(time.Hour))
	r.drive("up")
	r.expect("up", v1alpha1.ReasonExpired)
}

func TestDelete(t *testing.T) {
	r := newRig(t)
	u := r.open("up")
	r.part(u, 1, "ab")
	r.delete("up")
	if r.get("up") == nil {
		t.Fatal("the record went before its parts")
	}
	r.drive("up")
	if u := r.get("up"); u != nil {
		t.Errorf("the record stays: %+v", u.Status)
	}
	r.expectOpen(0)
}

func TestDeleteWhileCompleting(t *testing.T) {
	r := newRig(t)
	u := r.open("up")
	r.part(u, 1, "ab")
	r.edit("up", completed)
	r.delete("up")
	r.drive("up")
	if r.get("up") != nil || r.content() != "ab" {
		t.Errorf("record gone: %t, the file is %q", r.get("up") == nil, r.content())
	}
}

func TestDeleteBeforeItWasOpened(t *testing.T) {
	r := newRig(t)
	r.create("up")
	_, err := r.step("up")
	r.must(err)
	r.delete("up")
	r.drive("up")
	if r.get("up") != nil || r.backend.Calls(memory.CreateUpload) != 0 {
		t.Error("the record stays, or an upload was opened")
	}
}

func TestLost(t *testing.T) {
	r := newRig(t)
	u := r.open("up")
	r.backend.LoseUpload(ref(u))
	r.drive("up")
	r.expect("up", v1alpha1.ReasonUploading) // it is not compared all the time
	r.clock.Step(upload.CheckInterval)
	r.drive("up")
	u = r.expect("up", v1alpha1.ReasonUploadLost)
	if !stalled(u) {
		t.Error("not stalled")
	}
	r.expectEvents("Normal Initiated", "Warning UploadLost")
	r.open("again")
}

func TestCollection(t *testing.T) {
	r := newRig(t, testkit.FinishedTTL(30*time.Minute))
	for _, name := range []string{"rest", "manifest"} {
		options := []testkit.UploadOption{testkit.ForFile(testkit.Entity, name)}
		if name == "rest" {
			options = append(options, testkit.OverREST())
		}
		u := r.open(name, options...)
		r.part(u, 1, "ab")
		r.edit(name, completed)
	}
	if wait := r.drive("rest"); wait.RequeueAfter != 30*time.Minute {
		t.Errorf("the finished record is looked at again in %s", wait.RequeueAfter)
	}
	r.drive("manifest")
	r.clock.Step(29 * time.Minute)
	r.drive("rest")
	r.expect("rest", v1alpha1.ReasonCompleted)
	r.clock.Step(time.Minute)
	r.drive("rest")
	r.drive("manifest")
	if r.get("rest") != nil {
		t.Error("the record of an upload over REST stays beyond finishedTTL")
	}
	r.clock.Step(1000 * time.Hour)
	r.drive("manifest")
	r.expect("manifest", v1alpha1.ReasonCompleted)
}

// Whoever asked over REST has long been answered: a record that could not be opened does not keep
// its path.
func TestCollectionOfWhatCouldNotBeOpened(t *testing.T) {
	r := newRig(t)
	r.plant(0)
	r.create("rest", testkit.OverREST())
	r.drive("rest")
	r.expect("rest", v1alpha1.ReasonVersionConflict)
	r.clock.Step(upload.AbandonedAfter + time.Second)
	r.drive("rest")
	if r.get("rest") != nil {
		t.Error("the record stays")
	}
}

// What somebody else's finalizer holds stays quiet.
func TestForeignFinalizer(t *testing.T) {
	r := newRig(t)
	u := r.open("up", func(u *v1alpha1.MultipartUpload) { u.Finalizers = []string{"example.org/keep"} })
	r.part(u, 1, "ab")
	r.delete("up")
	if wait := r.drive("up"); wait.RequeueAfter != 0 {
		t.Errorf("looks again in %s", wait.RequeueAfter)
	}
	u = r.expect("up", v1alpha1.ReasonAborted)
	if len(u.Finalizers) != 1 {
		t.Errorf("finalizers are %v", u.Finalizers)
	}
	r.expectOpen(0)
	u.Finalizers = nil
	r.must(r.direct.Update(r.ctx, u))
}

func (r *rig) labelNamespace(key, value string) {
	r.t.Helper()
	ns := &corev1.Namespace{}
	r.must(r.direct.Get(r.ctx, client.ObjectKey{Name: r.ns}, ns))
	changed := ns.DeepCopy()
	changed.Labels[key] = value
	r.must(r.direct.Patch(r.ctx, changed, client.MergeFrom(ns)))
}
