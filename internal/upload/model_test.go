package upload_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// disturbance is what goes wrong with one pass of the reconciler.
type disturbance string

const (
	undisturbed disturbance = ""
	crashBefore disturbance = "crash before the effect"
	crashAfter  disturbance = "crash between the effect and its record"
	storeDown   disturbance = "object storage cannot be reached"
	staleRecord disturbance = "the cached record is one write old"
	staleTwice  disturbance = "the cached record is two writes old"
)

// scenario is what the owner of an upload does, what the world is like, and which pass is
// disturbed.
type scenario struct {
	rest, fileExists, ifMatch, allParts bool
	desired                             v1alpha1.DesiredState
	deletedEarly, deleted               bool // before it was opened; together with desired
	lost                                bool // the backend reaps the upload by itself
	lateParts                           bool // a part in flight brings the upload back after its first abort
	disturbed                           int  // number of the pass
	by                                  disturbance
}

// world is a cluster with one record and a backend with one key.
type world struct {
	scenario
	t       *testing.T
	now     time.Time
	record  *v1alpha1.MultipartUpload   // nil once it is gone
	history []*v1alpha1.MultipartUpload // every version of it
	reason  string                      // that the last write of its status told of
	parts   map[string][]upload.Part    // by upload id, of those that are open
	file    upload.Object
	created int
	passes  int
	orphans int // uploads that a crash left without a record: the sweep's
	done    int // completions that had an effect
}

// TestModel drives Decide through every combination of a scenario until nothing more happens, and
// looks at what came of it.
func TestModel(t *testing.T) {
	yesNo := []bool{false, true}
	runs := 0
	for i := range 1 << 8 {
		bit := func(n int) bool { return yesNo[i>>n&1] }
		for _, desired := range []v1alpha1.DesiredState{v1alpha1.DesiredStateUploading, v1alpha1.DesiredStateCompleted, v1alpha1.DesiredStateAborted} {
			s := scenario{rest: bit(0), fileExists: bit(1), ifMatch: bit(2), allParts: bit(3), deletedEarly: bit(4), deleted: bit(5), lost: bit(6), lateParts: bit(7), desired: desired}
			for _, s.by = range []disturbance{undisturbed, crashBefore, crashAfter, storeDown, staleRecord, staleTwice} {
				last := 8
				if s.by == undisturbed {
					last = 0
				}
				for s.disturbed = 0; s.disturbed <= last; s.disturbed++ {
					runScenario(t, s)
					runs++
				}
			}
		}
	}
	t.Logf("%d runs", runs)
}

func runScenario(t *testing.T, s scenario) {
	t.Helper()
	w := &world{scenario: s, t: t, now: testkit.Epoch, parts: map[string][]upload.Part{}}
	defer func() {
		if t.Failed() {
			t.Fatalf("in %+v", s)
		}
	}()
	if s.fileExists {
		w.file = *object(0, "uid-of-another")
	}
	options := []testkit.UploadOption{}
	if s.rest {
		options = append(options, testkit.OverREST())
	}
	if s.ifMatch {
		options = append(options, testkit.IfMatch(0))
	}
	w.write(nil, testkit.Upload(options...), "")
	w.pass()
	if s.deletedEarly {
		w.delete()
	}
	w.drive(5, w.now.Add(time.Minute))
	w.ownerActs()
	w.drive(60, testkit.Epoch.Add(100*time.Hour))
	w.checkEnd()
}

// ownerActs sends parts and says what is to become of the upload.
func (w *world) ownerActs() {
	if w.record == nil {
		return
	}
	if id := w.record.Status.UploadID; id != "" {
		w.parts[id] = parts(1, 2).Parts
		if !w.allParts {
			w.parts[id] = parts(2).Parts
		}
		if w.lost {
			delete(w.parts, id)
		}
	}
	if w.desired != v1alpha1.DesiredStateUploading {
		changed := w.record.DeepCopy()
		changed.Spec.DesiredState = w.desired
		changed.Generation++
		w.write(w.record, changed, w.reason)
	}
	if w.deleted {
		w.delete()
	}
}

func (w *world) delete() {
	if w.record == nil || w.record.DeletionTimestamp != nil {
		return
	}
	changed := w.record.DeepCopy()
	changed.DeletionTimestamp = ptr.To(metav1.NewTime(w.now))
	changed.Generation++
	w.write(w.record, changed, w.reason)
}

