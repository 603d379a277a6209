package upload_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// checkDecision returns what no decision may ever be, whatever was observed. The cases of the
// tables and those of the fuzzer go through it.
func checkDecision(o upload.Observation, now time.Time, d upload.Decision) error {
	var faults []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf("%s: "+format, append([]any{d.Step}, args...)...))
		}
	}
	u := o.Upload
	if fault := upload.CheckStatus(u, o.Store, now); fault != nil && !upload.Ended(u) {
		checkMismatch(check, o, d)
		return errors.Join(faults...)
	}
	ours := o.Object != nil && o.Object.Exists && o.Object.Metadata.Owner == u.UID
	bound := slices.Contains(u.Finalizers, v1alpha1.FinalizerAbortUpload)
	switch d.Step {
	case upload.StepWait:
		check(d.After.IsZero() || d.After.After(now), "looks again in the past, at %s", d.After)
	case upload.StepAddFinalizer:
		check(u.Status.UploadID == "" && u.DeletionTimestamp == nil && !bound, "of an upload that is opened, deleted or bound")
	case upload.StepInitiate:
		check(u.Status.UploadID == "" && u.DeletionTimestamp == nil && bound, "of an upload that is opened, deleted or not bound")
		check(o.Problem == nil && upload.CheckVersion(u.Spec.IfMatch, o.Object.Exists, o.Object.Metadata.Version) == nil, "though the version does not match")
	case upload.StepComplete:
		checkComplete(check, o, d)
	case upload.StepAbort:
		check(!ours, "though the file at the key is its result")
		check(u.Status.UploadID != "" && o.Problem == nil && (o.PartList == nil || !o.PartList.Lost), "without anything to abort")
		check(upload.Desired(u) != v1alpha1.DesiredStateCompleted || !completable(o), "though the owner wants it completed, and it can be")
		check(upload.Desired(u) == v1alpha1.DesiredStateAborted || u.DeletionTimestamp != nil || upload.Expired(u, o.Store, now), "though nobody wants it to end")
		check(!o.Unconfirmed || o.Object.Exists, "though the file may be about to be there")
	case upload.StepFinish:
		end := d.State.Reason
		check((end == v1alpha1.ReasonCompleted) == ours || u.Status.UploadID == "", "with %s, though the file is its result: %t", end, ours)
		check(u.Status.UploadID == "" || end == v1alpha1.ReasonCompleted || o.PartList.Lost, "with %s, though there may be parts", end)
		check(d.State.Stalled == (end != v1alpha1.ReasonCompleted), "with %s, stalled: %t", end, d.State.Stalled)
	case upload.StepReleaseFinalizer:
		gone := u.DeletionTimestamp != nil && (u.Status.UploadID == "" || o.Problem == nil && o.PartList != nil && o.PartList.Lost)
		check(upload.Ended(u) || gone, "of an upload that may have parts")
		check(upload.Ended(u) || !ours || u.Status.UploadID == "", "though the file at the key is its result, and nothing says so")
		check(upload.Ended(u) || u.Status.UploadID == "" || len(u.Finalizers) == 1, "though others hold the record, and nothing says how it ended")
	case upload.StepAbandon:
		check(u.DeletionTimestamp != nil && o.Problem != nil && now.Sub(u.DeletionTimestamp.Time) >= o.GiveUpAfter, "too early")
	case upload.StepCollect:
		check(u.Labels[v1alpha1.LabelCreatedThrough] == v1alpha1.CreatedThroughREST, "of a record that a manifest made")
		check(upload.Ended(u) || u.Status.UploadID == "", "of an open upload")
	default:
		check(false, "unknown step")
	}
	if upload.Ended(u) {
		check(slices.Contains([]upload.Step{upload.StepReleaseFinalizer, upload.StepCollect, upload.StepWait}, d.Step) && d.State == (upload.State{}), "of an ended upload, with %+v", d.State)
	}
	checkProgress(check, o, d, bound)
	return errors.Join(faults...)
}

