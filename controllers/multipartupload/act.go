package multipartupload

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/failpoint"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// outcome is what a step came to, for report.
type outcome struct {
	// state to record; an empty reason means that there is nothing to record.
	state upload.State
	// opened is set by a step that opened the upload.
	opened *opened
	// ended: the state is an end.
	ended bool
	// object is the finished file.
	object *filestore.Object
	// after, retry and again are when to look again: at a time, after a pause, at once.
	after        time.Time
	retry, again bool
}

// opened is what is recorded of an upload that has just been opened.
type opened struct {
	uploadID, key string
	baseETag      string
	at            time.Time
}

// asking are the steps that may ask something of object storage.
var asking = map[upload.Step]bool{
	upload.StepInitiate: true, upload.StepComplete: true, upload.StepAbort: true, upload.StepFinish: true, upload.StepReleaseFinalizer: true,
}

// act takes the step. Each is safe to repeat, whatever became of an earlier try.
func (r *Reconciler) act(ctx context.Context, o *observation, d upload.Decision) (outcome, error) {
	done := outcome{state: d.State, after: d.After, retry: d.Retry}
	switch d.Step {
	case upload.StepWait:
		if at := upload.ExpirationTime(o.Upload, o.Store); upload.TakesParts(o.Upload) && done.after.Equal(at) {
			done.after = at.Add(upload.FenceDelay) // when its time is over, its streams are cut first
		}
		return done, nil
	case upload.StepAddFinalizer:
		err := r.patchFinalizer(ctx, o.Upload, controllerutil.AddFinalizer)
		if err == nil {
			failpoint.Hit(failpoint.FinalizerAdded)
		}
		return outcome{}, err
	case upload.StepInitiate:
		return r.initiate(ctx, o, done)
	case upload.StepComplete:
		return r.complete(ctx, o, d)
	case upload.StepAbort:
		return r.abort(ctx, o, d)
	case upload.StepFinish:
		return r.finish(ctx, o, d.State)
	case upload.StepReleaseFinalizer, upload.StepAbandon:
		if d.Step == upload.StepReleaseFinalizer && r.clearOrphans(ctx, o) {
			return outcome{retry: true}, nil
		}
		if o.Upload.DeletionTimestamp == nil {
			done.after, _ = upload.CollectionTime(o.Upload, o.Store)
		}
		return outcome{after: done.after}, r.release(ctx, o, d)
	case upload.StepCollect:
		return outcome{}, r.collect(ctx, o.Upload)
	}
	return outcome{}, fmt.Errorf("unknown step %q", d.Step)
}

