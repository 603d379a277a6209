package multipartupload

import (
	"context"
	"fmt"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/controllers/orphans"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// orphanSkew is how far the backend's clock may be behind the API server's.
const orphanSkew = time.Minute

// clearOrphans deals with what earlier passes have opened for the file and not recorded: they
// crashed in between, the answer was lost, or a proxy delivered the request twice. Where a backend
// lists uploads by exact key only, the orphan search finds nothing of a file that no record names
// any more, so this is the last look at it. later says that object storage has to be asked again
// before the record may go; a deleted record waits for that as long as for its parts.
func (r *Reconciler) clearOrphans(ctx context.Context, o *observation) (later bool) {
	u := o.Upload
	if o.Store == nil || o.Store.Status.Capabilities == nil || o.Store.Status.Capabilities.UploadListing != v1alpha1.UploadListingExactKey || o.key() == "" {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err := fmt.Errorf("the store %s cannot be used now", o.Store.Name)
	if o.store != nil {
		err = r.abortOrphans(ctx, o)
	}
	if err == nil {
		return false
	}
	log.FromContext(ctx).Error(err, "cannot look for uploads of the file that no record owns")
	return u.DeletionTimestamp == nil || r.Clock.Since(u.DeletionTimestamp.Time) < r.FinalizerTimeout
}

// abortOrphans finds the uploads of the file's key that were opened in the lifetime of its record
// and that no record owns, and deals with them by the store's policy. If another upload of the file
// has been recorded, they may be its own; the orphan search knows the key from it.
func (r *Reconciler) abortOrphans(ctx context.Context, o *observation) error {
	u := o.Upload
	since := u.CreationTimestamp.Add(-orphanSkew)
	var unrecorded []filestore.Upload
	err := o.store.ListUploads(ctx, o.key(), func(found filestore.Upload) bool {
		if found.Key == o.key() && !found.Initiated.Before(since) {
			unrecorded = append(unrecorded, found)
		}
		return true
	})
	if err != nil || len(unrecorded) == 0 {
		return err
	}
	var all v1alpha1.MultipartUploadList
	if err := r.Live.List(ctx, &all, client.InNamespace(u.Namespace)); err != nil {
		return fmt.Errorf("list uploads: %w", err)
	}
	for i := range all.Items {
		if other := &all.Items[i]; other.UID != u.UID && !upload.Ended(other) && upload.FileOf(other) == upload.FileOf(u) {
			return nil
		}
	}
	for _, orphan := range unrecorded {
		orphans.Total(o.Store).Inc()
		log.FromContext(ctx).Info("found an upload of the file that was never recorded", "key", orphan.Key, "initiated", orphan.Initiated, "policy", orphans.PolicyOf(o.Store))
		if orphans.PolicyOf(o.Store) != v1alpha1.OrphanPolicyAbort {
			continue
		}
		if err := o.store.AbortUpload(ctx, orphan.UploadRef); err != nil {
			return err
		}
	}
	return nil
}
