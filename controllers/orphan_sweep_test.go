package controllers_test

import (
	"testing"
	"time"

	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/memory"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

// sweepOnce runs the orphan sweep over the rig's store.
func (r *rig) sweepOnce() reconcile.Result {
	r.t.Helper()
	result, err := r.sweep.Reconcile(r.ctx, reconcile.Request{NamespacedName: client.ObjectKey{Name: r.store}})
	r.must(err)
	return result
}

// leak opens an upload that no record knows.
func (r *rig) leak(key string) filestore.UploadRef {
	r.t.Helper()
	id, err := r.backend.CreateUpload(r.ctx, key, filestore.CreateUploadOptions{})
	r.must(err)
	return filestore.UploadRef{Key: key, UploadID: id}
}

func (r *rig) isOpen(ref filestore.UploadRef) bool {
	for _, u := range r.backend.OpenUploads() {
		if u.UploadRef == ref {
			return true
		}
	}
	return false
}

func TestSweepAborts(t *testing.T) {
	r := newRig(t, testkit.Orphans(v1alpha1.OrphanPolicyAbort), testkit.Prefixed("iot/"))
	owned := r.open("up")
	entity := testkit.Entity + "/"
	foreign := []filestore.UploadRef{
		r.leak("elsewhere/" + entity + "x"),           // not under the prefix
		r.leak("iot/" + r.ns + "/backups/x"),          // not an entity
		r.leak("iot/Team/" + entity + "x"),            // not a namespace
		r.leak("iot/" + entity + "x"),                 // no namespace
		r.leak("iot/sub/" + r.ns + "/" + entity + ""), // of another store with a longer prefix, perhaps
		r.leak("iot/.iotfile-probe/x"),
	}
	orphans := []filestore.UploadRef{r.leak("iot/" + r.key()), r.leak("iot/gone-namespace/" + entity + "deep/path.bin")}
	r.clock.Step(time.Hour + time.Second)
	young := r.leak("iot/" + r.key())

	result := r.sweepOnce()
	if result.RequeueAfter != time.Hour {
		t.Errorf("sweeps again in %s", result.RequeueAfter)
	}
	for _, ref := range append(foreign, ref(owned), young) {
		if !r.isOpen(ref) {
			t.Errorf("%+v was aborted", ref)
		}
	}
	for _, ref := range orphans {
		if r.isOpen(ref) {
			t.Errorf("%+v was left", ref)
		}
	}
	if last := r.events.all[len(r.events.all)-1]; !containsAny(last, "Warning OrphanFound Abort: 2 uploads") {
		t.Errorf("the last event is %q", last)
	}
	events := len(r.events.all)
	r.sweepOnce()
	if len(r.events.all) != events {
		t.Error("an event, though there was nothing to do")
	}
	r.clock.Step(time.Hour)
	r.sweepOnce()
	if !r.isOpen(young) {
		t.Error("the young one was aborted in the last moment of its grace")
	}
	r.clock.Step(time.Second)
	r.sweepOnce()
	if r.isOpen(young) {
		t.Error("when its grace was over, the young one was left")
	}
}

func TestSweepReports(t *testing.T) {
	r := newRig(t, testkit.Orphans(v1alpha1.OrphanPolicyReport))
	orphan := r.leak(r.key())
	r.clock.Step(2 * time.Hour)
	r.sweepOnce()
	if !r.isOpen(orphan) || r.backend.Calls(memory.AbortUpload) != 0 {
		t.Error("the orphan was aborted")
	}
	if last := r.events.all[len(r.events.all)-1]; !containsAny(last, "Warning OrphanFound Report: 1 uploads") {
		t.Errorf("the last event is %q", last)
	}
	if n := r.fileStore().Status.Orphans; n == nil || *n != 1 {
		t.Errorf("the status tells of %v orphans", n)
	}
	r.must(r.backend.AbortUpload(r.ctx, orphan))
	r.sweepOnce()
	if n := r.fileStore().Status.Orphans; n == nil || *n != 0 {
		t.Errorf("when it is gone, the status tells of %v orphans", n)
	}
}

// Auto, the default, aborts where this cluster was the first to use the prefix, and only reports
// elsewhere.
func TestSweepAuto(t *testing.T) {
	claimedBy := func(id string) memory.Options {
		compares := map[string]*bool{"nobody can": ptr.To(false), "nobody knows": nil}
		caps := v1alpha1.FileStoreCapabilities{ConditionalPut: ptr.To(true), UploadListing: v1alpha1.UploadListingPrefix}
		if found, odd := compares[id]; odd {
			caps.ConditionalPut = found
		}
		return memory.Options{MinPartSize: -1, Capabilities: caps}
	}
	for id, want := range map[string]v1alpha1.OrphanPolicy{
		"":                v1alpha1.OrphanPolicyAbort,
		"another-cluster": v1alpha1.OrphanPolicyReport,
		"nobody can":      v1alpha1.OrphanPolicyReport,
		"nobody knows":    v1alpha1.OrphanPolicyReport,
	} {
		t.Run(id, func(t *testing.T) {
			r := newRigWith(t, claimedBy(id))
			if id == "another-cluster" {
				r.backend.SetObject(filestore.ClaimKey, []byte("x"), filestore.CreateUploadOptions{Metadata: map[string]string{filestore.ClaimMetadata: id}})
				r.clock.Step(time.Hour)
				r.probe()
			}
			if got := r.fileStore().Status.OrphanPolicy; got != want {
				t.Errorf("the policy comes to %q, want %q", got, want)
			}
			orphan := r.leak(r.key())
			r.clock.Step(2 * time.Hour)
			r.sweepOnce()
			if aborted := !r.isOpen(orphan); aborted != (want == v1alpha1.OrphanPolicyAbort) {
				t.Errorf("aborted: %v", aborted)
			}
		})
	}
}

// Orphans count against the limit of open uploads: who could have uploads forgotten would else have
// none.
func TestOrphansCountAgainstTheLimit(t *testing.T) {
	r := newRig(t, testkit.Orphans(v1alpha1.OrphanPolicyReport), testkit.AtMostOpen(1))
	orphan := r.leak(r.key())
	r.clock.Step(2 * time.Hour)
	r.sweepOnce()
	r.create("up")
	r.drive("up")
	r.expect("up", v1alpha1.ReasonTooManyOpenUploads)
	r.must(r.backend.AbortUpload(r.ctx, orphan))
	r.sweepOnce()
	r.drive("up")
	r.expect("up", v1alpha1.ReasonUploading)
}

// The cache does not show the record yet; the API server does.
func TestSweepBelievesTheAPIServer(t *testing.T) {
	r := newRig(t, testkit.Orphans(v1alpha1.OrphanPolicyAbort))
	u := r.open("up")
	r.faults.hidden = func(*v1alpha1.MultipartUpload) bool { return true }
	r.clock.Step(2 * time.Hour)
	r.sweepOnce()
	if !r.isOpen(ref(u)) {
		t.Error("an upload that a record owns was aborted")
	}
}

func TestSweepOfABackendThatListsExactKeys(t *testing.T) {
	r := newRigWith(t, memory.Options{MinPartSize: -1, Capabilities: v1alpha1.FileStoreCapabilities{
		PayloadMode: v1alpha1.PayloadSignedChunks, UploadListing: v1alpha1.UploadListingExactKey,
	}}, testkit.Orphans(v1alpha1.OrphanPolicyAbort))
	u := r.open("up")
	r.create("waiting", testkit.ForFile(testkit.Entity, "waiting.bin"), testkit.IfMatch(7)) // for a version that will not come
	r.drive("waiting")
	r.expect("waiting", v1alpha1.ReasonVersionConflict)
	r.create("elsewhere", testkit.ForFile(testkit.Entity, "elsewhere.bin"), testkit.InStore("another"))
	key := func(path string) string { return r.ns + "/" + testkit.Entity + "/" + path }
	known, unrecorded := r.leak(u.Status.ObjectKey), r.leak(key("waiting.bin"))
	unknown, elsewhere := r.leak("other/"+testkit.Entity+"/x"), r.leak(key("elsewhere.bin"))
	r.clock.Step(2 * time.Hour)
	r.sweepOnce()
	if r.isOpen(known) || r.isOpen(unrecorded) || !r.isOpen(unknown) || !r.isOpen(elsewhere) || !r.isOpen(ref(u)) {
		t.Errorf("open are %+v", r.backend.OpenUploads())
	}
	if n := r.backend.Calls(memory.ListUploads); n != 2 {
		t.Errorf("listed %d times, and not by the two keys alone", n)
	}
}

func TestSweepOfABackendThatListsNothing(t *testing.T) {
	r := newRigWith(t, memory.Options{MinPartSize: -1, Capabilities: v1alpha1.FileStoreCapabilities{
		PayloadMode: v1alpha1.PayloadSignedChunks, UploadListing: v1alpha1.UploadListingNone,
	}}, testkit.Orphans(v1alpha1.OrphanPolicyAbort))
	r.leak(r.key())
	r.clock.Step(2 * time.Hour)
	r.sweepOnce()
	if n := r.backend.Calls(memory.ListUploads); n != 0 {
		t.Errorf("listed %d times", n)
	}
	r.expectOpen(1)
}

// One orphan that cannot be aborted does not keep the others, and is tried again.
func TestSweepGoesOn(t *testing.T) {
	r := newRig(t, testkit.Orphans(v1alpha1.OrphanPolicyAbort))
	stubborn, other := r.leak("a/"+testkit.Entity+"/x"), r.leak("b/"+testkit.Entity+"/x")
	r.clock.Step(2 * time.Hour)
	remove := r.backend.Inject(memory.Fault{Operation: memory.AbortUpload, Key: stubborn.Key, Before: memory.Fail(errDown)})
	result, err := r.sweep.Reconcile(r.ctx, reconcile.Request{NamespacedName: client.ObjectKey{Name: r.store}})
	if err == nil || result != (reconcile.Result{}) {
		t.Errorf("result %+v, error %v", result, err)
	}
	if !r.isOpen(stubborn) || r.isOpen(other) {
		t.Errorf("open are %+v", r.backend.OpenUploads())
	}
	remove()
	r.sweepOnce()
	r.expectOpen(0)
}

func TestSweepWaitsForTheStore(t *testing.T) {
	r := newRig(t, testkit.Orphans(v1alpha1.OrphanPolicyAbort))
	r.leak(r.key())
	r.clock.Step(2 * time.Hour)
	comesBack := r.storeGoesAway()
	if result := r.sweepOnce(); result.RequeueAfter > time.Minute {
		t.Errorf("looks again in %s", result.RequeueAfter)
	}
	if n := r.backend.Calls(memory.ListUploads); n != 0 {
		t.Errorf("listed %d times", n)
	}
	comesBack()
	r.clock.Step(time.Minute)
	r.probe()
	r.sweepOnce()
	r.expectOpen(0)
}

// A part that lands after its upload has ended brings the upload back on some backends, under its
// old id.
func TestSweepOfWhatLandedLate(t *testing.T) {
	r := newRigWith(t, memory.Options{MinPartSize: -1, LateParts: memory.LatePartsResurrect}, testkit.Orphans(v1alpha1.OrphanPolicyAbort))
	u := r.open("up")
	body, bytes := newSlowBody()
	landed := make(chan error)
	go func() {
		_, err := r.backend.PutPart(r.ctx, ref(u), 1, body, 2)
		landed <- err
	}()
	<-body.started
	r.edit("up", aborted)
	r.drive("up")
	r.expect("up", v1alpha1.ReasonAborted)
	r.expectOpen(0)
	bytes <- "ab"
	r.must(<-landed)
	if !r.isOpen(ref(u)) {
		t.Fatal("the upload is not back")
	}
	r.clock.Step(2 * time.Hour)
	r.sweepOnce()
	r.expectOpen(0)
}
