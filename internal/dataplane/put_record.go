package dataplane

import (
	"context"
	"errors"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/apierror"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// Where object storage compares nothing when it assembles a file, the record of the upload decides
// between the upload and a file that is sent in one request. The reconciler looks at the file after
// the completion was recorded, and before it has the file assembled. So a write that has landed
// before that look is seen, and the upload conflicts with it; of one that has landed after it, the
// completion is in the record already, and the write waits for the end of the upload before it
// believes its own success. It holds over any number of replicas, however long one of them pauses
// between two steps.

// recordDecides reports whether that is so for a store.
func recordDecides(fs *v1alpha1.FileStore) bool {
	caps := fs.Status.Capabilities
	return caps != nil && caps.ConditionalComplete != nil && !*caps.ConditionalComplete
}

// awaitCompletion waits until no upload of the file is being completed. The first call, before the
// write, only keeps readers from seeing what is about to be overwritten.
func (s *Server) awaitCompletion(ctx context.Context, c *call, w *write) error {
	now, err := s.uploads.read(ctx, c.file, w.fs.Name)
	if err != nil {
		return err
	}
	u := now.Open()
	if u == nil || !mayComplete(u) {
		return nil
	}
	waiter := s.uploads.Watch(u.UID)
	defer waiter.Stop()
	err = s.uploads.Await(ctx, waiter, u, func(now *v1alpha1.MultipartUpload) (bool, error) {
		return now == nil || !mayComplete(now), nil
	})
	if errors.Is(err, errOutrun) {
		return apierror.Unavailable("an upload of this file is being completed: send the request again", apierror.RetryShort).Because(err)
	}
	return err
}

// mayComplete reports whether the file may still be assembled of an upload whose completion was
// recorded.
func mayComplete(u *v1alpha1.MultipartUpload) bool {
	if upload.Ended(u) || upload.Desired(u) != v1alpha1.DesiredStateCompleted {
		return false
	}
	stalled := upload.Stalled(u)
	if stalled == nil {
		return true
	}
	switch stalled.Reason {
	case v1alpha1.ReasonVersionConflict, v1alpha1.ReasonPartsMissing, v1alpha1.ReasonPartsInvalid:
		return false
	}
	return true // the assembly is tried again
}

// believe confirms a write that object storage has taken: that no upload has taken its place which
// had been compared with the file before it.
func (s *Server) believe(ctx context.Context, c *call, w *write) error {
	if !recordDecides(w.fs) {
		return nil
	}
	if err := s.inTurn(ctx, func(ctx context.Context) error { return s.awaitCompletion(ctx, c, w) }); err != nil {
		return err
	}
	_, file, exists, err := w.stat(ctx)
	switch {
	case err != nil:
		return err
	case !exists, file.Request == w.mark, file.Version > w.version: // deleted or replaced since
		return nil
	}
	if err := upload.CheckVersion(w.ifMatch, exists, file.Version); err != nil {
		return err
	}
	return filestore.ErrPrecondition
}
