package multipartupload

import (
	"sync"

	"k8s.io/utils/ptr"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// clearedUploads are the uploads whose parts this process has seen to be gone, and whose end is not
// recorded yet. To delete the parts of an upload costs the API server a read, to record its end a
// write that takes five times as long: where thousands expire in a minute, the parts of all are
// gone in time if the records wait. What is forgotten here, because the process ends, the next
// leader finds out anew.
type clearedUploads struct {
	ids sync.Map // by UID of the record, the upload id
}

func (c *clearedUploads) add(u *v1alpha1.MultipartUpload) { c.ids.Store(u.UID, u.Status.UploadID) }

func (c *clearedUploads) forget(u *v1alpha1.MultipartUpload) { c.ids.Delete(u.UID) }

// has reports whether there is nothing left to look at in object storage but what is known: an
// upload id is never given twice.
func (c *clearedUploads) has(u *v1alpha1.MultipartUpload) bool {
	id, known := c.ids.Load(u.UID)
	return known && id == u.Status.UploadID && !upload.Ended(u)
}

// priority is that of the next look at an upload whose parts are gone, nil if they are not known to
// be.
func (c *clearedUploads) priority(u *v1alpha1.MultipartUpload) *int {
	if !c.has(u) {
		return nil
	}
	return ptr.To(priorityCleared)
}

// clear leaves it to a later pass to record that the upload has expired.
func (r *Reconciler) clear(o *observation) outcome {
	r.cleared.add(o.Upload)
	if at := upload.ExpirationTime(o.Upload, o.Store); !at.IsZero() {
		expiryDelaySeconds.Observe(max(0, r.Clock.Since(at).Seconds()))
	}
	return outcome{after: r.Clock.Now(), priority: r.cleared.priority(o.Upload)}
}
