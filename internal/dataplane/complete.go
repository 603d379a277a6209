package dataplane

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/catalog"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/apierror"
	"github.com/iotfile-operator/iotfile-operator/internal/failpoint"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// completion is what a request has done so far to complete an upload.
type completion struct {
	// uid is the upload whose final part the body was sent to, empty before.
	uid types.UID
	// failed is why that part was not stored, nil if it was.
	failed error
}

// complete assembles the file (docs/rest-api.md, "Complete"). A body is the final
// part: its number is recorded before its bytes are streamed, so that a repeated request writes the
// same part again. Then the intent is recorded, and the reconciler's answer awaited.
func (s *Server) complete(c *call, r *http.Request) error {
	ctx := r.Context()
	fs, storeErr := s.fileStore(ctx, c.file.Namespace)
	name := ""
	if storeErr == nil {
		name = fs.Name
	}
	var done completion
	err := decide(ctx, func() error {
		now, err := s.uploads.read(ctx, c.file, name)
		if err != nil {
			return err
		}
		u := now.Open()
		if err := s.authorizeUpload(ctx, c, cmp.Or(u, now.Completed())); err != nil {
			return err
		}
		switch {
		case u == nil && now.Completed() != nil:
			return s.answerAgain(ctx, c, now.Completed())
		case u == nil && len(now) == 0 && storeErr != nil:
			return storeErr
		}
		return s.completeOnce(ctx, c, u, &done)
	})
	if errors.Is(err, errChanged) {
		return apierror.Unavailable("the upload changes too fast to be completed: send the request again", apierror.RetrySoon)
	}
	return err
}

// completeOnce takes the upload as far as it can, which may be nil.
func (s *Server) completeOnce(ctx context.Context, c *call, u *v1alpha1.MultipartUpload, done *completion) error {
	of := s.subject(ctx, u)
	if err := s.admitCompletion(ctx, c, of, done); err != nil {
		return err
	}
	// Before the intent, whose answer can be late: by then the file may be there, and another start
	// have taken the record away.
	w := s.uploads.Watch(u.UID)
	defer w.Stop()
	if upload.Desired(u) == v1alpha1.DesiredStateCompleted {
		return s.answerWhenCompleted(ctx, c, u, w)
	}
	at, err := s.locate(ctx, of)
	if err != nil {
		return err
	}
	parts, err := s.partsToComplete(ctx, c, u, at, done)
	switch {
	case errors.Is(err, filestore.ErrNoSuchUpload):
		return s.withoutParts(ctx, c, u, w, at, err)
	case err != nil:
		return err
	}
	if err := s.gatherFinal(ctx, c, of, parts, done); err != nil {
		return err
	}
	if c.body.Length() > 0 && done.uid == "" {
		return s.streamFinal(ctx, c, of, parts, done)
	}
	return s.intendCompletion(ctx, c, u, w)
}

// intendCompletion records that u is to be completed, and answers when it is.
func (s *Server) intendCompletion(ctx context.Context, c *call, u *v1alpha1.MultipartUpload, w *catalog.Waiter) error {
	err := s.uploads.intend(ctx, u, func(spec *v1alpha1.MultipartUploadSpec) { spec.DesiredState = v1alpha1.DesiredStateCompleted })
	if err != nil {
		return err
	}
	failpoint.Hit(failpoint.CompletionIntended)
	return s.answerWhenCompleted(ctx, c, u, w)
}

// withoutParts deals with an upload that object storage does not know. Its record may have moved
// on; or come back from a backup that was made before the completion, which the file's owner tells,
// and then the reconciler records the end.
func (s *Server) withoutParts(ctx context.Context, c *call, u *v1alpha1.MultipartUpload, w *catalog.Waiter, at located, cause error) error {
	if s.moved(ctx, u) {
		return errChanged
	}
	object, err := at.store.Stat(ctx, at.ref.Key)
	switch {
	case err == nil && upload.DecodeFileMetadata(object.Metadata).Owner == u.UID:
		return s.intendCompletion(ctx, c, u, w)
	case err != nil && !errors.Is(err, filestore.ErrNotFound):
		return errors.Join(err, cause)
	}
	s.progress.Missing(u)
	return cause
}

// admitCompletion refuses before a body is asked for.
func (s *Server) admitCompletion(ctx context.Context, c *call, of subject, done *completion) error {
	u, fs := of.u, of.fs
	if err := upload.AdmitCaller(u, c.ifMatch); err != nil {
		return err
	}
	if err := upload.CheckStatus(u, fs, s.opts.Clock.Now()); err != nil {
		return err
	}
	if err := s.checkCompletion(ctx, c, of); err != nil {
		return err
	}
	if done.uid != "" && done.uid != u.UID {
		return apierror.Conflict("the upload was ended and started anew meanwhile: nothing of this request is part of the new one")
	}
	if err := c.admitSize(true, of.limits()); err != nil {
		return err
	}
	if upload.Desired(u) == v1alpha1.DesiredStateCompleted {
		if stalled := upload.Stalled(u); stalled != nil {
			return &apierror.StalledError{Reason: stalled.Reason, Message: stalled.Message}
		}
		return nil
	}
	if done.failed != nil {
		return done.failed
	}
	// Number 0 is before any final part that is fixed already.
	return upload.AdmitPart(u, fs, 0, c.ifMatch, s.opts.Clock.Now())
}

