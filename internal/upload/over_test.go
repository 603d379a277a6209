package upload_test

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

func TestEndOf(t *testing.T) {
	now := testkit.Epoch.Add(time.Hour)
	with := func(change func(*v1alpha1.MultipartUpload)) *v1alpha1.MultipartUpload {
		u := testkit.Upload()
		u.Status.UploadID = "id"
		change(u)
		return u
	}
	store := testkit.Store("store", testkit.UploadTTL(2*time.Hour))
	started := func(at time.Time) *v1alpha1.MultipartUpload {
		return with(func(u *v1alpha1.MultipartUpload) {
			u.Status.StartTime = ptr.To(metav1.NewTime(at))
			u.Status.ExpirationTime = ptr.To(metav1.NewTime(at.Add(time.Hour))) // which nobody goes by
		})
	}
	at := func(t time.Time) *metav1.Time { return ptr.To(metav1.NewTime(t)) }
	for name, c := range map[string]struct {
		u    *v1alpha1.MultipartUpload
		want upload.End
	}{
		"gone":       {nil, upload.EndOver},
		"open":       {with(func(*v1alpha1.MultipartUpload) {}), upload.EndNone},
		"not opened": {with(func(u *v1alpha1.MultipartUpload) { u.Status.UploadID = "" }), upload.EndNone},
		"completing": {with(func(u *v1alpha1.MultipartUpload) { u.Spec.DesiredState = v1alpha1.DesiredStateCompleted }), upload.EndCompleting},
		"aborting":   {with(func(u *v1alpha1.MultipartUpload) { u.Spec.DesiredState = v1alpha1.DesiredStateAborted }), upload.EndOver},
		"deleted":    {with(func(u *v1alpha1.MultipartUpload) { u.DeletionTimestamp = at(now) }), upload.EndOver},
		"deleted while completing": {with(func(u *v1alpha1.MultipartUpload) {
			u.DeletionTimestamp, u.Spec.DesiredState = at(now), v1alpha1.DesiredStateCompleted
		}), upload.EndOver},
		"lost":          {with(func(u *v1alpha1.MultipartUpload) { u.Status.CompletionTime = at(now) }), upload.EndOver},
		"expires later": {started(now.Add(time.Second - 2*time.Hour)), upload.EndNone},
		"expired":       {started(now.Add(-2 * time.Hour)), upload.EndExpired},
		"completed": {with(func(u *v1alpha1.MultipartUpload) {
			u.Status.CompletionTime = at(now)
			u.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionCompleted, Status: metav1.ConditionTrue}}
		}), upload.EndCompleting},
	} {
		if got := upload.EndOf(c.u, store, now); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
