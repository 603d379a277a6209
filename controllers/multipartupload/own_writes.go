package multipartupload

import (
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// cacheLag is for how long the cache is trusted to catch up with a write. After it the record is
// taken for what the cache says: an etcd that was restored from a backup counts from an older
// version on.
const cacheLag = 10 * time.Second

// ownWrites remembers what this process has written to records until the cache shows it. While an
// API server is so busy that its events come seconds late, a pass over what was there before would
// open, or abort, once more what is done already, be refused, and so make it busier still. Nothing
// depends on it: every write carries the version that was read. The zero value is ready.
type ownWrites struct {
	mu   sync.Mutex
	last map[types.NamespacedName]ownWrite
}

type ownWrite struct {
	uid     types.UID
	version string
	at      time.Time
	// ended: since that write nothing of the upload is open.
	ended bool
}

// note remembers a record as the API server has answered a write of it.
func (w *ownWrites) note(u *v1alpha1.MultipartUpload, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.last == nil {
		w.last = map[types.NamespacedName]ownWrite{}
	}
	w.last[client.ObjectKeyFromObject(u)] = ownWrite{
		uid: u.UID, version: u.ResourceVersion, at: now,
		ended: upload.Ended(u) || (u.DeletionTimestamp != nil && !slices.Contains(u.Finalizers, v1alpha1.FinalizerAbortUpload)),
	}
}

// hidden reports whether a record, as the cache shows it, is older than what was written to it.
func (w *ownWrites) hidden(u *v1alpha1.MultipartUpload, now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	name := client.ObjectKeyFromObject(u)
	last, known := w.last[name]
	if !known {
		return false
	}
	if order, err := resourceversion.CompareResourceVersion(u.ResourceVersion, last.version); u.UID == last.uid && err == nil && order < 0 && now.Sub(last.at) < cacheLag {
		return true
	}
	delete(w.last, name)
	return false
}

// hasEnded reports whether an upload that the cache shows as open has ended by what was written to
// it since.
func (w *ownWrites) hasEnded(u *v1alpha1.MultipartUpload) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	last, known := w.last[client.ObjectKeyFromObject(u)]
	return known && last.ended && last.uid == u.UID
}

// forget drops what was remembered of a record that is gone.
func (w *ownWrites) forget(name types.NamespacedName) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.last, name)
}
