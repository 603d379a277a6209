package upload_test

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

const giveUpAfter = 10 * time.Minute

var (
	completed = testkit.Wanting(v1alpha1.DesiredStateCompleted)
	aborted   = testkit.Wanting(v1alpha1.DesiredStateAborted)
	opened    = testkit.Opened("id")
	finalizer = testkit.Finalizer()
	deleted   = testkit.Deleted(testkit.Epoch.Add(time.Minute))

	nothing = &upload.Object{}
	lost    = &upload.PartList{Lost: true}
	down    = &upload.Problem{Reason: v1alpha1.ReasonStoreUnavailable, Message: "does not answer"}
)

func object(version int64, owner types.UID) *upload.Object {
	return &upload.Object{Exists: true, ETag: "etag", Metadata: upload.FileMetadata{Version: version, Owner: owner}}
}

func parts(numbers ...int32) *upload.PartList {
	l := &upload.PartList{}
	for _, n := range numbers {
		l.Parts = append(l.Parts, upload.Part{Number: n, Size: 5 << 20})
	}
	return l
}

// mpu builds an upload; of the same file as all others here.
func mpu(options ...testkit.UploadOption) *v1alpha1.MultipartUpload {
	return testkit.Upload(options...)
}

// alsoHeld is somebody else's finalizer.
func alsoHeld(u *v1alpha1.MultipartUpload) {
	u.Finalizers = append(u.Finalizers, "example.com/backup")
}

// unbound is without the finalizer: somebody has taken it off.
func unbound(u *v1alpha1.MultipartUpload) { u.Finalizers = nil }

// mine is an object that the upload mpu made.
var mine = object(0, mpu().UID)

type (
	seen = upload.Observation

	// decideCase is what was observed some time after Epoch, when uploads were created and opened,
	// and what is to come of it.
	decideCase struct {
		name   string
		seen   seen
		after  time.Duration // since Epoch; a minute if 0
		want   upload.Step
		reason string // of the state to record
		// stalled state; retries soon, or waits until then, since Epoch.
		stalled, retries bool
		waits            time.Duration
	}
)

const (
	later  = upload.CheckInterval // when an upload that was started at Epoch is compared with object storage again
	expiry = upload.DefaultUploadTTL
)

