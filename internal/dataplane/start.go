package dataplane

import (
	"context"
	"errors"
	"net/http"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/apierror"
	"github.com/iotfile-operator/iotfile-operator/internal/failpoint"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// start opens an upload (docs/rest-api.md, "Start"): it records the MultipartUpload and waits
// until the reconciler has opened it in object storage.
func (s *Server) start(c *call, r *http.Request) error {
	if c.body.Length() != 0 {
		return apierror.BadRequest("upload=start takes no body: send the bytes with part=1 and so on")
	}
	spec, err := startSpec(c, r.Header)
	if err != nil {
		return err
	}
	if spec.Size, err = declaredSize(r.Header); err != nil {
		return err
	}
	fs, err := s.fileStore(r.Context(), c.file.Namespace)
	if err != nil {
		return err
	}
	if err := upload.CheckHeld(c.file, fs); err != nil {
		return err
	}
	if err := ready(fs); err != nil {
		return err
	}
	release, err := s.takeTurn(r.Context(), c, s.starts, budgetStarts, fs.Name)
	if err != nil {
		return err
	}
	defer release()
	spec.StoreName = fs.Name
	spec.RequestTime = ptr.To(metav1.NewTime(s.opts.Clock.Now()))
	ctx, cancel := context.WithTimeoutCause(r.Context(), s.opts.StartTimeout, apierror.ErrTimeout)
	defer cancel()
	u, err := s.open(ctx, c, fs, spec)
	if err != nil {
		return err
	}
	failpoint.Hit(failpoint.StartOpened)
	defer s.markAnswered(context.WithoutCancel(r.Context()), u)
	c.tellLimits(s.subjectIn(ctx, u, fs).limits())
	c.response.WriteHeader(created(u))
	return nil
}

// open finds the upload that an earlier request with the same Idempotency-Key has opened, or opens
// one.
func (s *Server) open(ctx context.Context, c *call, fs *v1alpha1.FileStore, spec v1alpha1.MultipartUploadSpec) (*v1alpha1.MultipartUpload, error) {
	var u *v1alpha1.MultipartUpload
	current := false // whether the cache is not enough to tell that the file is free
	err := decide(ctx, func() error {
		holder, err := s.holder(ctx, c.file, fs.Name, current)
		current = true
		switch {
		case err != nil:
		case holder != nil:
			u, err = s.join(ctx, holder, spec)
		default:
			u, err = s.record(ctx, c, fs, spec)
		}
		return err
	})
	if errors.Is(err, errChanged) {
		return nil, apierror.ErrTimeout
	}
	return u, err
}

// join gives the upload that has the file, if an earlier copy of this request has opened it. The
// error is errChanged when the file is free by now.
func (s *Server) join(ctx context.Context, holder *v1alpha1.MultipartUpload, spec v1alpha1.MultipartUploadSpec) (*v1alpha1.MultipartUpload, error) {
	switch {
	case s.ending(ctx, holder):
		if err := s.awaitEnd(ctx, holder); err != nil {
			return nil, err
		}
		return nil, errChanged
	case !replays(holder, spec):
		return s.adopt(ctx, holder, spec)
	}
	// If it goes meanwhile, its own request has failed and taken it away: this one gets its own
	// answer.
	return s.awaitOpened(ctx, holder)
}

// record records a new upload and waits until it is open. The error is errChanged when a record of
// its name was in the way, and is not by now.
func (s *Server) record(ctx context.Context, c *call, fs *v1alpha1.FileStore, spec v1alpha1.MultipartUploadSpec) (*v1alpha1.MultipartUpload, error) {
	u := newUpload(c.file, spec)
	if err := s.checkPlace(ctx, fs, u); err != nil {
		return nil, err
	}
	if err := s.checkStart(ctx, c, fs); err != nil {
		return nil, err
	}
	if err := s.clearEnded(ctx, u); err != nil {
		return nil, err
	}
	release, err := s.claimPlace(ctx, fs, u)
	if err != nil {
		return nil, err
	}
	opened, err := s.recordClaimed(ctx, c, u)
	release(opened != nil)
	return opened, err
}

// recordClaimed records an upload that has a place.
func (s *Server) recordClaimed(ctx context.Context, c *call, u *v1alpha1.MultipartUpload) (*v1alpha1.MultipartUpload, error) {
	failpoint.Hit(failpoint.StartAdmitted)
	err := s.uploads.create(ctx, u)
	if apierrors.IsAlreadyExists(err) {
		if err = s.clearName(ctx, u); err == nil {
			err = errChanged
		}
	}
	if err != nil {
		return nil, err
	}
	failpoint.Hit(failpoint.StartRecorded)
	return s.awaitOwn(ctx, c, u)
}

// holder returns the upload that has the file, nil if none has. A holder is read from the API
// server before it is believed; with current, so is that there is none.
func (s *Server) holder(ctx context.Context, file upload.File, store string, current bool) (*v1alpha1.MultipartUpload, error) {
	if !current {
		known, err := s.uploads.known(ctx, file)
		if err != nil || known.Open() == nil {
			return nil, err
		}
	}
	now, err := s.uploads.read(ctx, file, store)
	return now.Open(), err
}

// ending reports whether the upload will free its file by itself: it is being aborted or deleted,
// or its time is over.
func (s *Server) ending(ctx context.Context, u *v1alpha1.MultipartUpload) bool {
	if completing(u) {
		return false
	}
	fs, now := s.subject(ctx, u).fs, s.opts.Clock.Now()
	switch {
	case u.DeletionTimestamp != nil:
		return true
	case upload.CheckStatus(u, fs, now) != nil:
		return false
	default:
		return upload.Desired(u) == v1alpha1.DesiredStateAborted || upload.Expired(u, fs, now)
	}
}

// completing reports whether the file may be assembled at this moment.
func completing(u *v1alpha1.MultipartUpload) bool {
	return upload.Desired(u) == v1alpha1.DesiredStateCompleted && upload.Stalled(u) == nil
}

// checkStart refuses early what the reconciler would refuse later: it has the last word.
func (s *Server) checkStart(ctx context.Context, c *call, fs *v1alpha1.FileStore) error {
	store, err := s.storeNamed(ctx, fs.Name)
	if err != nil {
		return err
	}
	key, err := upload.KeyOf(c.file, fs)
	if err != nil {
		return err
	}
	object, err := store.Stat(ctx, key)
	exists := !errors.Is(err, filestore.ErrNotFound)
	if err != nil && exists {
		return err
	}
	return c.checkFile(exists, upload.DecodeFileMetadata(object.Metadata).Version, object.Modified)
}

func newUpload(file upload.File, spec v1alpha1.MultipartUploadSpec) *v1alpha1.MultipartUpload {
	return &v1alpha1.MultipartUpload{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: file.Namespace,
			Name:      upload.Name(spec.StoreName, file),
			Labels:    map[string]string{v1alpha1.LabelCreatedThrough: v1alpha1.CreatedThroughREST},
			// From the first moment on, so that no deletion can come between the record and its
			// parts.
			Finalizers: []string{v1alpha1.FinalizerAbortUpload},
		},
		Spec: spec,
	}
}

