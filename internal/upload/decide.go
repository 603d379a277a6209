package upload

import (
	"fmt"
	"slices"
	"time"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// AbandonedAfter is how long an upload that was asked for over REST may wait to be opened before
// its record is removed: whoever asked has long been answered, and the record would keep the path.
const AbandonedAfter = 10 * time.Minute

// RestoredAfter is how much younger than the request for it a record is that was restored from a
// backup. The clocks of the operator and of the API server differ by less.
const RestoredAfter = 5 * time.Minute

// RefusedAfter is for how long object storage must have answered No to an assembly before the
// upload counts as stalled.
const RefusedAfter = time.Minute

// RefusedOpeningAfter is the same for an upload that object storage does not open. It is shorter
// than a start waits, so that the client learns it: each of its starts is another record.
const RefusedOpeningAfter = 10 * time.Second

// Step is what to do next. Each is safe to repeat.
type Step string

// The steps that Decide chooses from.
const (
	// StepWait: record State, look again at Decision.After or when something changes.
	StepWait Step = "Wait"
	// StepAddFinalizer: make sure that the record outlives its parts, before anything is opened.
	StepAddFinalizer Step = "AddFinalizer"
	// StepInitiate: open the upload in object storage.
	StepInitiate Step = "Initiate"
	// StepComplete: assemble the file under the conditions Absent or ETag.
	StepComplete Step = "Complete"
	// StepAbort: delete the parts.
	StepAbort Step = "Abort"
	// StepFinish: record the end that State tells of. Nothing is left in object storage but, maybe,
	// the file.
	StepFinish Step = "Finish"
	// StepReleaseFinalizer: let the record go, if it is being deleted, or be deleted at once later.
	// State is how the upload has ended, if no status says it.
	StepReleaseFinalizer Step = "ReleaseFinalizer"
	// StepAbandon: let the record go although its parts may still be in object storage, which could
	// not be reached for too long.
	StepAbandon Step = "Abandon"
	// StepCollect: delete the record.
	StepCollect Step = "Collect"
)

// State is what the status is to say.
type State struct {
	// Reason is a condition reason, from which conditions and phase follow.
	Reason string
	// Message for the cluster's users.
	Message string
	// Stalled: it does not pass by itself.
	Stalled bool
}

// Decision is what the reconciler is to do.
type Decision struct {
	// Step to take.
	Step Step
	// State to record: for StepWait and StepFinish as it is, for the others while they are under
	// way. Without a reason there is nothing to record.
	State State
	// After is when to look again at the latest, zero for "when something changes".
	After time.Time
	// Retry: look again soon, with growing pauses.
	Retry bool
	// Absent or ETag is what StepComplete demands of the object that the file replaces; exactly one
	// is set.
	Absent bool
	ETag   string
}

// Decide says what comes next. It believes what was observed, not what earlier conditions say, with
// one exception that it names.
func Decide(o Observation, now time.Time) Decision {
	u := o.Upload
	switch {
	case Ended(u):
		return decideEnded(o, now)
	case CheckStatus(u, o.Store, now) != nil:
		return decideMismatch(o, now)
	case u.Status.UploadID == "":
		return decideUnopened(o, now)
	case o.Problem != nil:
		return decideBlocked(o, now)
	case o.Object != nil && o.Object.Exists && o.Object.Metadata.Owner == u.UID:
		// Also when the owner wants an abort by now: the file is there, and an abort never touches
		// a file.
		return finish(v1alpha1.ReasonCompleted, fmt.Sprintf("the file has version %d", o.Object.Metadata.Version))
	case o.PartList != nil && o.PartList.Lost:
		return decideLost(o, now)
	case Desired(u) == v1alpha1.DesiredStateCompleted:
		return decideCompletion(o, now)
	case ending(o, now) != "":
		return abort(ending(o, now))
	default:
		return Decision{Step: StepWait, State: State{Reason: v1alpha1.ReasonUploading, Message: "parts are taken"}, After: nextLook(o, now)}
	}
}

// decideEnded deals with an upload that has reached its end: only its record is left.
func decideEnded(o Observation, now time.Time) Decision {
	u := o.Upload
	if slices.Contains(u.Finalizers, v1alpha1.FinalizerAbortUpload) {
		return Decision{Step: StepReleaseFinalizer}
	}
	at, collected := CollectionTime(u, o.Store)
	switch {
	case u.DeletionTimestamp != nil || !collected:
		return Decision{Step: StepWait}
	case !now.Before(at):
		return Decision{Step: StepCollect}
	default:
		return Decision{Step: StepWait, After: at}
	}
}

// decideUnopened deals with an upload that object storage has not been asked for, or whose answer
// was not recorded; the orphan sweep finds what such a crash leaves.
func decideUnopened(o Observation, now time.Time) Decision {
	u := o.Upload
	switch {
	case u.DeletionTimestamp != nil:
		return Decision{Step: StepReleaseFinalizer}
	case Desired(u) == v1alpha1.DesiredStateAborted:
		return finish(v1alpha1.ReasonAborted, "aborted before it was opened")
	case u.Labels[v1alpha1.LabelCreatedThrough] == v1alpha1.CreatedThroughREST && now.Sub(u.CreationTimestamp.Time) >= AbandonedAfter:
		return Decision{Step: StepCollect}
	case restored(u):
		return finish(v1alpha1.ReasonUploadLost, "the record is younger than the request for it: it was restored from a backup, and its parts are not known any more. Start the upload again, in a manifest without spec.requestTime")
	case !slices.Contains(u.Finalizers, v1alpha1.FinalizerAbortUpload):
		return Decision{Step: StepAddFinalizer, State: State{Reason: v1alpha1.ReasonPending, Message: "waiting to be opened"}}
	}
	if p := obstacle(o); p != nil {
		return Decision{Step: StepWait, State: State(*p), Retry: true}
	}
	if o.Refused != nil {
		return openingRefused.decide(o, now)
	}
	return Decision{Step: StepInitiate, State: State{Reason: v1alpha1.ReasonUploading, Message: "parts are taken"}}
}

// restored reports whether the record is another than the one that was made when the upload was
// asked for.
func restored(u *v1alpha1.MultipartUpload) bool {
	return u.Spec.RequestTime != nil && u.CreationTimestamp.Sub(u.Spec.RequestTime.Time) > RestoredAfter
}

// obstacle is why the upload cannot be opened, nil if it can.
func obstacle(o Observation) *Problem {
	if o.Problem != nil {
		return o.Problem
	}
	u := o.Upload
	stalled := func(reason, message string) *Problem {
		return &Problem{Reason: reason, Message: message, Stalled: true}
	}
	if err := CheckHeld(FileOf(u), o.Store); err != nil {
		return stalled(v1alpha1.ReasonInvalidKey, err.Error())
	}
	if o.Holder != nil && Goes(o.Holder, u) {
		return stalled(v1alpha1.ReasonFileBusy, fmt.Sprintf("the upload %q of the same file is open: complete, abort or delete it first", o.Holder.Name))
	}
	if limit := LimitsOf(o.Store).MaxOpenUploads; limit > 0 && o.OtherOpen >= int(limit) {
		return stalled(v1alpha1.ReasonTooManyOpenUploads, fmt.Sprintf("the namespace has as many uploads open in this store as it allows, %d: complete or abort one", limit))
	}
	if u.Spec.Size != nil {
		if err := AdmitBytes(*u.Spec.Size, o.OtherBytes, LimitsOf(o.Store)); err != nil {
			return stalled(v1alpha1.ReasonTooManyBytes, err.Error())
		}
	}
	if err := CheckVersion(u.Spec.IfMatch, o.Object.Exists, o.Object.Metadata.Version); err != nil {
		return stalled(v1alpha1.ReasonVersionConflict, err.Error())
	}
	return nil
}

// decideBlocked deals with an open upload whose object storage cannot be looked at: it waits, but a
// deletion not for ever.
func decideBlocked(o Observation, now time.Time) Decision {
	u := o.Upload
	if u.DeletionTimestamp != nil && now.Sub(u.DeletionTimestamp.Time) >= o.GiveUpAfter {
		return Decision{Step: StepAbandon, State: State(*o.Problem)}
	}
	return Decision{Step: StepWait, State: State(*o.Problem), Retry: true}
}

// decideLost deals with an open upload that object storage does not know, and whose file is not its
// result.
func decideLost(o Observation, now time.Time) Decision {
	switch ending(o, now) {
	case v1alpha1.ReasonAborting:
		if goesAtOnce(o.Upload) {
			return Decision{Step: StepReleaseFinalizer, State: aborted}
		}
		return finish(aborted.Reason, aborted.Message)
	case v1alpha1.ReasonExpiring:
		return finish(v1alpha1.ReasonExpired, fmt.Sprintf("the upload was incomplete at its expiration time, %s: its parts were deleted", ExpirationTime(o.Upload, o.Store).UTC().Format(time.RFC3339)))
	default:
		return finish(v1alpha1.ReasonUploadLost, "object storage no longer knows the upload, for example because a lifecycle rule of the bucket deleted it: start it again")
	}
}

// Vanished is the state of an upload whose assembly object storage has confirmed, and whose file is
// not there.
var Vanished = State{
	Reason:  v1alpha1.ReasonUploadLost,
	Message: "object storage says that the file was assembled, but it is not there, for example because an earlier assembly was interrupted: start it again",
	Stalled: true,
}

// aborted is the state of an upload whose parts were deleted because somebody wanted that.
var aborted = State{Reason: v1alpha1.ReasonAborted, Message: "the parts were deleted", Stalled: true}

// goesAtOnce reports whether the record is gone as soon as the finalizer is: a status that says how
// it ended would be a write for nobody. What somebody else holds back has to say it, or it would
// keep its file.
func goesAtOnce(u *v1alpha1.MultipartUpload) bool {
	return u.DeletionTimestamp != nil && slices.Equal(u.Finalizers, []string{v1alpha1.FinalizerAbortUpload})
}

// ending is why the upload must end without a file: the reason while its parts are deleted, empty
// if it must not.
func ending(o Observation, now time.Time) string {
	switch {
	case o.Upload.DeletionTimestamp != nil || Desired(o.Upload) == v1alpha1.DesiredStateAborted:
		return v1alpha1.ReasonAborting
	case Expired(o.Upload, o.Store, now):
		return v1alpha1.ReasonExpiring
	default:
		return ""
	}
}

// nextLook is when an upload is looked at again if nothing happens: when it expires, or for the
// next comparison with object storage.
func nextLook(o Observation, now time.Time) time.Time {
	check := nextCheck(o.Upload, now)
	if expires := ExpirationTime(o.Upload, o.Store); !expires.IsZero() && expires.Before(check) {
		return expires
	}
	return check
}

func abort(reason string) Decision {
	return Decision{Step: StepAbort, State: State{Reason: reason, Message: "the parts are being deleted"}}
}

func finish(reason, message string) Decision {
	return Decision{Step: StepFinish, State: State{Reason: reason, Message: message, Stalled: reason != v1alpha1.ReasonCompleted}}
}