// checkMismatch: nothing is done with what a status says that cannot be true, but for deleting it
// with its record.
func checkMismatch(check func(bool, string, ...any), o upload.Observation, d upload.Decision) {
	u := o.Upload
	if u.DeletionTimestamp == nil {
		check(d.Step == upload.StepWait && d.State.Reason == v1alpha1.ReasonStatusMismatch && d.State.Stalled && !d.After.IsZero(), "with %+v, of a status that cannot be true", d)
		return
	}
	ours := o.Object != nil && o.Object.Exists && o.Object.Metadata.Owner == u.UID
	switch d.Step {
	case upload.StepReleaseFinalizer:
	case upload.StepWait, upload.StepAbandon:
		check(o.Problem != nil, "though the store can be asked")
	case upload.StepAbort:
		check(!ours && o.Problem == nil && u.Status.UploadID != "", "of the file, or of nothing")
	default:
		check(false, "of a status that cannot be true")
	}
}

// checkComplete: the parts are exactly 1..N, the file is the one that is to be replaced, and the
// backend will compare it again.
func checkComplete(check func(bool, string, ...any), o upload.Observation, d upload.Decision) {
	u := o.Upload
	check(upload.Desired(u) == v1alpha1.DesiredStateCompleted, "though nobody wants it")
	check(u.Status.UploadID != "" && !upload.Ended(u) && o.Problem == nil, "of an upload that is not open, or not observed")
	for i, p := range o.PartList.Parts {
		check(p.Number == int32(i)+1, "with part %d in place %d", p.Number, i+1)
	}
	check(len(o.PartList.Parts) > 0, "without parts")
	check(u.Spec.FinalPartNumber == nil || int(*u.Spec.FinalPartNumber) == len(o.PartList.Parts), "of %d parts", len(o.PartList.Parts))
	check(o.Object.Exists == (u.Spec.IfMatch != nil), "of a file that exists: %t", o.Object.Exists)
	check(u.Spec.IfMatch == nil || *u.Spec.IfMatch == o.Object.Metadata.Version, "of version %d", o.Object.Metadata.Version)
	check(d.Absent == !o.Object.Exists && d.ETag == o.Object.ETag && d.Absent == (d.ETag == ""), "under the condition absent %t, ETag %q", d.Absent, d.ETag)
}

// checkProgress: nothing waits for ever.
func checkProgress(check func(bool, string, ...any), o upload.Observation, d upload.Decision, bound bool) {
	if d.Step != upload.StepWait {
		return
	}
	u := o.Upload
	again := d.Retry || !d.After.IsZero()
	rest := u.Labels[v1alpha1.LabelCreatedThrough] == v1alpha1.CreatedThroughREST
	switch {
	case upload.Ended(u):
		check(!bound, "with a finalizer that nobody will take off")
		check(again || !rest || u.DeletionTimestamp != nil, "for ever, with a record that is to be collected")
	case o.Unconfirmed && d.State == (upload.State{}):
		check(!completable(o) && !d.After.IsZero(), "for ever, or though it can be completed")
	case u.DeletionTimestamp != nil:
		check(d.Retry && o.Problem != nil, "for ever, of a deleted upload")
	default:
		check(again, "for ever")
		check(d.State.Reason != "" && d.State.Message != "", "without saying why")
		expires := upload.ExpirationTime(u, o.Store)
		check(d.After.IsZero() || expires.IsZero() || !d.After.After(expires), "until %s, beyond its expiration at %s", d.After, expires)
	}
}

func completable(o upload.Observation) bool {
	var numbers []int32
	for _, p := range o.PartList.Parts {
		numbers = append(numbers, p.Number)
	}
	u := o.Upload
	refused := upload.Stalled(u)
	return upload.CheckSequence(numbers, u.Spec.FinalPartNumber) == nil && upload.CheckVersion(u.Spec.IfMatch, o.Object.Exists, o.Object.Metadata.Version) == nil &&
		(refused == nil || refused.Reason != v1alpha1.ReasonPartsInvalid && refused.Reason != v1alpha1.ReasonInvalidKey)
}

// choices turns the fuzzer's bytes into choices; when they run out, the first is taken.
type choices struct{ raw []byte }

