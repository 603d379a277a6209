package upload

import (
	"time"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// FenceDelay is how long the reconciler waits, from when it has seen that an upload is to end without a file, before it
// aborts it: every replica watches the record, and cuts its streams of the upload meanwhile. A part that lands after an
// abort is in no listing of some stores. An abort takes longer by that much.
const FenceDelay = 800 * time.Millisecond

// FenceSettled is how long ago a record must have been deleted for FenceDelay to be over for certain, whoever waited.
const FenceSettled = 10 * time.Second

// Told reports whether the replicas have known long enough, by the record itself, that nothing more may land. An
// expiration is known beforehand; when a deletion was asked for is known to the second, by another clock.
func Told(u *v1alpha1.MultipartUpload, now time.Time) bool {
	return (u.DeletionTimestamp != nil && now.Sub(u.DeletionTimestamp.Time) >= FenceSettled) ||
		(u.Status.ExpirationTime != nil && now.Sub(u.Status.ExpirationTime.Time) >= FenceDelay)
}

// Fencing is how much longer an upload whose time is over is left alone, so that the replicas can cut its streams, if the
// status says when that was: 0 if it need not be.
func Fencing(u *v1alpha1.MultipartUpload, store *v1alpha1.FileStore, now time.Time) time.Duration {
	at := ExpirationTime(u, store)
	if at.IsZero() || now.Before(at) || Urgent(u) || Ended(u) || EndOf(u, now) != EndExpired {
		return 0
	}
	return max(0, FenceDelay-now.Sub(at))
}

// End is why the parts of an upload that are still in flight must not land.
type End int

const (
	// EndNone: the upload takes parts, as far as its record tells.
	EndNone End = iota
	// EndCompleting: the file is being assembled from the parts that were listed, or has been.
	EndCompleting
	// EndExpired: its time is over.
	EndExpired
	// EndOver: it was aborted, deleted or lost.
	EndOver
)

// EndOf reports why nothing more may be streamed into u, which is nil if its record is gone. A record that does not
// know the id of its upload yet is older than the stream, and says nothing.
func EndOf(u *v1alpha1.MultipartUpload, now time.Time) End {
	switch {
	case u == nil:
		return EndOver
	case Completed(u):
		return EndCompleting
	case Ended(u), u.DeletionTimestamp != nil, Desired(u) == v1alpha1.DesiredStateAborted:
		return EndOver
	case Desired(u) == v1alpha1.DesiredStateCompleted:
		return EndCompleting
	case u.Status.ExpirationTime != nil && !now.Before(u.Status.ExpirationTime.Time):
		return EndExpired
	default:
		return EndNone
	}
}
