package upload

import (
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// FileOf names the file that the upload makes.
func FileOf(u *v1alpha1.MultipartUpload) File {
	return File{Namespace: u.Namespace, EntityID: u.Spec.EntityID, Path: u.Spec.Path}
}

// Ended reports whether the upload has reached an end: completed, aborted, expired or lost. It
// never leaves it.
func Ended(u *v1alpha1.MultipartUpload) bool { return u.Status.CompletionTime != nil }

// Completed reports whether the status records that the upload has become the file.
func Completed(u *v1alpha1.MultipartUpload) bool {
	return meta.IsStatusConditionTrue(u.Status.Conditions, v1alpha1.ConditionCompleted)
}

// Stalled returns the condition Stalled if it is True and speaks of the current spec, else nil.
func Stalled(u *v1alpha1.MultipartUpload) *metav1.Condition {
	c := meta.FindStatusCondition(u.Status.Conditions, v1alpha1.ConditionStalled)
	if c == nil || c.Status != metav1.ConditionTrue || c.ObservedGeneration != u.Generation {
		return nil
	}
	return c
}

// Open reports whether the upload holds its file: it has not ended and is not being deleted before
// it was opened.
func Open(u *v1alpha1.MultipartUpload) bool {
	return !Ended(u) && (u.DeletionTimestamp == nil || u.Status.UploadID != "")
}

// Holds reports whether the upload keeps others from its file: it is open, and not one that object
// storage has never opened and that cannot be opened for a reason of its own, such as a version
// that the file has not. Those could keep the file for ever.
func Holds(u *v1alpha1.MultipartUpload) bool {
	if !Open(u) || u.Status.UploadID != "" {
		return Open(u)
	}
	c := Stalled(u)
	return c == nil || c.Reason == v1alpha1.ReasonFileBusy || c.Reason == v1alpha1.ReasonTooManyOpenUploads || c.Reason == v1alpha1.ReasonTooManyBytes
}

// TakesParts reports whether the upload is opened in object storage and its owner wants nothing but
// parts of it.
func TakesParts(u *v1alpha1.MultipartUpload) bool {
	return !Ended(u) && u.Status.UploadID != "" && u.DeletionTimestamp == nil && Desired(u) == v1alpha1.DesiredStateUploading
}

// Desired is spec.desiredState with its default.
func Desired(u *v1alpha1.MultipartUpload) v1alpha1.DesiredState {
	if u.Spec.DesiredState == "" {
		return v1alpha1.DesiredStateUploading
	}
	return u.Spec.DesiredState
}

// Urgent reports whether somebody waits for the next step of the upload: it is to be opened,
// completed or aborted, or its record is being deleted, also one of an upload that has ended, whose
// name a start of the same file waits for. What else happens to an upload, such as its expiry, has
// time.
func Urgent(u *v1alpha1.MultipartUpload) bool {
	if u.DeletionTimestamp != nil {
		return true
	}
	return !Ended(u) && (u.Status.UploadID == "" || Desired(u) != v1alpha1.DesiredStateUploading)
}

// Goes reports whether a has the file rather than b, of two open uploads of one file: the one that
// was opened in object storage first, else the older one, else the one of the smaller UID. It is a
// strict order, so that every reader names the same winner.
func Goes(a, b *v1alpha1.MultipartUpload) bool {
	if (a.Status.UploadID != "") != (b.Status.UploadID != "") {
		return a.Status.UploadID != ""
	}
	if !a.CreationTimestamp.Equal(&b.CreationTimestamp) {
		return a.CreationTimestamp.Before(&b.CreationTimestamp)
	}
	return a.UID < b.UID
}
