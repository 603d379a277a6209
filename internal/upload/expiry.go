package upload

import (
	"fmt"
	"time"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// Defaults of a FileStore, for objects that the API server has not defaulted.
const (
	// DefaultUploadTTL is how long an upload may stay incomplete (docs/rest-api.md, "Start": 2
	// days).
	DefaultUploadTTL = 48 * time.Hour
	// DefaultFinishedTTL is how long the record of a finished REST upload stays.
	DefaultFinishedTTL = time.Hour
)

// ExpirationTime is when the upload's time is over: its ttl, else its store's, after it was
// started, but no later than the store allows. It is zero for an upload that was not started yet.
// store may be nil (deleted): then the default stands in. What the status says of the time is for
// people: it is not read.
func ExpirationTime(u *v1alpha1.MultipartUpload, store *v1alpha1.FileStore) time.Time {
	start := u.Status.StartTime
	switch {
	case start == nil && u.Status.UploadID == "":
		return time.Time{}
	case start == nil: // a status that was restored in part; it must not live for ever
		start = &u.CreationTimestamp
	}
	return start.Add(ttlOf(u, store))
}

// ttlOf is how long the upload may stay incomplete.
func ttlOf(u *v1alpha1.MultipartUpload, store *v1alpha1.FileStore) time.Duration {
	ttl := DefaultUploadTTL
	switch {
	case u.Spec.TTL != nil:
		ttl = u.Spec.TTL.Duration
	case store != nil && store.Spec.UploadTTL != nil:
		ttl = store.Spec.UploadTTL.Duration
	}
	if store == nil {
		return ttl
	}
	if most := LimitsOf(store).MaxUploadTTL; most > 0 {
		return min(ttl, most)
	}
	return ttl
}

// TTLTooLong says, for the cluster's users, that the upload asks for more time than the store
// allows; it is empty if it does not. Such an upload has what the store allows.
func TTLTooLong(u *v1alpha1.MultipartUpload, store *v1alpha1.FileStore) string {
	most := LimitsOf(store).MaxUploadTTL
	if most == 0 || u.Spec.TTL == nil || u.Spec.TTL.Duration <= most {
		return ""
	}
	return fmt.Sprintf("spec.ttl is %s, and the FileStore %q allows %s (limits.maxUploadTTL)", u.Spec.TTL.Duration, store.Name, most)
}

// Expired reports whether the upload was started and its time is over.
func Expired(u *v1alpha1.MultipartUpload, store *v1alpha1.FileStore, now time.Time) bool {
	at := ExpirationTime(u, store)
	return !at.IsZero() && !now.Before(at)
}

// CollectionTime is when the record of a finished upload is deleted, and whether it ever is: only
// those opened over REST are, finishedTTL after they ended. What a manifest made stays until its
// owner deletes it, since GitOps would create it anew.
func CollectionTime(u *v1alpha1.MultipartUpload, store *v1alpha1.FileStore) (time.Time, bool) {
	if u.Status.CompletionTime == nil || u.Labels[v1alpha1.LabelCreatedThrough] != v1alpha1.CreatedThroughREST {
		return time.Time{}, false
	}
	ttl := DefaultFinishedTTL
	if store != nil && store.Spec.FinishedTTL != nil {
		ttl = store.Spec.FinishedTTL.Duration
	}
	return u.Status.CompletionTime.Add(ttl), true
}