// streamFinal records which number the final part has, unless an earlier request has, and streams
// it. The upload has changed then, so the error is errChanged unless it is another.
func (s *Server) streamFinal(ctx context.Context, c *call, of subject, parts []filestore.Part, done *completion) error {
	u := of.u
	final, err := finalNumber(partListOf(parts), u.Spec.FinalPartNumber)
	if err != nil {
		return err
	}
	leave, err := s.admitLoad(ctx, c, of, final, c.body.Length())
	if err != nil {
		return err
	}
	landed := false
	defer func() { leave(landed) }()
	if u.Spec.FinalPartNumber == nil {
		err := s.uploads.intend(ctx, u, func(spec *v1alpha1.MultipartUploadSpec) { spec.FinalPartNumber = &final })
		if err != nil {
			return err
		}
		failpoint.Hit(failpoint.FinalNumberRecorded)
	}
	_, err = s.stream(ctx, c, of, final)
	landed = err == nil
	if err != nil && !errors.Is(err, errCompleting) && !errors.Is(err, filestore.ErrNoSuchUpload) {
		return err
	}
	// Else perhaps a copy of this request was faster, and the file is there.
	done.uid, done.failed = u.UID, err
	return errChanged
}

// missingLooks is how often parts are looked for that are missing, and the pauses between, of
// upload.MissingPartsDelay together.
var missingLooks = wait.Backoff{Steps: 8, Duration: upload.MissingPartsDelay / 127, Factor: 2}

// partsToComplete lists the parts of u as soon as they are all there. If some still are not after
// upload.MissingPartsDelay, the error is a *upload.SequenceError or *upload.SizeError. If the record has changed meanwhile, a copy of the
// request may be having the file assembled: the error is errChanged.
func (s *Server) partsToComplete(ctx context.Context, c *call, u *v1alpha1.MultipartUpload, at located, done *completion) (parts []filestore.Part, err error) {
	list := func(ctx context.Context) ([]filestore.Part, error) { return at.store.ListParts(ctx, at.ref) }
	var missing error
	err = wait.ExponentialBackoffWithContext(ctx, missingLooks, func(ctx context.Context) (bool, error) {
		var err error
		if c.finalAhead(done) && !upload.EndKnown(u) {
			parts, err = filestore.ListSettled(ctx, list) // the body follows the last of them
		} else {
			parts, err = list(ctx)
		}
		if err != nil {
			return false, err
		}
		if missing = c.checkParts(parts, u, done); missing == nil {
			return true, nil
		}
		if s.moved(ctx, u) {
			return false, errChanged
		}
		return false, nil
	})
	switch {
	case !wait.Interrupted(err):
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	default:
		err = missing
	}
	return parts, err
}

// finalAhead reports whether the body of the request is still to become the final part.
func (c *call) finalAhead(done *completion) bool { return c.body.Length() != 0 && done.uid == "" }

// checkParts reports whether these are all parts of u, with the body of the request where that is
// still to become one. It returns nil, a *upload.SequenceError or a *upload.SizeError.
func (c *call) checkParts(parts []filestore.Part, u *v1alpha1.MultipartUpload, done *completion) error {
	if !c.finalAhead(done) {
		if err := upload.CheckList(partListOf(parts), u.Spec.FinalPartNumber); err != nil {
			return err
		}
		return upload.CheckSize(sizeWithout(parts, 0), u.Spec.Size)
	}
	final, err := finalNumber(partListOf(parts), u.Spec.FinalPartNumber)
	if err != nil || c.body.Length() < 0 {
		return err
	}
	return upload.CheckSize(sizeWithout(parts, final)+c.body.Length(), u.Spec.Size)
}

// finalNumber is the number of the part that the body of a complete becomes: fixed, or one more
// than there are parts. It fails if the parts before it are not all there; the final part itself
// may be, from an earlier request.
func finalNumber(parts []upload.Part, fixed *int32) (int32, error) {
	if fixed == nil {
		if len(parts) == 0 {
			return 1, nil
		}
		return parts[len(parts)-1].Number + 1, upload.CheckList(parts, nil)
	}
	before := slices.DeleteFunc(slices.Clone(parts), func(p upload.Part) bool { return p.Number == *fixed })
	if *fixed == 1 && len(before) == 0 {
		return 1, nil
	}
	last := *fixed - 1
	return *fixed, upload.CheckList(before, &last)
}

// partListOf is the part list as the domain knows it.
func partListOf(parts []filestore.Part) []upload.Part {
	list := make([]upload.Part, len(parts))
	for i, p := range parts {
		list[i] = upload.Part{Number: p.Number, Size: p.Size, Unclear: p.Unclear}
	}
	return list
}

// sizeWithout adds up the sizes of parts, but of the one with that number.
func sizeWithout(parts []filestore.Part, number int32) int64 {
	sum := int64(0)
	for _, p := range parts {
		if p.Number != number {
			sum += p.Size
		}
	}
	return sum
}

// moved reports whether the record is another than u by now.
func (s *Server) moved(ctx context.Context, u *v1alpha1.MultipartUpload) bool {
	now, err := s.uploads.get(ctx, client.ObjectKeyFromObject(u))
	return err == nil && (now == nil || now.ResourceVersion != u.ResourceVersion)
}