func (c *choices) of(n int) int {
	if len(c.raw) == 0 {
		return 0
	}
	b := c.raw[0]
	c.raw = c.raw[1:]
	return int(b) % n
}

func (c *choices) yes() bool { return c.of(2) == 1 }

// forge has one status in eight say what the operator would not; the others agree with the store.
func (c *choices) forge(u *v1alpha1.MultipartUpload, store *v1alpha1.FileStore) {
	if u.Status.ObjectKey != "" {
		u.Status.ObjectKey = store.Spec.Prefix + upload.FileOf(u).TenantKey()
	}
	switch c.of(24) {
	case 1:
		u.Status.ObjectKey = "another/" + upload.FileOf(u).TenantKey()
	case 2:
		u.Status.StartTime = ptr.To(metav1.NewTime(c.when()))
	case 3:
		ids := []string{"../another", "id\n", "."}
		u.Status.UploadID = ids[c.of(len(ids))]
	}
}

// when is a moment around those that matter: Epoch, the limits of waiting, and the expiration.
func (c *choices) when() time.Time {
	base := []time.Duration{0, upload.AbandonedAfter, giveUpAfter, upload.CheckInterval, time.Hour, upload.DefaultUploadTTL, 365 * 24 * time.Hour}
	around := []time.Duration{0, -1, 1, -time.Second, time.Second, time.Minute}
	return testkit.Epoch.Add(base[c.of(len(base))] + around[c.of(len(around))])
}

// observation makes any observation that observe can come to: what Needs asks for is there, unless
// there is a problem.
func (c *choices) observation() (upload.Observation, time.Time) {
	u, now := c.upload(), c.when()
	o := upload.Observation{Upload: u, Store: testkit.Store("store"), GiveUpAfter: giveUpAfter, OtherOpen: c.of(3)}
	if c.yes() {
		o.Store = testkit.Store("store", testkit.AtMostOpen(int32(c.of(2)+1)), testkit.UploadTTL(time.Hour), testkit.FinishedTTL(0), testkit.Prefixed("iot/"))
	}
	c.forge(u, o.Store)
	if c.yes() {
		o.Holder = c.upload()
		o.Holder.UID, o.Holder.Name = "uid-of-holder", "holder"
	}
	if c.yes() {
		problems := []upload.Problem{*down, {Reason: v1alpha1.ReasonStoreNotFound, Message: "m", Stalled: true}, {Reason: v1alpha1.ReasonInvalidKey, Message: "m", Stalled: true}}
		o.Problem = &problems[c.of(len(problems))]
		if o.Problem.Reason == v1alpha1.ReasonStoreNotFound {
			o.Store = nil
		}
		return o, now
	}
	needObject, needLedger := upload.Needs(u, o.Store, time.Time{}, now)
	if needLedger {
		o.PartList = c.partList()
		needObject = needObject || o.PartList.Lost
		if _, err := upload.MissingParts(u, o.PartList); err != nil && !o.PartList.Lost && upload.Desired(u) == v1alpha1.DesiredStateCompleted {
			o.Unconfirmed = c.yes()
		}
	}
	if _, err := upload.KeyOf(upload.FileOf(u), o.Store); needObject && err == nil {
		o.Object = c.object(u)
	}
	return o, now
}