func TestDecideOpening(t *testing.T) {
	holder := mpu(testkit.Named("default", "holder"), opened)
	younger := mpu(func(u *v1alpha1.MultipartUpload) { u.UID = "z" })
	two := testkit.Store("store", testkit.AtMostOpen(2))
	runDecide(t, []decideCase{
		{name: "New", seen: seen{Upload: mpu(), Object: nothing}, want: upload.StepAddFinalizer, reason: v1alpha1.ReasonPending},
		{name: "NewThoughTheStoreIsDown", seen: seen{Upload: mpu(), Problem: down}, want: upload.StepAddFinalizer, reason: v1alpha1.ReasonPending},
		{name: "Bound", seen: seen{Upload: mpu(finalizer), Object: nothing}, want: upload.StepInitiate, reason: v1alpha1.ReasonUploading},
		{name: "Rule6Update", seen: seen{Upload: mpu(finalizer, testkit.IfMatch(3)), Object: object(3, "x")}, want: upload.StepInitiate, reason: v1alpha1.ReasonUploading},
		{name: "CompletionWanted", seen: seen{Upload: mpu(finalizer, completed), Object: nothing}, want: upload.StepInitiate, reason: v1alpha1.ReasonUploading},
		{name: "Rule6Exists", seen: seen{Upload: mpu(finalizer), Object: object(0, "x")}, want: upload.StepWait, reason: v1alpha1.ReasonVersionConflict, retries: true, stalled: true},
		{name: "Rule6Stale", seen: seen{Upload: mpu(finalizer, testkit.IfMatch(2)), Object: object(3, "x")}, want: upload.StepWait, reason: v1alpha1.ReasonVersionConflict, retries: true, stalled: true},
		{name: "Rule6Gone", seen: seen{Upload: mpu(finalizer, testkit.IfMatch(2)), Object: nothing}, want: upload.StepWait, reason: v1alpha1.ReasonVersionConflict, retries: true, stalled: true},
		{name: "StoreDown", seen: seen{Upload: mpu(finalizer), Problem: down}, want: upload.StepWait, reason: v1alpha1.ReasonStoreUnavailable, retries: true},
		{name: "FileBusy", seen: seen{Upload: mpu(finalizer), Object: nothing, Holder: holder}, want: upload.StepWait, reason: v1alpha1.ReasonFileBusy, retries: true, stalled: true},
		{name: "TheOtherHasToWait", seen: seen{Upload: mpu(finalizer), Object: nothing, Holder: younger}, want: upload.StepInitiate, reason: v1alpha1.ReasonUploading},
		{name: "TooManyOpen", seen: seen{Upload: mpu(finalizer), Object: nothing, Store: two, OtherOpen: 2}, want: upload.StepWait, reason: v1alpha1.ReasonTooManyOpenUploads, retries: true, stalled: true},
		{name: "LastThatMayBeOpen", seen: seen{Upload: mpu(finalizer), Object: nothing, Store: two, OtherOpen: 1}, want: upload.StepInitiate, reason: v1alpha1.ReasonUploading},
		{name: "BadPath", seen: seen{Upload: mpu(finalizer, testkit.ForFile(testkit.Entity, "a/../b")), Object: nothing}, want: upload.StepWait, reason: v1alpha1.ReasonInvalidKey, retries: true, stalled: true},
		{name: "KeyTooLong", seen: seen{Upload: mpu(finalizer, testkit.ForFile(testkit.Entity, longPath))}, want: upload.StepWait, reason: v1alpha1.ReasonInvalidKey, retries: true, stalled: true},
		{name: "AbortedBefore", seen: seen{Upload: mpu(finalizer, aborted)}, want: upload.StepFinish, reason: v1alpha1.ReasonAborted, stalled: true},
		{name: "DeletedBefore", seen: seen{Upload: mpu(finalizer, deleted)}, want: upload.StepReleaseFinalizer},
		{name: "DeletedBeforeThoughTheStoreIsDown", seen: seen{Upload: mpu(finalizer, deleted), Problem: down}, want: upload.StepReleaseFinalizer},
		{name: "RESTRequestLongAnswered", seen: seen{Upload: mpu(finalizer, testkit.OverREST()), Problem: down}, after: upload.AbandonedAfter, want: upload.StepCollect},
		{name: "RESTRequestMaybeWaiting", seen: seen{Upload: mpu(finalizer, testkit.OverREST()), Problem: down}, after: upload.AbandonedAfter - 1, want: upload.StepWait, reason: v1alpha1.ReasonStoreUnavailable, retries: true},
		{name: "ManifestsWait", seen: seen{Upload: mpu(finalizer), Problem: down}, after: 100 * time.Hour, want: upload.StepWait, reason: v1alpha1.ReasonStoreUnavailable, retries: true},
	})
}

