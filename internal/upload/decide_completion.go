package upload

import (
	"fmt"
	"time"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// decideCompletion deals with an upload that its owner wants completed. It is completed even if it
// has expired or is being deleted meanwhile, since an earlier pass may have committed it; it is
// aborted only if it can't be completed.
func decideCompletion(o Observation, now time.Time) Decision {
	u := o.Upload
	stalled := State{Stalled: true}
	if reason, err := MissingParts(u, o.PartList); err != nil {
		if o.Unconfirmed {
			return Decision{Step: StepWait, After: now.Add(MissingPartsDelay)}
		}
		stalled.Reason, stalled.Message = reason, err.Error()
	} else if err := CheckVersion(u.Spec.IfMatch, o.Object.Exists, o.Object.Metadata.Version); err != nil {
		stalled.Reason, stalled.Message = v1alpha1.ReasonVersionConflict, err.Error()
	} else if changedBase(o) {
		stalled.Reason, stalled.Message = v1alpha1.ReasonVersionConflict, "the file has been replaced since the upload was started, and has the same version again: read it, and start again"
	} else if o.Refused != nil {
		if reason := ending(o, now); reason != "" {
			return abort(reason)
		}
		return assemblyRefused.decide(o, now)
	} else if c := Stalled(u); c != nil && (c.Reason == v1alpha1.ReasonPartsInvalid || c.Reason == v1alpha1.ReasonInvalidKey) {
		// The one condition that is believed: only asking again would tell, and the answer to that
		// was No.
		stalled.Reason, stalled.Message = c.Reason, c.Message
	} else {
		return Decision{
			Step:   StepComplete,
			State:  State{Reason: v1alpha1.ReasonCompleting, Message: fmt.Sprintf("%d parts are being assembled", len(o.PartList.Parts))},
			Absent: !o.Object.Exists,
			ETag:   o.Object.ETag,
		}
	}
	if reason := ending(o, now); reason != "" {
		return abort(reason)
	}
	return Decision{Step: StepWait, State: stalled, After: nextLook(o, now)}
}

// changedBase reports whether the file that is to be replaced is another than when the upload was
// opened.
func changedBase(o Observation) bool {
	base := o.Upload.Status.BaseETag
	return base != "" && o.Object.Exists && o.Object.ETag != base
}

// refusal is how an upload goes on that object storage has answered with No.
type refusal struct {
	// what it refuses to do.
	what string
	// after is for how long it must have, for the upload to be stalled by reason; remedy says more.
	after          time.Duration
	reason, remedy string
}

var (
	assemblyRefused = refusal{"assemble the file", RefusedAfter, v1alpha1.ReasonCompletionRefused, "The upload ends when it is aborted, deleted or expires"}
	openingRefused  = refusal{"open the upload", RefusedOpeningAfter, v1alpha1.ReasonOpeningRefused, "Abort the upload or choose another path, or have the store looked at"}
)

// decide waits until object storage is to be asked again, less and less often.
func (r refusal) decide(o Observation, now time.Time) Decision {
	state := State{
		Reason:  v1alpha1.ReasonStoreUnavailable,
		Message: fmt.Sprintf("object storage refuses to %s (%s); it is asked again", r.what, o.Refused.Answer),
	}
	if o.Refused.For >= r.after {
		state.Reason, state.Stalled = r.reason, true
		state.Message += ". " + r.remedy
	}
	after := now.Add(o.Refused.Pause)
	if next := nextLook(o, now); next.After(now) && next.Before(after) {
		after = next
	}
	return Decision{Step: StepWait, State: state, After: after}
}