// initiate opens the upload. Its id is recorded by report; if that fails, report aborts it again.
func (r *Reconciler) initiate(ctx context.Context, o *observation, done outcome) (outcome, error) {
	u := o.Upload
	if instead, err := r.claimPlace(ctx, o); err != nil {
		return outcome{}, err
	} else if instead != nil {
		return r.act(ctx, o, *instead)
	}
	now := r.Clock.Now()
	meta := upload.FileMetadata{
		Version:     upload.NextVersion(u.Spec.IfMatch),
		Owner:       u.UID,
		Description: u.Spec.Description,
		Timestamp:   upload.TimestampOf(&u.Spec),
		Created:     now,
		CreatedBy:   u.Spec.CreatedBy,
		UpdatedBy:   u.Spec.CreatedBy,
	}
	if o.Object.Exists {
		meta.Created, meta.CreatedBy, meta.Replaced = o.Object.Metadata.Created, o.Object.Metadata.CreatedBy, o.Object.Modified
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	id, err := o.store.CreateUpload(ctx, o.key(), filestore.CreateUploadOptions{
		ContentType: u.Spec.ContentType, ContentHeaders: filestore.ContentHeadersOf(&u.Spec), Metadata: meta.Encode(),
	})
	if err != nil {
		r.claims.Release(u.Namespace, u.Name)
	}
	switch {
	case errors.Is(err, filestore.ErrInvalidKey):
		return outcome{state: invalidKey, retry: true}, nil
	case err != nil:
		return r.notOpened(ctx, o, err)
	}
	r.checks.refused.forget(client.ObjectKeyFromObject(u))
	failpoint.Hit(failpoint.UploadCreated)
	done.opened = &opened{uploadID: id, key: o.key(), baseETag: o.Object.ETag, at: now}
	// The event of the status that report writes brings the next look.
	return done, nil
}

// unavailable deals with a step that object storage failed: Decide says how long that is borne.
func (r *Reconciler) unavailable(ctx context.Context, o *observation, err error) (outcome, error) {
	r.blame(ctx, o, err)
	return r.act(ctx, o, upload.Decide(o.Observation, r.Clock.Now()))
}

// retryStep deals with a step after which object storage is not as it should be: it is taken again
// at once, but for a deleted upload not for ever.
func (r *Reconciler) retryStep(ctx context.Context, o *observation, state upload.State) (outcome, error) {
	stuck := o.Observation
	stuck.Problem = &upload.Problem{
		Reason: v1alpha1.ReasonStoreUnavailable, Message: fmt.Sprintf("object storage of the FileStore %q does not do what it says", o.Store.Name),
	}
	if d := upload.Decide(stuck, r.Clock.Now()); d.Step == upload.StepAbandon {
		return r.act(ctx, o, d)
	}
	return outcome{state: state, again: true}, nil
}

// complete assembles the file. An answer of success is believed, even if somebody has replaced the
// file by now; without a checksum only if the file is not older than that, because Ceph says Yes to
// the parts of the present file whatever the upload is. After any failure it looks at the object
// first: an earlier pass, or this call, may have done it although the answer was lost.
func (r *Reconciler) complete(ctx context.Context, o *observation, d upload.Decision) (outcome, error) {
	assembled, failure := r.assemble(ctx, o, d)
	r.noteCompleted(ctx, o)
	if failure == nil && assembled.Checksum != "" {
		return completed(o.Upload, assembled), nil
	}
	statCtx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	object, ours, err := o.finished(statCtx)
	switch {
	case ours:
		return completed(o.Upload, object), nil
	case failure != nil:
		return r.notAssembled(ctx, o, failure, err)
	case errors.Is(err, filestore.ErrNotFound) && givesChecksums(o.Store):
		o.PartList, o.parts = &upload.PartList{Lost: true}, nil
		return r.finish(ctx, o, upload.Vanished)
	case err == nil && upload.DecodeFileMetadata(object.Metadata).Version <= upload.NextVersion(o.Upload.Spec.IfMatch):
		return r.retryStep(ctx, o, upload.State{})
	default:
		return completed(o.Upload, assembled), nil
	}
}

// invalidKey is the state of a file that object storage cannot store, such as one below an object.
var invalidKey = upload.State{Reason: v1alpha1.ReasonInvalidKey, Message: "object storage cannot store a file of this path", Stalled: true}

func completed(u *v1alpha1.MultipartUpload, object filestore.Object) outcome {
	return outcome{
		state:  upload.State{Reason: v1alpha1.ReasonCompleted, Message: fmt.Sprintf("the file has version %d", upload.NextVersion(u.Spec.IfMatch))},
		ended:  true,
		object: &object,
	}
}

// finish records an end.
func (r *Reconciler) finish(ctx context.Context, o *observation, state upload.State) (outcome, error) {
	done := outcome{state: state, ended: true}
	if state.Reason == v1alpha1.ReasonUploadLost && o.Store != nil && o.Upload.Status.UploadID != "" {
		// Bytes of it may be there all the same: MinIO that is killed in the middle of an assembly
		// keeps the parts, and lists none.
		if err := r.noteEnded(ctx, o); err != nil {
			return outcome{}, err
		}
	}
	if state.Reason == v1alpha1.ReasonCompleted {
		ctx, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		object, ours, err := o.finished(ctx)
		switch {
		case err != nil && !errors.Is(err, filestore.ErrNotFound):
			return r.unavailable(ctx, o, err)
		case ours: // else it has been replaced or deleted since it was observed, and what it was like is not known
			done.object = &object
		}
	}
	return done, nil
}

// condition is what the file that is replaced must be like. A store that compares nothing, or
// refuses to be asked, gets none: there the comparison of what was observed is all there is.
func condition(fs *v1alpha1.FileStore, d upload.Decision) filestore.Condition {
	if c := fs.Status.Capabilities; c != nil && c.ConditionalComplete != nil && !*c.ConditionalComplete {
		return filestore.Condition{}
	}
	return filestore.Condition{Absent: d.Absent, ETag: d.ETag}
}