func TestDecideOpen(t *testing.T) {
	runDecide(t, []decideCase{
		{name: "Uploading", seen: seen{Upload: mpu(opened)}, want: upload.StepWait, reason: v1alpha1.ReasonUploading, waits: later},
		{name: "UploadingUntilItExpires", seen: seen{Upload: mpu(opened, testkit.TTL(30*time.Minute))}, want: upload.StepWait, reason: v1alpha1.ReasonUploading, waits: 30 * time.Minute},
		{name: "Compared", seen: seen{Upload: mpu(opened), PartList: parts(1)}, after: 2 * time.Hour, want: upload.StepWait, reason: v1alpha1.ReasonUploading, waits: 3 * time.Hour},
		{name: "ComparedLate", seen: seen{Upload: mpu(opened), PartList: parts(1)}, after: 150 * time.Minute, want: upload.StepWait, reason: v1alpha1.ReasonUploading, waits: 3 * time.Hour},
		{name: "Lost", seen: seen{Upload: mpu(opened), Object: nothing, PartList: lost}, after: 2 * time.Hour, want: upload.StepFinish, reason: v1alpha1.ReasonUploadLost, stalled: true},
		{name: "Rule4Expired", seen: seen{Upload: mpu(opened), Object: nothing, PartList: parts(1)}, after: expiry, want: upload.StepAbort, reason: v1alpha1.ReasonExpiring},
		{name: "Rule4ExpiredAndGone", seen: seen{Upload: mpu(opened), Object: nothing, PartList: lost}, after: expiry, want: upload.StepFinish, reason: v1alpha1.ReasonExpired, stalled: true},
		{name: "Rule5Aborted", seen: seen{Upload: mpu(opened, aborted), Object: nothing, PartList: parts()}, want: upload.StepAbort, reason: v1alpha1.ReasonAborting},
		{name: "Rule5AbortedAndGone", seen: seen{Upload: mpu(opened, aborted), Object: nothing, PartList: lost}, want: upload.StepFinish, reason: v1alpha1.ReasonAborted, stalled: true},
		{name: "Rule5AnAbortNeverTouchesAFile", seen: seen{Upload: mpu(opened, aborted), Object: mine, PartList: parts(1)}, want: upload.StepFinish, reason: v1alpha1.ReasonCompleted},
		{name: "Deleted", seen: seen{Upload: mpu(opened, deleted), Object: nothing, PartList: parts(1)}, want: upload.StepAbort, reason: v1alpha1.ReasonAborting},
		{name: "DeletedAndGone", seen: seen{Upload: mpu(opened, deleted), Object: nothing, PartList: lost}, want: upload.StepReleaseFinalizer, reason: v1alpha1.ReasonAborted, stalled: true},
		{name: "DeletedAndGoneAndTheFile", seen: seen{Upload: mpu(opened, deleted), Object: mine, PartList: lost}, want: upload.StepFinish, reason: v1alpha1.ReasonCompleted},
		{name: "DeletedAndGoneAndHeldByOthers", seen: seen{Upload: mpu(opened, alsoHeld, deleted), Object: nothing, PartList: lost}, want: upload.StepFinish, reason: v1alpha1.ReasonAborted, stalled: true},
		{name: "DeletedAndGoneAndHeldByOthersAlone", seen: seen{Upload: mpu(opened, unbound, alsoHeld, deleted), Object: nothing, PartList: lost}, want: upload.StepFinish, reason: v1alpha1.ReasonAborted, stalled: true},
		{name: "StoreDown", seen: seen{Upload: mpu(opened), Problem: down}, want: upload.StepWait, reason: v1alpha1.ReasonStoreUnavailable, retries: true},
		{name: "StoreDownAndExpired", seen: seen{Upload: mpu(opened), Problem: down}, after: 100 * time.Hour, want: upload.StepWait, reason: v1alpha1.ReasonStoreUnavailable, retries: true},
		{name: "StoreDownAndDeleted", seen: seen{Upload: mpu(opened, deleted), Problem: down}, after: time.Minute + giveUpAfter - 1, want: upload.StepWait, reason: v1alpha1.ReasonStoreUnavailable, retries: true},
		{name: "StoreDownAndDeletedForTooLong", seen: seen{Upload: mpu(opened, deleted), Problem: down}, after: time.Minute + giveUpAfter, want: upload.StepAbandon, reason: v1alpha1.ReasonStoreUnavailable},
	})
}

