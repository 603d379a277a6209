package upload

import (
	"time"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// decideMismatch deals with an upload whose status cannot be true. It stays as it is until it is
// deleted. Then what its id names below the key that follows from the record is aborted: that is of
// this file, whoever has written the id.
func decideMismatch(o Observation, now time.Time) Decision {
	u := o.Upload
	switch {
	case u.DeletionTimestamp == nil:
		fault := CheckStatus(u, o.Store, now)
		state := State{Reason: v1alpha1.ReasonStatusMismatch, Message: fault.Error(), Stalled: true}
		return Decision{Step: StepWait, State: state, After: now.Add(CheckInterval)}
	case !abortable(u, o.Store):
		return Decision{Step: StepReleaseFinalizer}
	case o.Problem != nil:
		return decideBlocked(o, now)
	case o.Object != nil && o.Object.Exists && o.Object.Metadata.Owner == u.UID:
		return Decision{Step: StepReleaseFinalizer} // it has become the file
	case o.PartList != nil && o.PartList.Lost:
		return Decision{Step: StepReleaseFinalizer, State: aborted}
	default:
		return abort(v1alpha1.ReasonAborting)
	}
}

// abortable reports whether the upload has an id that a store can be sent, and a file that has a
// key there. The store is nil while it is not known.
func abortable(u *v1alpha1.MultipartUpload, store *v1alpha1.FileStore) bool {
	if u.Status.UploadID == "" || !plausibleID(u.Status.UploadID) {
		return false
	}
	if store == nil {
		return true
	}
	_, err := KeyOf(FileOf(u), store)
	return err == nil
}

// unusable reports whether object storage must not be looked at for the upload, because its status
// cannot be true.
func unusable(u *v1alpha1.MultipartUpload, store *v1alpha1.FileStore, now time.Time) bool {
	return CheckStatus(u, store, now) != nil && (u.DeletionTimestamp == nil || !abortable(u, store))
}
