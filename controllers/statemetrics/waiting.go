package statemetrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// stalledKey are labels. A reason is a constant of the API; a store that does not exist has no name
// here, since tenants choose what they ask for.
type stalledKey struct{ store, reason string }

// waiting is what is told of uploads that do not go on.
type waiting struct {
	stalled map[stalledKey]float64
	lag     time.Duration
}

// add looks at an upload. known reports whether its store exists.
func (w *waiting) add(u *v1alpha1.MultipartUpload, known bool, now time.Time) {
	if c := upload.Stalled(u); c != nil && !upload.Ended(u) {
		key := stalledKey{reason: c.Reason}
		if known {
			key.store = upload.OpenedIn(u)
		}
		w.stalled[key]++
	}
	if since := waitsSince(u); !since.IsZero() {
		w.lag = max(w.lag, now.Sub(since))
	}
}

// waitsSince is since when nobody but the reconciler has to act, zero if that is not so.
func waitsSince(u *v1alpha1.MultipartUpload) time.Time {
	ready := meta.FindStatusCondition(u.Status.Conditions, v1alpha1.ConditionReady)
	expires := u.Status.ExpirationTime
	switch {
	case ready != nil && ready.Reason == v1alpha1.ReasonStoreUnavailable:
		return time.Time{}
	case u.DeletionTimestamp != nil && controllerutil.ContainsFinalizer(u, v1alpha1.FinalizerAbortUpload):
		return u.DeletionTimestamp.Time
	case u.DeletionTimestamp != nil: // it waits for somebody else's finalizer
		return time.Time{}
	case upload.Ended(u):
		return time.Time{}
	case expires != nil:
		return expires.Time
	case u.Status.UploadID == "" && upload.Stalled(u) == nil:
		return u.CreationTimestamp.Time
	default:
		return time.Time{}
	}
}

// tell sends the metrics.
func (w *waiting) tell(out chan<- prometheus.Metric) {
	for key, n := range w.stalled {
		out <- prometheus.MustNewConstMetric(stalledDesc, prometheus.GaugeValue, n, key.store, key.reason)
	}
	out <- prometheus.MustNewConstMetric(lagDesc, prometheus.GaugeValue, w.lag.Seconds())
}