func TestDecideCompletion(t *testing.T) {
	wanted := func(options ...testkit.UploadOption) *v1alpha1.MultipartUpload {
		return mpu(append([]testkit.UploadOption{opened, completed}, options...)...)
	}
	invalid, badKey := testkit.StalledBy(v1alpha1.ReasonPartsInvalid), testkit.StalledBy(v1alpha1.ReasonInvalidKey)
	runDecide(t, []decideCase{
		{name: "Rule3", seen: seen{Upload: wanted(), Object: nothing, PartList: parts(1, 2, 3)}, want: upload.StepComplete, reason: v1alpha1.ReasonCompleting},
		{name: "Rule3WithTheFinalPart", seen: seen{Upload: wanted(testkit.FinalPart(2)), Object: nothing, PartList: parts(1, 2)}, want: upload.StepComplete, reason: v1alpha1.ReasonCompleting},
		{name: "Rule6Update", seen: seen{Upload: wanted(testkit.IfMatch(3)), Object: object(3, "x"), PartList: parts(1)}, want: upload.StepComplete, reason: v1alpha1.ReasonCompleting},
		{name: "EvenIfExpired", seen: seen{Upload: wanted(), Object: nothing, PartList: parts(1)}, after: 2 * expiry, want: upload.StepComplete, reason: v1alpha1.ReasonCompleting},
		{name: "EvenIfDeleted", seen: seen{Upload: wanted(deleted), Object: nothing, PartList: parts(1)}, want: upload.StepComplete, reason: v1alpha1.ReasonCompleting},
		{name: "DoneByAnEarlierPass", seen: seen{Upload: wanted(), Object: mine, PartList: lost}, want: upload.StepFinish, reason: v1alpha1.ReasonCompleted},
		{name: "DoneThoughTheLedgerShowsParts", seen: seen{Upload: wanted(), Object: mine, PartList: parts(1)}, want: upload.StepFinish, reason: v1alpha1.ReasonCompleted},
		{name: "Lost", seen: seen{Upload: wanted(), Object: nothing, PartList: lost}, want: upload.StepFinish, reason: v1alpha1.ReasonUploadLost, stalled: true},
		{name: "LostAndTheFileIsAnothers", seen: seen{Upload: wanted(), Object: object(0, "x"), PartList: lost}, want: upload.StepFinish, reason: v1alpha1.ReasonUploadLost, stalled: true},
		{name: "Rule3Missing", seen: seen{Upload: wanted(), Object: nothing, PartList: parts(1, 3)}, want: upload.StepWait, reason: v1alpha1.ReasonPartsMissing, stalled: true, waits: later},
		{name: "Rule3None", seen: seen{Upload: wanted(), Object: nothing, PartList: parts()}, want: upload.StepWait, reason: v1alpha1.ReasonPartsMissing, stalled: true, waits: later},
		{name: "Rule3FinalMissing", seen: seen{Upload: wanted(testkit.FinalPart(3)), Object: nothing, PartList: parts(1, 2)}, want: upload.StepWait, reason: v1alpha1.ReasonPartsMissing, stalled: true, waits: later},
		{name: "Rule3BehindTheFinal", seen: seen{Upload: wanted(testkit.FinalPart(1)), Object: nothing, PartList: parts(1, 2)}, want: upload.StepWait, reason: v1alpha1.ReasonPartsMissing, stalled: true, waits: later},
		{name: "Rule3MissingAndExpired", seen: seen{Upload: wanted(), Object: nothing, PartList: parts(2)}, after: expiry, want: upload.StepAbort, reason: v1alpha1.ReasonExpiring},
		{name: "Rule3MissingAndDeleted", seen: seen{Upload: wanted(deleted), Object: nothing, PartList: parts(2)}, want: upload.StepAbort, reason: v1alpha1.ReasonAborting},
		{name: "Rule3MissingForTheFirstTime", seen: seen{Upload: wanted(), Object: nothing, PartList: parts(2), Unconfirmed: true}, want: upload.StepWait, waits: time.Minute + upload.MissingPartsDelay},
		{name: "Rule3MissingForTheFirstTimeAndExpired", seen: seen{Upload: wanted(), Object: nothing, PartList: parts(2), Unconfirmed: true}, after: expiry, want: upload.StepWait, waits: expiry + upload.MissingPartsDelay},
		{name: "Rule3MissingForTheFirstTimeButDone", seen: seen{Upload: wanted(), Object: mine, PartList: parts(), Unconfirmed: true}, want: upload.StepFinish, reason: v1alpha1.ReasonCompleted},
		{name: "Rule6LostTheRace", seen: seen{Upload: wanted(), Object: object(0, "x"), PartList: parts(1)}, want: upload.StepWait, reason: v1alpha1.ReasonVersionConflict, stalled: true, waits: later},
		{name: "Rule6LostTheRaceAndDeleted", seen: seen{Upload: wanted(deleted), Object: object(0, "x"), PartList: parts(1)}, want: upload.StepAbort, reason: v1alpha1.ReasonAborting},
		{name: "RefusedByTheBackend", seen: seen{Upload: wanted(invalid), Object: nothing, PartList: parts(1)}, want: upload.StepWait, reason: v1alpha1.ReasonPartsInvalid, stalled: true, waits: later},
		{name: "RefusedByTheBackendAndAborted", seen: seen{Upload: mpu(opened, aborted, invalid), Object: nothing, PartList: parts(1)}, want: upload.StepAbort, reason: v1alpha1.ReasonAborting},
		{name: "RefusedByTheBackendAndExpired", seen: seen{Upload: wanted(invalid), Object: nothing, PartList: parts(1)}, after: expiry, want: upload.StepAbort, reason: v1alpha1.ReasonExpiring},
		{name: "KeyRefusedByTheBackendAndDeleted", seen: seen{Upload: wanted(deleted, badKey), Object: nothing, PartList: parts(1)}, want: upload.StepAbort, reason: v1alpha1.ReasonAborting},
		{name: "OtherConditionsAreNotBelieved", seen: seen{Upload: wanted(testkit.StalledBy(v1alpha1.ReasonPartsMissing)), Object: nothing, PartList: parts(1)}, want: upload.StepComplete, reason: v1alpha1.ReasonCompleting},
	})
}

