package multipartupload

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/controllers/reconciler"
	"github.com/iotfile-operator/iotfile-operator/internal/failpoint"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// report writes the status, recomputed whole, in one patch, if it differs. The patch carries the
// version of the record that was looked at: where that has changed, nothing is written, and an
// upload that was just opened is aborted, so that nothing is open that no record knows.
func (r *Reconciler) report(ctx context.Context, o *observation, done outcome) error {
	if done.state.Reason == "" {
		return nil
	}
	old := o.Upload
	updated := old.DeepCopy()
	updated.Status = newStatus(o, done, r.Clock.Now())
	if sameStatus(old.Status, updated.Status, done) {
		return nil
	}
	if err := r.Client.Status().Patch(ctx, updated, reconciler.LockedPatch(old)); err != nil {
		if done.opened != nil && refused(err) {
			err = errors.Join(err, r.closeUnrecorded(ctx, o, done.opened))
		}
		return fmt.Errorf("patch status: %w", err)
	}
	o.Upload = updated
	switch {
	case done.opened != nil:
		failpoint.Hit(failpoint.UploadRecorded)
	case done.ended:
		failpoint.Hit(failpoint.EndRecorded)
	}
	r.tell(old, updated, o.Store, done)
	return nil
}

// sameStatus reports whether there is nothing to write. Of a state that passes anyway it is not
// worth a write that it was looked at again under another generation, such as the one that fixed
// the final part.
func sameStatus(old, updated v1alpha1.MultipartUploadStatus, done outcome) bool {
	if !done.ended && !done.state.Stalled {
		updated = *updated.DeepCopy()
		updated.ObservedGeneration = old.ObservedGeneration
		for i := range updated.Conditions {
			if c := meta.FindStatusCondition(old.Conditions, updated.Conditions[i].Type); c != nil {
				updated.Conditions[i].ObservedGeneration = c.ObservedGeneration
			}
		}
	}
	return equality.Semantic.DeepEqual(old, updated)
}

// refused reports whether the API server said No. Any other failure of a write may have lost its
// answer alone.
func refused(err error) bool {
	var status apierrors.APIStatus
	return errors.As(err, &status) && status.Status().Code >= 400 && status.Status().Code < 500
}

// closeUnrecorded aborts an upload whose id could not be recorded, once the live record confirms
// that: an earlier try of the same write may have got through. A crash before it leaves the upload
// to the orphan sweep.
func (r *Reconciler) closeUnrecorded(ctx context.Context, o *observation, op *opened) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	live := &v1alpha1.MultipartUpload{}
	err := r.Live.Get(ctx, client.ObjectKeyFromObject(o.Upload), live)
	if err == nil && live.UID == o.Upload.UID && live.Status.UploadID == op.uploadID {
		return nil
	}
	if client.IgnoreNotFound(err) == nil {
		r.claims.Release(o.Upload.Namespace, o.Upload.Name)
		err = o.store.AbortUpload(ctx, filestore.UploadRef{Key: op.key, UploadID: op.uploadID})
	}
	if err != nil {
		log.FromContext(ctx).Error(err, "cannot abort an upload that could not be recorded; the orphan sweep will")
		return fmt.Errorf("abort the unrecorded upload: %w", err)
	}
	return nil
}

// newStatus is the whole status after a step. What is write-once, and progress while parts are
// taken, is kept.
func newStatus(o *observation, done outcome, now time.Time) v1alpha1.MultipartUploadStatus {
	u := o.Upload
	s := *u.Status.DeepCopy()
	s.ObservedGeneration = ptr.To(u.Generation)
	if done.opened != nil {
		s.UploadID, s.ObjectKey, s.StoreName = done.opened.uploadID, done.opened.key, o.Store.Name
		s.StartTime = ptr.To(metav1.NewTime(done.opened.at))
		s.FileVersion = ptr.To(upload.NextVersion(u.Spec.IfMatch))
		if u.Spec.IfMatch != nil {
			s.BaseETag = done.opened.baseETag
		}
	}
	started := *u
	started.Status = s
	if at := upload.ExpirationTime(&started, o.Store); o.Store != nil && !at.IsZero() { // else its ttl is not known
		s.ExpirationTime = ptr.To(metav1.NewTime(at.Truncate(time.Second))) // as the API keeps it
	}
	if done.ended {
		s.CompletionTime = ptr.To(metav1.NewTime(now))
		s.ExpirationTime = nil
	}
	if done.object != nil {
		s.Size, s.Checksum = ptr.To(done.object.Size), done.object.Checksum
	}
	s.Progress = finalProgress(o, done, s.Progress)
	s.Phase = phase(&started, done.state)
	setConditions(&s, u.Generation, done.state, now)
	setTTLLimited(&s, o, now)
	return s
}