// write is the API server: it refuses what is not based on the newest version, and lets the record
// go when nothing holds it.
func (w *world) write(base, updated *v1alpha1.MultipartUpload, reason string) bool {
	if base != nil && (w.record == nil || base.ResourceVersion != w.record.ResourceVersion) {
		return false
	}
	updated.ResourceVersion = fmt.Sprint(len(w.history) + 1)
	w.record, w.reason = updated, reason
	w.history = append(w.history, updated)
	if updated.DeletionTimestamp != nil && len(updated.Finalizers) == 0 {
		w.record = nil
	}
	return true
}

// drive runs passes until the record is gone, or until a time.
func (w *world) drive(limit int, until time.Time) {
	for range limit {
		if w.record == nil {
			return
		}
		d := w.pass()
		switch {
		case d.Step != upload.StepWait || w.passes-1 == w.disturbed && w.by != undisturbed:
		case d.Retry:
			w.now = w.now.Add(time.Minute)
		case d.After.IsZero():
			return
		default:
			w.now = d.After
		}
		if w.now.After(until) {
			return
		}
	}
	if until.Sub(testkit.Epoch) > time.Hour && w.reason != v1alpha1.ReasonVersionConflict {
		w.t.Errorf("still busy after %d passes, with %+v", w.passes, w.record)
	}
}

// pass is one pass of the reconciler.
func (w *world) pass() upload.Decision {
	number := w.passes
	w.passes++
	by := undisturbed
	if number == w.disturbed {
		by = w.by
	}
	u := w.record
	if back := map[disturbance]int{staleRecord: 1, staleTwice: 2}[by]; back > 0 {
		u = w.history[max(0, len(w.history)-1-back)]
	}
	o := upload.Observation{Upload: u, Store: testkit.Store("store"), GiveUpAfter: giveUpAfter}
	if by == storeDown {
		o.Problem = down
	} else {
		w.observe(&o)
	}
	d := upload.Decide(o, w.now)
	if err := checkDecision(o, w.now, d); err != nil {
		w.t.Error(err)
	}
	if by != crashBefore {
		w.act(o, d, by == crashAfter)
	}
	return d
}

// observe looks at the backend as the reconciler does: at the part list first.
func (w *world) observe(o *upload.Observation) {
	needObject, needLedger := upload.Needs(o.Upload, o.Store, time.Time{}, w.now)
	if needLedger {
		held, open := w.parts[o.Upload.Status.UploadID]
		o.PartList = &upload.PartList{Lost: !open, Parts: held}
		needObject = needObject || !open
	}
	if needObject {
		file := w.file
		o.Object = &file
	}
}

// act has the effect and, unless it crashes before, records it.
func (w *world) act(o upload.Observation, d upload.Decision, crash bool) {
	changed := o.Upload.DeepCopy()
	id := o.Upload.Status.UploadID
	switch d.Step {
	case upload.StepWait:
		w.recordState(o.Upload, changed, d.State)
	case upload.StepAddFinalizer:
		changed.Finalizers = append(changed.Finalizers, v1alpha1.FinalizerAbortUpload)
		w.write(o.Upload, changed, w.reason)
	case upload.StepReleaseFinalizer, upload.StepAbandon:
		changed.Finalizers = slices.DeleteFunc(changed.Finalizers, func(f string) bool { return f == v1alpha1.FinalizerAbortUpload })
		reason := w.reason
		if d.Step == upload.StepReleaseFinalizer && d.State.Reason != "" { // what an event tells of
			reason = d.State.Reason
		}
		w.write(o.Upload, changed, reason)
	case upload.StepCollect:
		if w.record != nil && w.record.ResourceVersion == o.Upload.ResourceVersion {
			w.delete()
		}
	case upload.StepInitiate:
		w.initiate(o.Upload, changed, d, crash)
	case upload.StepComplete:
		if w.assemble(o, d) && !crash {
			w.end(o.Upload, v1alpha1.ReasonCompleted)
		}
	case upload.StepAbort:
		w.abort(o, id, crash)
	case upload.StepFinish:
		if !crash {
			w.end(o.Upload, d.State.Reason)
		}
	}
}

func (w *world) recordState(base, changed *v1alpha1.MultipartUpload, state upload.State) {
	if state.Reason == "" {
		return
	}
	meta.RemoveStatusCondition(&changed.Status.Conditions, v1alpha1.ConditionStalled)
	if state.Stalled {
		testkit.StalledBy(state.Reason)(changed)
	}
	if state.Reason != w.reason || changed.Generation != base.Generation {
		w.write(base, changed, state.Reason)
	}
}

