package testkit

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// Entity is the entity of files that say nothing else.
const Entity = "0123456789abcdef0123456789abcdef"

// Epoch is a moment for tests in which only differences of time matter.
var Epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// UploadOption changes an upload that Upload builds.
type UploadOption func(*v1alpha1.MultipartUpload)

// Upload builds a MultipartUpload of the file Entity/path/to/file.bin in namespace "default",
// created at Epoch.
func Upload(options ...UploadOption) *v1alpha1.MultipartUpload {
	u := &v1alpha1.MultipartUpload{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "default", Name: "upload", UID: "uid-of-upload", Generation: 1, CreationTimestamp: metav1.NewTime(Epoch),
		},
		Spec: v1alpha1.MultipartUploadSpec{
			EntityID: Entity, Path: "path/to/file.bin", ContentType: "application/octet-stream", DesiredState: v1alpha1.DesiredStateUploading,
		},
	}
	for _, option := range options {
		option(u)
	}
	return u
}

// Named sets namespace and name, and a UID that follows from them.
func Named(namespace, name string) UploadOption {
	return func(u *v1alpha1.MultipartUpload) {
		u.Namespace, u.Name, u.UID = namespace, name, types.UID("uid-of-"+namespace+"-"+name)
	}
}

// ForFile sets the file.
func ForFile(entity, path string) UploadOption {
	return func(u *v1alpha1.MultipartUpload) { u.Spec.EntityID, u.Spec.Path = entity, path }
}

// InStore names the store.
func InStore(name string) UploadOption {
	return func(u *v1alpha1.MultipartUpload) { u.Spec.StoreName = name }
}

// Wanting sets the desired state.
func Wanting(desired v1alpha1.DesiredState) UploadOption {
	return func(u *v1alpha1.MultipartUpload) { u.Spec.DesiredState = desired }
}

// IfMatch demands a version of the file.
func IfMatch(version int64) UploadOption {
	return func(u *v1alpha1.MultipartUpload) { u.Spec.IfMatch = ptr.To(version) }
}

// FinalPart fixes the number of the last part.
func FinalPart(number int32) UploadOption {
	return func(u *v1alpha1.MultipartUpload) { u.Spec.FinalPartNumber = ptr.To(number) }
}

// RequestedAt says when the upload was asked for.
func RequestedAt(at time.Time) UploadOption {
	return func(u *v1alpha1.MultipartUpload) { u.Spec.RequestTime = &metav1.Time{Time: at} }
}

// TTL sets how long the upload may stay incomplete.
func TTL(ttl time.Duration) UploadOption {
	return func(u *v1alpha1.MultipartUpload) { u.Spec.TTL = &metav1.Duration{Duration: ttl} }
}

// OverREST labels the upload as the data plane does.
func OverREST() UploadOption {
	return func(u *v1alpha1.MultipartUpload) {
		metav1.SetMetaDataLabel(&u.ObjectMeta, v1alpha1.LabelCreatedThrough, v1alpha1.CreatedThroughREST)
	}
}

// Finalizer adds the finalizer.
func Finalizer() UploadOption {
	return func(u *v1alpha1.MultipartUpload) { u.Finalizers = append(u.Finalizers, v1alpha1.FinalizerAbortUpload) }
}

// Deleted marks the upload as being deleted since at.
func Deleted(at time.Time) UploadOption {
	return func(u *v1alpha1.MultipartUpload) { u.DeletionTimestamp = ptr.To(metav1.NewTime(at)) }
}

// Opened adds the finalizer and what is recorded of an upload that object storage opened at Epoch,
// in FileStore "store".
func Opened(uploadID string) UploadOption {
	return func(u *v1alpha1.MultipartUpload) {
		Finalizer()(u)
		u.Status.UploadID, u.Status.StoreName = uploadID, "store"
		u.Status.ObjectKey = u.Namespace + "/" + u.Spec.EntityID + "/" + u.Spec.Path
		u.Status.StartTime = ptr.To(metav1.NewTime(Epoch))
	}
}

// Ended records that the upload came to an end at a time.
func Ended(at time.Time) UploadOption {
	return func(u *v1alpha1.MultipartUpload) { u.Status.CompletionTime = ptr.To(metav1.NewTime(at)) }
}

// StalledBy records the condition Stalled for the upload's current spec.
func StalledBy(reason string) UploadOption {
	return func(u *v1alpha1.MultipartUpload) {
		u.Status.Conditions = append(u.Status.Conditions, metav1.Condition{
			Type: v1alpha1.ConditionStalled, Status: metav1.ConditionTrue, Reason: reason, Message: "see " + reason,
			ObservedGeneration: u.Generation, LastTransitionTime: metav1.NewTime(Epoch),
		})
	}
}
