package multipartupload

import (
	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// queue is one of the three controllers of uploads. Each has workers of its own, so that nobody who
// waits for an upload waits for thousands that expire, or are collected, at the same time. All take
// the same steps, and an upload is in the one that its record says.
type queue int

const (
	// urgent has the uploads that somebody waits for, see upload.Urgent.
	urgent queue = iota
	// expiration has those that take parts, until they expire or are found to be lost.
	expiration
	// collection has those that have ended: their finalizer goes, and then their record.
	collection
	queues
)

// names of the controllers, in metrics, logs and traces.
var names = [queues]string{urgent: "multipartupload", expiration: "expiration", collection: "collection"}

// Of the queues in which nobody waits, fewer uploads are reconciled at once: each pass writes one
// or two records, and an API server that does as many of them as it can answers nobody else in
// time.
const (
	expirationPlaces = 8
	collectionPlaces = 2
)

// queueOf is the queue of the upload.
func queueOf(u *v1alpha1.MultipartUpload) queue {
	switch {
	case upload.Urgent(u):
		return urgent
	case upload.Ended(u):
		return collection
	default:
		return expiration
	}
}

// places is how many passes of the queue may ask something of object storage at once, where so many
// workers are wanted for what is urgent.
func (q queue) places(workers int) int {
	return [queues]int{urgent: max(workers, 1), expiration: expirationPlaces, collection: collectionPlaces}[q]
}
