package upload

import (
	"time"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// CheckInterval is how often an upload that takes parts is compared with object storage, so that
// one that was lost there is noticed. The times are fixed from its start on, so that nothing has to
// be written down, and uploads that were started at different times are not compared at once.
const CheckInterval = time.Hour

// CheckDue reports whether a comparison of the upload with object storage has fallen due since the
// last one, or the upload was missing when a client asked for it. checked is when that was, zero if
// there was none. What says nothing about its start is compared every time.
func CheckDue(u *v1alpha1.MultipartUpload, checked, now time.Time) bool {
	if u.Status.StartTime == nil {
		return true
	}
	if p := u.Status.Progress; p != nil && p.MissingTime != nil && !p.MissingTime.Time.Before(checked.Truncate(time.Second)) {
		return true
	}
	due := nextCheck(u, now).Add(-CheckInterval)
	return due.After(u.Status.StartTime.Time) && due.After(checked)
}

// nextCheck is the first time after now at which the upload falls due for comparison.
func nextCheck(u *v1alpha1.MultipartUpload, now time.Time) time.Time {
	if u.Status.StartTime == nil {
		return now.Add(CheckInterval)
	}
	start := u.Status.StartTime.Time
	if now.Before(start) { // by another leader's clock
		return start.Add(CheckInterval)
	}
	return start.Add(now.Sub(start).Truncate(CheckInterval) + CheckInterval)
}
