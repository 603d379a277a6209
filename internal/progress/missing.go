package progress

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	apply "github.com/iotfile-operator/iotfile-operator/api/applyconfiguration/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// missingInterval is how often at most an upload is recorded as missing.
const missingInterval = time.Minute

// Missing notes that object storage does not know u: it is listed once more, and if that is so, the
// reconciler is told by status.progress. It costs no request here.
func (r *Recorder) Missing(u *v1alpha1.MultipartUpload) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m := r.markOf(u); !m.missing {
		m.missing, m.dirty, m.due = true, true, r.opts.Clock.Now()
		r.wake()
	}
}

// missingAt is the progress that the status has, and that the upload is missing.
func missingAt(u *v1alpha1.MultipartUpload, now time.Time) *apply.UploadProgressApplyConfiguration {
	state := stateOf(u, nil)
	if kept := u.Status.Progress; kept != nil {
		*state = apply.UploadProgressApplyConfiguration{Parts: kept.Parts, Bytes: kept.Bytes, Percent: kept.Percent, LastPartTime: kept.LastPartTime}
		if kept.DisplayBytes != "" {
			state.WithDisplayBytes(kept.DisplayBytes)
		}
	}
	return state.WithMissingTime(metav1.NewTime(now))
}
