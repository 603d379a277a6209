package upload

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// FenceDelay is how long the reconciler waits, from when it has seen that an upload is to end
// without a file, before it aborts it: every replica watches the record, and cuts its streams of
// the upload meanwhile. A part that lands after an abort is in no listing of some stores. An abort
// takes longer by that much.
const FenceDelay = 800 * time.Millisecond

// FenceSettled is how long ago a record must have been deleted for FenceDelay to be over for
// certain, whoever waited.
const FenceSettled = 10 * time.Second

// Told reports whether the replicas have known long enough, by the record itself, that nothing more
// may land. An expiration is known beforehand, unless it has become another one since it was
// Announced; when a deletion was asked for is known to the second, by another clock.
func Told(u *v1alpha1.MultipartUpload, store *v1alpha1.FileStore, now time.Time) bool {
	return (u.DeletionTimestamp != nil && now.Sub(u.DeletionTimestamp.Time) >= FenceSettled) ||
		(Announced(u, store) && now.Sub(ExpirationTime(u, store)) >= FenceDelay)
}

// Announced reports whether the status says when the upload's time is over. Where it says another,
// because a ttl was changed or the status forged, no replica goes by that, but one may not know of
// the change either: the event of a new status has all of them look.
func Announced(u *v1alpha1.MultipartUpload, store *v1alpha1.FileStore) bool {
	at := ExpirationTime(u, store)
	return !at.IsZero() && u.Status.ExpirationTime != nil && u.Status.ExpirationTime.Equal(&metav1.Time{Time: at.Truncate(time.Second)})
}

// Fencing is how much longer an upload whose time is over is left alone, so that the replicas can
// cut its streams, if that was Announced: 0 if it need not be.
func Fencing(u *v1alpha1.MultipartUpload, store *v1alpha1.FileStore, now time.Time) time.Duration {
	at := ExpirationTime(u, store)
	if at.IsZero() || now.Before(at) || Urgent(u) || Ended(u) || !Announced(u, store) || EndOf(u, store, now) != EndExpired {
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

// EndOf reports why nothing more may be streamed into u, which is nil if its record is gone. A
// record that does not know the id of its upload yet is older than the stream, and says nothing.
// store is the FileStore that takes u, or nil.
func EndOf(u *v1alpha1.MultipartUpload, store *v1alpha1.FileStore, now time.Time) End {
	switch {
	case u == nil:
		return EndOver
	case Completed(u):
		return EndCompleting
	case Ended(u), u.DeletionTimestamp != nil, Desired(u) == v1alpha1.DesiredStateAborted:
		return EndOver
	case Desired(u) == v1alpha1.DesiredStateCompleted:
		return EndCompleting
	case Expired(u, store, now):
		return EndExpired
	default:
		return EndNone
	}
}