func TestDecideEnded(t *testing.T) {
	end := testkit.Ended(testkit.Epoch)
	released := func(u *v1alpha1.MultipartUpload) { u.Finalizers = []string{"example.org/other"} }
	runDecide(t, []decideCase{
		{name: "FirstTheFinalizer", seen: seen{Upload: mpu(opened, end, testkit.OverREST())}, after: 10 * time.Hour, want: upload.StepReleaseFinalizer},
		{name: "FirstTheFinalizerThoughTheStoreIsDown", seen: seen{Upload: mpu(opened, end, deleted), Problem: down}, want: upload.StepReleaseFinalizer},
		{name: "Manifest", seen: seen{Upload: mpu(opened, end, released)}, after: 1000 * time.Hour, want: upload.StepWait},
		{name: "RESTYoung", seen: seen{Upload: mpu(opened, end, released, testkit.OverREST())}, want: upload.StepWait, waits: time.Hour},
		{name: "RESTOld", seen: seen{Upload: mpu(opened, end, released, testkit.OverREST())}, after: time.Hour, want: upload.StepCollect},
		{name: "RESTOldButDeletedAlready", seen: seen{Upload: mpu(opened, end, released, testkit.OverREST(), deleted)}, after: time.Hour, want: upload.StepWait},
		{name: "NeverOpened", seen: seen{Upload: mpu(finalizer, aborted, end)}, want: upload.StepReleaseFinalizer},
	})
}

func runDecide(t *testing.T, cases []decideCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if c.after == 0 {
				c.after = time.Minute
			}
			if c.seen.Store == nil {
				c.seen.Store = testkit.Store("store")
			}
			c.seen.GiveUpAfter = giveUpAfter
			now := testkit.Epoch.Add(c.after)
			d := upload.Decide(c.seen, now)
			if d.Step != c.want || d.State.Reason != c.reason || d.State.Stalled != c.stalled || d.Retry != c.retries {
				t.Errorf("decided %+v, want %s with reason %q, stalled %t, retry %t", d, c.want, c.reason, c.stalled, c.retries)
			}
			if (c.waits == 0) != d.After.IsZero() || c.waits != 0 && !d.After.Equal(testkit.Epoch.Add(c.waits)) {
				t.Errorf("looks again at Epoch+%s, want %s", d.After.Sub(testkit.Epoch), c.waits)
			}
			if complaint := checkDecision(c.seen, now, d); complaint != nil {
				t.Error(complaint)
			}
		})
	}
}