func (c *choices) upload() *v1alpha1.MultipartUpload {
	u := testkit.Upload()
	u.Spec.DesiredState = []v1alpha1.DesiredState{v1alpha1.DesiredStateUploading, v1alpha1.DesiredStateCompleted, v1alpha1.DesiredStateAborted, ""}[c.of(4)]
	paths := []string{"a", "a/../b", "", longPath, "b/c"}
	u.Spec.Path = paths[c.of(len(paths))]
	options := []func() testkit.UploadOption{
		testkit.Finalizer, testkit.OverREST,
		func() testkit.UploadOption { return opened },
		func() testkit.UploadOption { return testkit.Deleted(c.when()) },
		func() testkit.UploadOption { return alsoHeld },
		func() testkit.UploadOption { return testkit.Ended(c.when()) },
		func() testkit.UploadOption { return testkit.IfMatch(int64(c.of(3))) },
		func() testkit.UploadOption { return testkit.FinalPart(int32(c.of(4)) + 1) },
		func() testkit.UploadOption { return testkit.TTL(time.Duration(c.of(3)+1) * time.Minute) },
		func() testkit.UploadOption {
			reasons := []string{v1alpha1.ReasonPartsInvalid, v1alpha1.ReasonInvalidKey, v1alpha1.ReasonPartsMissing, v1alpha1.ReasonVersionConflict, v1alpha1.ReasonStoreNotFound}
			return testkit.StalledBy(reasons[c.of(len(reasons))])
		},
		func() testkit.UploadOption {
			return func(u *v1alpha1.MultipartUpload) { u.Generation = 2 } // what was recorded before speaks of an older spec
		},
		func() testkit.UploadOption {
			return func(u *v1alpha1.MultipartUpload) { u.Status.StartTime, u.Status.ObjectKey = nil, "" } // a status restored in part
		},
		func() testkit.UploadOption {
			return func(u *v1alpha1.MultipartUpload) { u.Status.ExpirationTime = ptr.To(metav1.NewTime(c.when())) }
		},
	}
	for _, option := range options {
		if c.yes() {
			option()(u)
		}
	}
	return u
}

func (c *choices) object(u *v1alpha1.MultipartUpload) *upload.Object {
	switch c.of(3) {
	case 0:
		return nothing
	case 1:
		return object(int64(c.of(3)), u.UID)
	default:
		return object(int64(c.of(3)), "uid-of-another")
	}
}

func (c *choices) partList() *upload.PartList {
	if c.yes() {
		return lost
	}
	l := &upload.PartList{}
	for n := int32(1); n <= 4; n++ {
		if c.yes() {
			l.Parts = append(l.Parts, upload.Part{Number: n, Size: 1})
		}
	}
	return l
}

// FuzzDecide makes observations of every kind and holds each decision against checkDecision. That
// nothing panics is part of it.
func FuzzDecide(f *testing.F) {
	f.Add([]byte{})
	for seed := range 64 {
		raw := make([]byte, 48)
		x := uint32(seed)*2_654_435_761 + 1
		for i := range raw {
			x = x*1_664_525 + 1_013_904_223
			raw[i] = byte(x >> 24)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		c := choices{raw}
		o, now := c.observation()
		d := upload.Decide(o, now)
		if err := checkDecision(o, now, d); err != nil {
			t.Errorf("%v\nat %s: %+v\nspec %+v\nstatus %+v\nobject %+v\nledger %+v", err, now, d, o.Upload.Spec, o.Upload.Status, o.Object, o.PartList)
		}
	})
}

// TestDecideAtRandom is FuzzDecide over many more observations than its seeds, for plain test runs.
func TestDecideAtRandom(t *testing.T) {
	x := uint64(20_260_301)
	steps := map[upload.Step]int{}
	for range 200_000 {
		raw := make([]byte, 48)
		for i := range raw {
			x = x*6_364_136_223_846_793_005 + 1_442_695_040_888_963_407
			raw[i] = byte(x >> 56)
		}
		c := choices{raw}
		o, now := c.observation()
		d := upload.Decide(o, now)
		steps[d.Step]++
		if err := checkDecision(o, now, d); err != nil {
			t.Fatalf("%v\nat %s: %+v\nspec %+v\nstatus %+v\nobject %+v\nledger %+v", err, now, d, o.Upload.Spec, o.Upload.Status, o.Object, o.PartList)
		}
	}
	for _, step := range []upload.Step{
		upload.StepWait, upload.StepAddFinalizer, upload.StepInitiate, upload.StepComplete, upload.StepAbort, upload.StepFinish, upload.StepReleaseFinalizer, upload.StepAbandon, upload.StepCollect,
	} {
		if steps[step] < 20 {
			t.Errorf("%s was chosen %d times in 200,000: the observations are not varied enough", step, steps[step])
		}
	}
	t.Log(steps)
}
