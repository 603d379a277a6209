package filestore

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// isReapedFrom reports whether it is the record of an upload that the store has deleted on its own.
func isReapedFrom(u *v1alpha1.MultipartUpload, store string) bool {
	c := meta.FindStatusCondition(u.Status.Conditions, v1alpha1.ConditionCompleted)
	return upload.OpenedIn(u) == store && c != nil && c.Reason == v1alpha1.ReasonUploadLost
}

// setReaped says how many records there are of uploads that object storage has deleted on its own.
// The condition goes with the last of the records.
func (r *Reconciler) setReaped(fs *v1alpha1.FileStore, lost int32) {
	if lost == 0 {
		meta.RemoveStatusCondition(&fs.Status.Conditions, v1alpha1.ConditionUploadsLost)
		return
	}
	meta.SetStatusCondition(&fs.Status.Conditions, metav1.Condition{
		Type: v1alpha1.ConditionUploadsLost, Status: metav1.ConditionTrue, ObservedGeneration: fs.Generation, LastTransitionTime: metav1.NewTime(r.Clock.Now()),
		Reason: v1alpha1.ReasonReapedByBackend,
		Message: fmt.Sprintf("object storage has deleted %d uploads on its own: let it keep incomplete uploads for longer than uploadTTL. "+
			"A lifecycle rule of the bucket (AbortIncompleteMultipartUpload) can be the cause; MinIO deletes after 24 hours unless MINIO_API_STALE_UPLOADS_EXPIRY says otherwise", lost),
	})
}
