package upload

import (
	"time"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// Part is what of a part matters to a decision.
type Part struct {
	// Number is 1..10000, Size in bytes.
	Number int32
	Size   int64
	// Unclear: it counts as missing, since object storage has several copies of it, and does not
	// tell which was sent last.
	Unclear bool
}

// Object is what was seen at the file's key.
type Object struct {
	// Exists is false where there is no object; then the rest is zero.
	Exists bool
	// ETag is the backend's.
	ETag string
	// Modified is when it was stored, by the backend's clock.
	Modified time.Time
	// Metadata that was stored with it.
	Metadata FileMetadata
}

// PartList is what object storage knows of the upload.
type PartList struct {
	// Lost: it does not know the upload (any more).
	Lost bool
	// Parts in the order of their numbers.
	Parts []Part
}

// Problem is why the world could not be observed, or why the upload must wait.
type Problem struct {
	// Reason is a condition reason.
	Reason string
	// Message says what is wrong and what to do, for the cluster's users.
	Message string
	// Stalled: it does not pass by itself.
	Stalled bool
}

// Refused is a definite No to an assembly, or to the opening of an upload.
type Refused struct {
	// Answer is what a user may know of it, such as "HTTP 403".
	Answer string
	// For is since how long it has been so.
	For time.Duration
	// Pause before it is asked again.
	Pause time.Duration
}

// Observation is all that Decide looks at.
type Observation struct {
	// Upload as recorded.
	Upload *v1alpha1.MultipartUpload
	// Store that serves it; nil if there is none, and then Problem says why.
	Store *v1alpha1.FileStore
	// Problem is why object storage could not be looked at, nil if it could.
	Problem *Problem
	// Holder is another upload of the same file that Holds it, nil if there is none.
	Holder *v1alpha1.MultipartUpload
	// OtherOpen is how many other uploads the namespace has open in the store, counted up to what
	// the store allows.
	OtherOpen int
	// OtherBytes is how many bytes they count with against the store's limit.
	OtherBytes int64
	// Object and PartList are what was seen in object storage; nil where Needs did not ask for it.
	Object   *Object
	PartList *PartList
	// Unconfirmed: parts are missing from the list, and have not been for MissingPartsDelay yet.
	Unconfirmed bool
	// Refused is what object storage has answered in this pass to the opening, or to the assembly,
	// after which the object was looked at; nil if it was not asked, or did not answer.
	Refused *Refused
	// GiveUpAfter is how long the finalizer of a deleted upload waits for a store that cannot be
	// reached.
	GiveUpAfter time.Duration
}

// Needs says what Decide wants to see of object storage for this upload: the object at the file's
// key, the part list. The object is also wanted where the part list turns out to be lost: the
// upload may have become it. checked as in CheckDue.
func Needs(u *v1alpha1.MultipartUpload, store *v1alpha1.FileStore, checked, now time.Time) (object, partList bool) {
	switch {
	case Ended(u), unusable(u, store, now):
		return false, false
	case u.Status.UploadID == "":
		return u.DeletionTimestamp == nil && Desired(u) != v1alpha1.DesiredStateAborted, false
	case Desired(u) != v1alpha1.DesiredStateUploading:
		return true, true
	case u.DeletionTimestamp != nil || Expired(u, store, now):
		// It is aborted whatever its parts are, which are looked at after that. A record that was
		// restored from a backup may not know that it has become the file.
		return true, false
	default:
		return false, CheckDue(u, checked, now)
	}
}

// Covers reports whether the observation has all that Needs asks for of its upload, as it is by
// now: it may have been read anew since it was observed.
func (o *Observation) Covers(now time.Time) bool {
	object, partList := Needs(o.Upload, o.Store, now, now) // that a comparison has fallen due meanwhile does not matter
	return (o.Object != nil || !object) && (o.PartList != nil || !partList)
}
