package dataplane

import (
	"context"
	"errors"
	"strconv"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/catalog"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/apierror"
	"github.com/iotfile-operator/iotfile-operator/internal/failpoint"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// answerWhenCompleted waits for the reconciler, which goes on also when the client's wait is
// over.
func (s *Server) answerWhenCompleted(ctx context.Context, c *call, u *v1alpha1.MultipartUpload, w *catalog.Waiter) error {
	ctx, cancel := context.WithTimeoutCause(ctx, s.opts.CompleteTimeout, apierror.ErrTimeout)
	defer cancel()
	var completed *v1alpha1.MultipartUpload
	err := s.uploads.Await(ctx, w, u, func(now *v1alpha1.MultipartUpload) (bool, error) {
		if now == nil {
			if s.uploads.Cached(ctx, u) {
				return false, nil // the events that say how it ended are on their way
			}
			if last := w.Last(); last != nil && upload.Ended(last) {
				now = last
			}
		}
		switch {
		case now == nil:
			return true, nil
		case upload.Completed(now):
			completed = now
			return true, nil
		case upload.Ended(now):
			return false, endOf(now)
		case upload.Stalled(now) != nil:
			stalled := upload.Stalled(now)
			return false, &apierror.StalledError{Reason: stalled.Reason, Message: stalled.Message}
		}
		return false, nil
	})
	switch {
	case errors.Is(err, apierror.ErrTimeout):
		return apierror.Unavailable("the file is still being assembled: send the same request again for the result", apierror.RetryShort).Because(err)
	case err != nil:
		return err
	case completed == nil:
		return s.answerFromObject(ctx, c, u)
	}
	return s.answerAgain(ctx, c, completed)
}

// endOf says how an upload has ended that is not completed.
func endOf(u *v1alpha1.MultipartUpload) error {
	if c := meta.FindStatusCondition(u.Status.Conditions, v1alpha1.ConditionCompleted); c != nil {
		return &apierror.StalledError{Reason: c.Reason, Message: c.Message}
	}
	return &apierror.StalledError{Reason: v1alpha1.ReasonAborted, Message: "no condition says how"}
}

// answerFromObject answers for an upload whose record was deleted while it was being completed: the
// file reports whether it was.
func (s *Server) answerFromObject(ctx context.Context, c *call, u *v1alpha1.MultipartUpload) error {
	at, err := s.locate(ctx, s.subject(ctx, u))
	if err != nil {
		return err
	}
	object, err := at.store.Stat(ctx, at.ref.Key)
	if err != nil && !errors.Is(err, filestore.ErrNotFound) {
		return err
	}
	found := upload.DecodeFileMetadata(object.Metadata)
	switch intended := upload.NextVersion(u.Spec.IfMatch); {
	case err == nil && found.Owner == u.UID:
	case err == nil && found.Version > intended:
		return apierror.Unavailable("whether the file was assembled is not known, it has been replaced since: read it", apierror.RetryShort)
	default:
		return &apierror.StalledError{Reason: v1alpha1.ReasonAborted, Message: "the record was deleted, and the file is not its result"}
	}
	u.Status.FileVersion = &found.Version
	return s.answerAgain(ctx, c, u)
}

// answerAgain answers for a completed upload, also when the request is sent again. A body that is
// still on its way is read and dropped, at the price of a part in flight: a client that must send
// it to its end would else take the success for a failure.
func (s *Server) answerAgain(ctx context.Context, c *call, u *v1alpha1.MultipartUpload) error {
	if err := upload.AdmitCaller(u, c.ifMatch); err != nil {
		return err
	}
	if err := c.conditions.CheckUpload(u); err != nil {
		return err
	}
	if c.body.Unread() {
		if err := c.admitSize(true, s.subject(ctx, u).limits()); err != nil {
			return err
		}
		if err := s.dropBody(ctx, c); err != nil {
			return err
		}
	}
	version := upload.NextVersion(u.Spec.IfMatch)
	if u.Status.FileVersion != nil {
		version = *u.Status.FileVersion
	}
	h := c.response.Header()
	h["ETag"] = []string{strconv.FormatInt(version, 10)}
	h.Set("Location", c.location)
	failpoint.Hit(failpoint.CompletionSeen)
	c.response.WriteHeader(created(u))
	return nil
}