func (w *world) initiate(base, changed *v1alpha1.MultipartUpload, d upload.Decision, crash bool) {
	w.created++
	id := fmt.Sprintf("id-%d", w.created)
	w.parts[id] = nil
	if crash {
		w.orphans++
		return
	}
	changed.Status.UploadID, changed.Status.StoreName, changed.Status.ObjectKey = id, "store", upload.FileOf(changed).TenantKey()
	changed.Status.StartTime = ptr.To(metav1.NewTime(w.now))
	if !w.write(base, changed, d.State.Reason) {
		delete(w.parts, id)
	}
}

// assemble is CompleteMultipartUpload. It returns whether the file is this upload's now.
func (w *world) assemble(o upload.Observation, d upload.Decision) bool {
	id := o.Upload.Status.UploadID
	if _, open := w.parts[id]; !open || d.Absent == w.file.Exists {
		return w.file.Metadata.Owner == o.Upload.UID
	}
	w.file = *object(upload.NextVersion(o.Upload.Spec.IfMatch), o.Upload.UID)
	w.file.ETag = "etag of " + id
	delete(w.parts, id)
	w.done++
	return true
}

func (w *world) abort(o upload.Observation, id string, crash bool) {
	if w.record == nil || w.record.UID != o.Upload.UID {
		return
	}
	o.Upload = w.record
	if !o.Covers(w.now) || upload.Decide(o, w.now).Step != upload.StepAbort {
		return
	}
	if w.file.Metadata.Owner == o.Upload.UID {
		w.t.Error("an upload is aborted that has become the file")
	}
	delete(w.parts, id)
	if w.lateParts {
		w.lateParts = false
		w.parts[id] = parts(2).Parts
	}
	if crash {
		return
	}
	w.observe(&o)
	held, open := w.parts[id]
	o.PartList = &upload.PartList{Lost: !open, Parts: held}
	switch end := upload.Decide(o, w.now); end.Step {
	case upload.StepFinish:
		w.end(o.Upload, end.State.Reason)
	case upload.StepReleaseFinalizer:
		w.act(o, end, false)
	}
}

func (w *world) end(base *v1alpha1.MultipartUpload, reason string) {
	changed := base.DeepCopy()
	changed.Status.CompletionTime = ptr.To(metav1.NewTime(w.now))
	w.write(base, changed, reason)
}

// checkEnd compares what came of it with what the owner may expect.
func (w *world) checkEnd() {
	reason, gone := w.expected()
	if gone != (w.record == nil) || reason != "" && w.reason != reason {
		w.t.Errorf("ended with reason %q, record gone: %t; want %q, %t", w.reason, w.record == nil, reason, gone)
	}
	wantOwner, wantVersion := types.UID(""), int64(0)
	if w.fileExists {
		wantOwner = "uid-of-another"
	}
	if reason == v1alpha1.ReasonCompleted {
		wantOwner = testkit.Upload().UID
		if w.ifMatch {
			wantVersion = 1
		}
	}
	if w.file.Metadata.Owner != wantOwner || w.file.Metadata.Version != wantVersion || w.done > 1 {
		w.t.Errorf("the file is %+v after %d completions, want version %d of %q", w.file, w.done, wantVersion, wantOwner)
	}
	if len(w.parts) > w.orphans || w.orphans > 1 {
		w.t.Errorf("%d uploads are left in the backend, of which %d belong to the sweep", len(w.parts), w.orphans)
	}
}

// expected is how the scenario must end, disturbed or not: the last reason ("" for whichever), and
// whether the record is gone.
func (w *world) expected() (reason string, gone bool) {
	gone = w.rest || w.deleted || w.deletedEarly
	switch {
	case w.deletedEarly:
		return "", true
	case w.fileExists != w.ifMatch && w.desired == v1alpha1.DesiredStateAborted && !w.deleted:
		return v1alpha1.ReasonAborted, gone
	case w.fileExists != w.ifMatch && gone:
		return "", true
	case w.fileExists != w.ifMatch:
		return v1alpha1.ReasonVersionConflict, false
	case w.desired == v1alpha1.DesiredStateCompleted && w.allParts && !w.lost:
		return v1alpha1.ReasonCompleted, gone
	case w.desired == v1alpha1.DesiredStateAborted || w.deleted:
		return v1alpha1.ReasonAborted, gone
	case w.lost:
		return v1alpha1.ReasonUploadLost, gone
	default:
		return v1alpha1.ReasonExpired, gone
	}
}
