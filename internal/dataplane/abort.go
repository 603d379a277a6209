package dataplane

import (
	"context"
	"errors"
	"net/http"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/apierror"
	"github.com/iotfile-operator/iotfile-operator/internal/failpoint"
	"github.com/iotfile-operator/iotfile-operator/internal/identity"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// abort ends an upload without a file (docs/rest-api.md, "Abort"), and answers when
// its parts are gone. The record of an upload that was opened over REST goes too; one that a
// manifest made stays, and says Aborted.
func (s *Server) abort(c *call, r *http.Request) error {
	ctx, cancel := context.WithTimeoutCause(r.Context(), s.opts.AbortTimeout, apierror.ErrTimeout)
	defer cancel()
	fs, storeErr := s.fileStore(ctx, c.file.Namespace)
	name := ""
	if storeErr == nil {
		name = fs.Name
	}
	err := decide(ctx, func() error {
		now, err := s.uploads.read(ctx, c.file, name)
		if err != nil {
			return err
		}
		u := now.Open()
		switch {
		case u == nil && len(now) == 0 && storeErr != nil:
			return storeErr
		case u == nil:
			return apierror.NotFound("no upload of this file is open")
		case completing(u):
			return apierror.Conflict("the upload is being completed and cannot be aborted any more")
		}
		if err := s.mayAbort(ctx, c, u, r.Header.Get("Idempotency-Key")); err != nil {
			return err
		}
		return s.abortOnce(ctx, u)
	})
	switch {
	case errors.Is(err, errChanged):
		return apierror.Unavailable("the upload changes too fast to be aborted: send the request again", apierror.RetrySoon)
	case errors.Is(err, apierror.ErrTimeout):
		return apierror.Unavailable("the parts are still being deleted: send the request again to learn when they are gone", apierror.RetryShort).Because(err)
	case err != nil:
		return err
	}
	failpoint.Hit(failpoint.AbortSeen)
	c.response.WriteHeader(http.StatusNoContent)
	return nil
}

// mayAbort reports whether the caller may end u: a client aborts what it has started, and not what
// somebody else is sending to the same path. The Idempotency-Key tells who has started it. Where
// there is none, the caller's name does, or the right to delete the record (docs/rest-api.md,
// "Abort").
func (s *Server) mayAbort(ctx context.Context, c *call, u *v1alpha1.MultipartUpload, key string) error {
	if err := s.authorizeUpload(ctx, c, u); err != nil {
		return err
	}
	switch {
	case u.Spec.IdempotencyKey != "" && u.Spec.IdempotencyKey == key:
		return nil
	case u.Spec.IdempotencyKey != "":
		return apierror.Conflict("the upload was started with an Idempotency-Key: repeat that header to abort it. It stays open")
	case u.Spec.CreatedBy == c.identity.Name:
		return nil
	}
	err := s.may(ctx, c, identity.Right{Verb: identity.VerbDelete, Resource: identity.ResourceUploads, Namespace: u.Namespace, Name: u.Name})
	if errors.Is(err, identity.ErrForbidden) {
		return apierror.Forbidden("somebody else has started the upload: only they may abort it, or who may delete multipartuploads in its namespace. It stays open").Because(err)
	}
	return err
}

// abortOnce records the intent and waits for the end.
func (s *Server) abortOnce(ctx context.Context, u *v1alpha1.MultipartUpload) (err error) {
	w := s.uploads.Watch(u.UID)
	defer w.Stop()
	viaREST := u.Labels[v1alpha1.LabelCreatedThrough] == v1alpha1.CreatedThroughREST
	switch {
	case u.DeletionTimestamp != nil:
	case viaREST:
		// The record as it was judged: a completion that was asked for meanwhile is not cut short.
		err = s.uploads.remove(ctx, u, false)
	case upload.Desired(u) != v1alpha1.DesiredStateAborted:
		err = s.uploads.intend(ctx, u, func(spec *v1alpha1.MultipartUploadSpec) { spec.DesiredState = v1alpha1.DesiredStateAborted })
	}
	if err != nil {
		return err
	}
	failpoint.Hit(failpoint.AbortIntended)
	mustGo := viaREST || u.DeletionTimestamp != nil
	return s.uploads.Await(ctx, w, u, func(now *v1alpha1.MultipartUpload) (bool, error) {
		switch {
		case now == nil:
			return true, nil
		case upload.Completed(now):
			return false, apierror.Conflict("the file was completed before it could be aborted, and stays")
		}
		return upload.Ended(now) && !mustGo, nil
	})
}
