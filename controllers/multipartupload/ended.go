package multipartupload

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/iotfile-operator/iotfile-operator/controllers/abortagain"
)

// noteEnded writes down that the upload is aborted now, before it is.
func (r *Reconciler) noteEnded(ctx context.Context, o *observation) error {
	if r.Ended == nil {
		return nil
	}
	return r.Ended.Note(ctx, abortagain.Ended{Store: o.Store.Name, Key: o.key(), UploadID: o.Upload.Status.UploadID})
}

// noteCompleted writes down that Complete was sent, where the store lets it be aborted again.
// Nobody waits for that: until it is written, the record tells of it.
func (r *Reconciler) noteCompleted(ctx context.Context, o *observation) {
	if r.Ended == nil || !abortagain.KeepsObject(o.Store) {
		return
	}
	e := abortagain.Ended{Store: o.Store.Name, Key: o.key(), UploadID: o.Upload.Status.UploadID, Completed: true}
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
		defer cancel()
		if err := r.Ended.Note(ctx, e); err != nil {
			log.FromContext(ctx).Error(err, "an upload that was completed is not aborted again")
		}
	}()
}
