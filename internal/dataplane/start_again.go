package dataplane

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/apierror"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// Times of starts that have no Idempotency-Key. Public clients send none, and repeat a start whose
// replica was killed before it could answer: to refuse that would cost them the upload.
const (
	// answeredAfter is how long after its answer a start is marked as answered, unless parts show
	// it by then.
	answeredAfter = time.Second
	// unansweredFor is how long a record must be seen without that mark, and without parts, for
	// nobody to have been told of its upload.
	unansweredFor = 3 * time.Second
	// answerPoll is how often it is looked at meanwhile.
	answerPoll = 300 * time.Millisecond
)

// markAnswered notes, in a while, that the client knows of u, so that no later start joins it.
// Nobody waits for that.
func (s *Server) markAnswered(ctx context.Context, u *v1alpha1.MultipartUpload) {
	if u.Spec.IdempotencyKey != "" {
		return
	}
	time.AfterFunc(answeredAfter, func() {
		ctx, cancel := context.WithTimeout(ctx, lookTimeout)
		defer cancel()
		if now, known := s.uploads.Reread(ctx, u); known && (now == nil || !upload.TakesParts(now) || hasParts(now)) {
			return
		}
		patch := fmt.Appendf(nil, `{"metadata":{"uid":%q,"annotations":{%q:"true"}}}`, u.UID, v1alpha1.AnnotationAnswered)
		err := s.uploads.writer.Patch(ctx, u.DeepCopy(), client.RawPatch(types.MergePatchType, patch))
		if client.IgnoreNotFound(err) != nil {
			s.log.V(1).Info("cannot note that a start was answered", "namespace", u.Namespace, "upload", u.Name, "reason", err.Error())
		}
	})
}

func hasParts(u *v1alpha1.MultipartUpload) bool {
	p := u.Status.Progress
	return p != nil && p.Parts != nil && *p.Parts > 0
}

// adopt gives the upload that has the file to a start that asks for the same, of the same caller
// and without a key, if it turns out that nobody was told of it: the replica that has recorded it
// is gone. The error is errChanged when the file is free by now.
func (s *Server) adopt(ctx context.Context, holder *v1alpha1.MultipartUpload, spec v1alpha1.MultipartUploadSpec) (*v1alpha1.MultipartUpload, error) {
	refusal := refuseStart(holder, spec)
	if !adoptable(holder, spec) {
		return nil, refusal
	}
	for end := time.Now().Add(unansweredFor); ; {
		switch {
		case holder.Annotations[v1alpha1.AnnotationAnswered] != "" || hasParts(holder) || upload.Desired(holder) != v1alpha1.DesiredStateUploading:
			return nil, refusal
		case time.Now().After(end):
			return s.adoptEmpty(ctx, holder, refusal)
		}
		select {
		case <-time.After(answerPoll):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		now, err := s.uploads.get(ctx, client.ObjectKeyFromObject(holder))
		switch {
		case err != nil:
			return nil, err
		case now == nil || now.UID != holder.UID || s.ending(ctx, now):
			return nil, errChanged
		}
		holder = now
	}
}

// adoptable reports whether spec could be the request that the upload was opened for, sent again:
// the same, over REST, and without a key.
func adoptable(u *v1alpha1.MultipartUpload, spec v1alpha1.MultipartUploadSpec) bool {
	return spec.IdempotencyKey == "" && u.Spec.IdempotencyKey == "" && sameRequest(u, spec) &&
		u.Labels[v1alpha1.LabelCreatedThrough] == v1alpha1.CreatedThroughREST
}

// adoptEmpty gives an upload that nobody was told of, if no part of it has arrived.
func (s *Server) adoptEmpty(ctx context.Context, holder *v1alpha1.MultipartUpload, refusal error) (*v1alpha1.MultipartUpload, error) {
	opened, err := s.awaitOpened(ctx, holder)
	if err != nil {
		return nil, err
	}
	at, err := s.locate(ctx, s.subject(ctx, opened))
	if err != nil {
		return nil, err
	}
	parts, err := at.store.ListParts(ctx, at.ref)
	if err == nil && len(parts) > 0 {
		err = refusal
	}
	if err != nil {
		return nil, err
	}
	return opened, nil
}

// replays reports whether spec is what the upload was opened with by an earlier copy of the same
// request: the key is the caller's own, and names one request.
func replays(u *v1alpha1.MultipartUpload, spec v1alpha1.MultipartUploadSpec) bool {
	return sameKey(u, spec) && sameRequest(u, spec)
}

// sameRequest reports whether the caller asks for what the upload was opened for.
func sameRequest(u *v1alpha1.MultipartUpload, spec v1alpha1.MultipartUploadSpec) bool {
	return u.Spec.CreatedBy == spec.CreatedBy && equalPtr(u.Spec.IfMatch, spec.IfMatch) && equalPtr(u.Spec.Size, spec.Size) &&
		mediaTypeOf(u.Spec) == mediaTypeOf(spec)
}

// sameKey reports whether the caller has opened the upload with the key that it sends again.
func sameKey(u *v1alpha1.MultipartUpload, spec v1alpha1.MultipartUploadSpec) bool {
	return spec.IdempotencyKey != "" && u.Spec.IdempotencyKey == spec.IdempotencyKey && u.Spec.CreatedBy == spec.CreatedBy
}

func equalPtr(a, b *int64) bool {
	return (a == nil) == (b == nil) && (a == nil || *a == *b)
}

// mediaTypeOf is what the file is served as; the API server fills in the default.
func mediaTypeOf(spec v1alpha1.MultipartUploadSpec) string {
	return cmp.Or(spec.ContentType, "application/octet-stream")
}

func refuseStart(holder *v1alpha1.MultipartUpload, spec v1alpha1.MultipartUploadSpec) error {
	switch {
	case sameKey(holder, spec):
		return apierror.BadRequest("this Idempotency-Key opened the upload with another If-Match, X-File-Size or media type: send a new key with a new request")
	case completing(holder):
		return apierror.BadRequest("an upload of this file is being completed: wait until it is, then start with its ETag as If-Match")
	case upload.Stalled(holder) != nil:
		return apierror.BadRequest("an upload of this file is open and cannot go on: end it with upload=abort")
	default:
		return &apierror.StalledError{Reason: v1alpha1.ReasonFileBusy, Message: "another upload of this file is open"}
	}
}