// awaitEnd waits until the upload has freed its file.
func (s *Server) awaitEnd(ctx context.Context, u *v1alpha1.MultipartUpload) error {
	w := s.uploads.Watch(u.UID)
	defer w.Stop()
	err := s.uploads.Await(ctx, w, u, func(now *v1alpha1.MultipartUpload) (bool, error) {
		return now == nil || upload.Ended(now), nil
	})
	if errors.Is(err, apierror.ErrTimeout) {
		return apierror.Unavailable("an earlier upload of this file is being removed: send the request again", apierror.RetryShort).Because(err)
	}
	return err
}

// awaitOpened waits until the reconciler has opened u, or cannot. The error is errChanged if the
// record has disappeared.
func (s *Server) awaitOpened(ctx context.Context, u *v1alpha1.MultipartUpload) (opened *v1alpha1.MultipartUpload, err error) {
	w := s.uploads.Watch(u.UID)
	defer w.Stop()
	err = s.uploads.Await(ctx, w, u, func(now *v1alpha1.MultipartUpload) (bool, error) {
		switch {
		case now == nil:
			return false, errChanged
		case now.Status.UploadID != "":
			opened = now
		case upload.Stalled(now) != nil:
			c := upload.Stalled(now)
			return false, &apierror.StalledError{Reason: c.Reason, Message: c.Message}
		default:
			return false, nil
		}
		return true, nil
	})
	return opened, err
}

// awaitOwn waits for the upload that this request has recorded, and takes the record away again if
// it comes to nothing.
func (s *Server) awaitOwn(ctx context.Context, c *call, u *v1alpha1.MultipartUpload) (*v1alpha1.MultipartUpload, error) {
	opened, err := s.awaitOpened(ctx, u)
	switch {
	case errors.Is(err, errChanged):
		return nil, apierror.Conflict("the upload was aborted while it was being opened: start it again")
	case err == nil:
		return opened, nil
	case errors.Is(err, context.Canceled) && u.Spec.IdempotencyKey != "":
		return nil, err // the client is gone, and gets this upload when it sends the request again
	}
	if opened := s.takeBack(ctx, c, u); opened != nil && !errors.Is(err, context.Canceled) {
		return opened, nil
	}
	return nil, err
}

// takeBack removes the record of an upload that this request has not seen opened. An open one is
// given instead, and stays if a copy of the request may have been told of it: this replica may have
// been cut off from the API server while another was not. What cannot be removed now the reconciler
// collects.
func (s *Server) takeBack(ctx context.Context, c *call, u *v1alpha1.MultipartUpload) (opened *v1alpha1.MultipartUpload) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	err := decide(ctx, func() error {
		now, err := s.uploads.get(ctx, client.ObjectKeyFromObject(u))
		switch {
		case err != nil:
			return err
		case now == nil || now.UID != u.UID:
			return nil
		case now.Status.UploadID != "" && u.Spec.IdempotencyKey != "":
			opened = now
			return nil
		}
		return s.uploads.remove(ctx, now, false)
	})
	if err != nil && !errors.Is(err, errChanged) {
		c.log.Error(err, "take back the record of an upload that was not opened")
	}
	return opened
}