// setTTLLimited says so where the upload asks for more time than its store allows: admission does
// not see what is patched later, nor a limit that comes later.
func setTTLLimited(s *v1alpha1.MultipartUploadStatus, o *observation, now time.Time) {
	message := ""
	if o.Store != nil && s.CompletionTime == nil {
		message = upload.TTLTooLong(o.Upload, o.Store)
	}
	if message == "" {
		meta.RemoveStatusCondition(&s.Conditions, v1alpha1.ConditionTTLLimited)
		return
	}
	meta.SetStatusCondition(&s.Conditions, metav1.Condition{
		Type: v1alpha1.ConditionTTLLimited, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonMaxUploadTTL, Message: message + ", which counts",
		ObservedGeneration: o.Upload.Generation, LastTransitionTime: metav1.NewTime(now),
	})
}

// finalProgress is the progress of an upload that takes no more parts; until then it is the data
// plane's, and kept.
func finalProgress(o *observation, done outcome, kept *v1alpha1.UploadProgress) *v1alpha1.UploadProgress {
	if done.object != nil && (o.PartList == nil || upload.SumOf(o.PartList.Parts) != done.object.Size) {
		if kept == nil {
			return nil
		}
		// An earlier pass has assembled the file, so object storage lists its parts no more, or not
		// all: how many there were is what was recorded last.
		return newProgress(o.Upload, kept.Parts, done.object.Size, kept.LastPartTime)
	}
	if upload.TakesParts(o.Upload) || o.PartList == nil || o.PartList.Lost {
		if done.ended && done.object == nil && kept != nil {
			return newProgress(o.Upload, ptr.To[int32](0), 0, kept.LastPartTime)
		}
		return kept
	}
	var bytes int64
	var last time.Time
	for _, p := range o.parts {
		bytes += p.Size
		if p.Modified.After(last) {
			last = p.Modified
		}
	}
	out := newProgress(o.Upload, ptr.To(int32(len(o.parts))), bytes, nil) //nolint:gosec // S3 numbers parts 1..10000
	if !last.IsZero() {
		out.LastPartTime = ptr.To(metav1.NewTime(last.Truncate(time.Second)))
	}
	return out
}

func newProgress(u *v1alpha1.MultipartUpload, parts *int32, bytes int64, last *metav1.Time) *v1alpha1.UploadProgress {
	return &v1alpha1.UploadProgress{
		Parts: parts, Bytes: &bytes, DisplayBytes: upload.DisplayBytes(bytes), Percent: upload.Percent(u, bytes), LastPartTime: last,
	}
}

// phases of the reasons that have one of their own; every other one is Stalled or, if it passes,
// what the upload was about to do.
var phases = map[string]v1alpha1.UploadPhase{
	v1alpha1.ReasonPending:    v1alpha1.PhasePending,
	v1alpha1.ReasonUploading:  v1alpha1.PhaseUploading,
	v1alpha1.ReasonCompleting: v1alpha1.PhaseCompleting,
	v1alpha1.ReasonCompleted:  v1alpha1.PhaseCompleted,
	v1alpha1.ReasonAborting:   v1alpha1.PhaseAborting,
	v1alpha1.ReasonAborted:    v1alpha1.PhaseAborted,
	v1alpha1.ReasonExpiring:   v1alpha1.PhaseExpiring,
	v1alpha1.ReasonExpired:    v1alpha1.PhaseExpired,
}

func phase(u *v1alpha1.MultipartUpload, state upload.State) v1alpha1.UploadPhase {
	if p, ok := phases[state.Reason]; ok {
		return p
	}
	switch {
	case state.Stalled:
		return v1alpha1.PhaseStalled
	case u.Status.UploadID == "":
		return v1alpha1.PhasePending
	case u.DeletionTimestamp != nil || upload.Desired(u) == v1alpha1.DesiredStateAborted:
		return v1alpha1.PhaseAborting
	case upload.Desired(u) == v1alpha1.DesiredStateCompleted:
		return v1alpha1.PhaseCompleting
	default:
		return v1alpha1.PhaseUploading
	}
}

// setConditions derives the four conditions from the state.
func setConditions(s *v1alpha1.MultipartUploadStatus, generation int64, state upload.State, now time.Time) {
	set := func(kind string, status bool, reason, message string) {
		c := metav1.Condition{
			Type: kind, Status: metav1.ConditionFalse, Reason: reason, Message: message,
			ObservedGeneration: generation, LastTransitionTime: metav1.NewTime(now),
		}
		if status {
			c.Status = metav1.ConditionTrue
		}
		meta.SetStatusCondition(&s.Conditions, c)
	}
	if s.UploadID != "" {
		set(v1alpha1.ConditionInitiated, true, v1alpha1.ReasonInitiated, "object storage has opened the upload")
	} else {
		set(v1alpha1.ConditionInitiated, false, state.Reason, state.Message)
	}
	isCompleted := state.Reason == v1alpha1.ReasonCompleted
	set(v1alpha1.ConditionCompleted, isCompleted, state.Reason, state.Message)
	set(v1alpha1.ConditionReady, isCompleted, state.Reason, state.Message)
	if state.Stalled {
		set(v1alpha1.ConditionStalled, true, state.Reason, state.Message)
	} else {
		meta.RemoveStatusCondition(&s.Conditions, v1alpha1.ConditionStalled)
	}
}