// Needs asks for what Decide looks at, and for nothing between the comparisons of an upload that
// takes parts.
func TestNeeds(t *testing.T) {
	for _, c := range []struct {
		name             string
		upload           *v1alpha1.MultipartUpload
		after            time.Duration
		object, partList bool
		checked          time.Duration // since Epoch, 0 for never
	}{
		{"New", mpu(), 0, true, false, 0},
		{"NewAndAborted", mpu(aborted), 0, false, false, 0},
		{"NewAndDeleted", mpu(deleted), 0, false, false, 0},
		{"Uploading", mpu(opened), 59 * time.Minute, false, false, 0},
		{"UploadingForLong", mpu(opened), upload.CheckInterval, false, true, 0},
		{"Checked", mpu(opened), 119 * time.Minute, false, false, time.Hour},
		{"CheckedLate", mpu(opened), 2 * time.Hour, false, true, 119 * time.Minute},
		{"CheckMissed", mpu(opened), 3*time.Hour + time.Minute, false, true, time.Hour},
		{"CheckedInTheFuture", mpu(opened), 2 * time.Hour, false, false, 3 * time.Hour},
		{"StartedInTheFuture", mpu(opened), -time.Hour, false, false, 0},
		{"CompletingThoughChecked", mpu(opened, completed), 2 * time.Hour, true, true, 2 * time.Hour},
		{"WithoutStartTime", mpu(opened, func(u *v1alpha1.MultipartUpload) { u.Status.StartTime = nil }), 0, false, true, 0},
		{"Expired", mpu(opened, testkit.TTL(time.Minute)), time.Minute, true, false, 0},
		{"CompletingExpired", mpu(opened, completed, testkit.TTL(time.Minute)), time.Minute, true, true, 0},
		{"Completing", mpu(opened, completed), 0, true, true, 0},
		{"Aborting", mpu(opened, aborted), 0, true, true, 0},
		{"Deleted", mpu(opened, deleted), 0, true, false, 0},
		{"CompletingDeleted", mpu(opened, completed, deleted), 0, true, true, 0},
		{"Ended", mpu(opened, testkit.Ended(testkit.Epoch), deleted), 100 * time.Hour, false, false, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var checked time.Time
			if c.checked != 0 {
				checked = testkit.Epoch.Add(c.checked)
			}
			object, partList := upload.Needs(c.upload, testkit.Store("store"), checked, testkit.Epoch.Add(c.after))
			if object != c.object || partList != c.partList {
				t.Errorf("needs object %t, partList %t", object, partList)
			}
		})
	}
}

// Covers notices that a record which was read anew wants more to be looked at than was.
func TestCovers(t *testing.T) {
	now := testkit.Epoch.Add(time.Minute)
	expired := testkit.TTL(time.Minute)
	for _, c := range []struct {
		name     string
		upload   *v1alpha1.MultipartUpload
		object   *upload.Object
		partList *upload.PartList
		complete bool
	}{
		{"Uploading", mpu(opened), nil, nil, true},
		{"Expired", mpu(opened, expired), nothing, nil, true},
		{"ExpiredUnseen", mpu(opened, expired), nil, nil, false},
		{"CompletedMeanwhile", mpu(opened, expired, completed), nothing, nil, false},
		{"AbortedMeanwhile", mpu(opened, expired, aborted), nothing, nil, false},
		{"Completing", mpu(opened, completed), nothing, parts(1), true},
		{"EndedMeanwhile", mpu(opened, testkit.Ended(testkit.Epoch)), nil, nil, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := upload.Observation{Upload: c.upload, Store: testkit.Store("store"), Object: c.object, PartList: c.partList}
			if got := o.Covers(now); got != c.complete {
				t.Errorf("covers: %t", got)
			}
		})
	}
}
