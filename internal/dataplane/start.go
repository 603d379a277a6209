package dataplane

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

const alreadyOpen = "an upload of this file is open, and stays open: continue it, or end it with upload=complete or upload=abort"

// start opens an upload (contract, "PUT …?upload=start"): it records the MultipartUpload and waits until the reconciler has opened it in object
// storage.
func (s *Server) start(c *call, r *http.Request) error {
	if c.body.length != 0 {
		return errBadRequest("upload=start takes no body: send the bytes with part=1 and so on")
	}
	spec, err := startSpec(c, r.Header)
	if err != nil {
		return err
	}
	fs, err := s.fileStore(r.Context(), c.file.Namespace)
	if err != nil {
		return err
	}
	if _, err := c.file.ObjectKey(fs.Spec.Prefix); err != nil {
		return errBadRequest(err.Error())
	}
	if err := ready(fs); err != nil {
		return err
	}
	spec.StoreName = fs.Name
	ctx, cancel := context.WithTimeoutCause(r.Context(), s.opts.StartTimeout, errTimeout)
	defer cancel()
	u, err := s.open(ctx, c, fs, spec)
	if err != nil {
		return err
	}
	c.response.WriteHeader(created(u))
	return nil
}

// open finds the upload that an earlier request with the same Idempotency-Key has opened, or opens one.
func (s *Server) open(ctx context.Context, c *call, fs *v1alpha1.FileStore, spec v1alpha1.MultipartUploadSpec) (*v1alpha1.MultipartUpload, error) {
	current := false
	for range attempts {
		holder, err := s.holder(ctx, c.file, fs.Name, current)
		switch {
		case err != nil:
			return nil, err
		case holder != nil && s.ending(holder):
			if err := s.awaitEnd(ctx, holder); err != nil {
				return nil, err
			}
			current = true
			continue
		case holder != nil && !replays(holder, spec):
			return nil, refuseStart(holder, spec)
		case holder != nil:
			u, gone, err := s.awaitOpened(ctx, holder)
			if gone {
				current = true
				continue // its own request has failed and taken it away: this one gets its own answer
			}
			return u, err
		}
		if err := s.checkStart(ctx, c.file, fs, spec.IfMatch); err != nil {
			return nil, err
		}
		u := newUpload(c.file, spec)
		exists, err := s.uploads.create(ctx, u)
		if err != nil {
			return nil, err
		}
		if !exists {
			return s.awaitOwn(ctx, c, u)
		}
		if err := s.clearEnded(ctx, u); err != nil {
			return nil, err
		}
		current = true
	}
	return nil, errTimeout
}

// holder returns the upload that has the file, nil if none has. A holder is read from the API server before it is believed; with current, so
// is that there is none.
func (s *Server) holder(ctx context.Context, file upload.File, store string, current bool) (*v1alpha1.MultipartUpload, error) {
	if !current {
		known, err := s.uploads.known(ctx, file)
		if err != nil || known.open() == nil {
			return nil, err
		}
	}
	now, err := s.uploads.read(ctx, file, store)
	return now.open(), err
}

// ending says whether the upload will free its file by itself: it is being aborted or deleted, or its time is over.
func (s *Server) ending(u *v1alpha1.MultipartUpload) bool {
	if completing(u) {
		return false
	}
	expires := u.Status.ExpirationTime
	return u.DeletionTimestamp != nil || upload.Desired(u) == v1alpha1.DesiredStateAborted ||
		(expires != nil && !s.opts.Clock.Now().Before(expires.Time))
}

// completing says whether the file may be assembled at this moment.
func completing(u *v1alpha1.MultipartUpload) bool {
	return upload.Desired(u) == v1alpha1.DesiredStateCompleted && upload.Stalled(u) == nil
}

// replays says whether spec is what the upload was opened with by an earlier copy of the same request.
func replays(u *v1alpha1.MultipartUpload, spec v1alpha1.MultipartUploadSpec) bool {
	same := (u.Spec.IfMatch == nil) == (spec.IfMatch == nil) && (spec.IfMatch == nil || *u.Spec.IfMatch == *spec.IfMatch)
	return spec.IdempotencyKey != "" && u.Spec.IdempotencyKey == spec.IdempotencyKey && same
}

func refuseStart(holder *v1alpha1.MultipartUpload, spec v1alpha1.MultipartUploadSpec) error {
	switch {
	case spec.IdempotencyKey != "" && holder.Spec.IdempotencyKey == spec.IdempotencyKey:
		return errBadRequest("this Idempotency-Key opened the upload with another If-Match: send a new key with a new request")
	case completing(holder):
		return errBadRequest("an upload of this file is being completed: wait until it is, then start with its ETag as If-Match")
	case upload.Stalled(holder) != nil:
		return errBadRequest("an upload of this file is open and cannot go on: end it with upload=abort")
	default:
		return errBadRequest(alreadyOpen)
	}
}

// checkStart refuses early what the reconciler would refuse later: it has the last word on both.
func (s *Server) checkStart(ctx context.Context, file upload.File, fs *v1alpha1.FileStore, ifMatch *int64) error {
	if limit := upload.LimitsOf(fs).MaxOpenUploads; limit > 0 {
		n, err := s.uploads.openIn(ctx, file.Namespace, fs.Name)
		if err != nil {
			return err
		}
		if n >= limit {
			return &stalledError{v1alpha1.ReasonTooManyOpenUploads, fmt.Sprintf("%d of %d", n, limit)}
		}
	}
	store, err := s.opts.Stores.Get(ctx, fs.Name)
	if err != nil {
		return err
	}
	key, err := file.ObjectKey(fs.Spec.Prefix)
	if err != nil {
		return errBadRequest(err.Error())
	}
	object, err := store.Stat(ctx, key)
	exists := !errors.Is(err, filestore.ErrNotFound)
	if err != nil && exists {
		return err
	}
	return upload.CheckVersion(ifMatch, exists, upload.DecodeFileMetadata(object.Metadata).Version)
}

func newUpload(file upload.File, spec v1alpha1.MultipartUploadSpec) *v1alpha1.MultipartUpload {
	return &v1alpha1.MultipartUpload{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: file.Namespace,
			Name:      upload.Name(spec.StoreName, file),
			Labels:    map[string]string{v1alpha1.LabelCreatedThrough: v1alpha1.CreatedThroughREST},
			// From the first moment on, so that no deletion can come between the record and its parts.
			Finalizers: []string{v1alpha1.FinalizerAbortUpload},
		},
		Spec: spec,
	}
}

// clearEnded removes the ended record that has the name of u, so that it is free. One that is open again is left to the next look.
func (s *Server) clearEnded(ctx context.Context, u *v1alpha1.MultipartUpload) error {
	old, err := s.uploads.get(ctx, client.ObjectKeyFromObject(u))
	if err != nil || old == nil || !upload.Ended(old) {
		return err
	}
	if old.Labels[v1alpha1.LabelCreatedThrough] != v1alpha1.CreatedThroughREST {
		return errConflict("the record of an earlier upload of this file was made by hand and has ended: its owner has to delete it")
	}
	w := s.uploads.waiters.subscribe(old.UID)
	defer w.stop()
	if deleted, err := s.uploads.remove(ctx, old, true); err != nil || !deleted {
		return err
	}
	return s.uploads.await(ctx, w, old, func(now *v1alpha1.MultipartUpload) (bool, error) { return now == nil, nil })
}

// awaitEnd waits until the upload has freed its file.
func (s *Server) awaitEnd(ctx context.Context, u *v1alpha1.MultipartUpload) error {
	w := s.uploads.waiters.subscribe(u.UID)
	defer w.stop()
	err := s.uploads.await(ctx, w, u, func(now *v1alpha1.MultipartUpload) (bool, error) {
		return now == nil || upload.Ended(now), nil
	})
	if errors.Is(err, errTimeout) {
		return errUnavailable("an earlier upload of this file is being removed: send the request again", retryShort).because(err)
	}
	return err
}

// awaitOpened waits until the reconciler has opened u, or cannot. gone is true if the record has disappeared.
func (s *Server) awaitOpened(ctx context.Context, u *v1alpha1.MultipartUpload) (opened *v1alpha1.MultipartUpload, gone bool, err error) {
	w := s.uploads.waiters.subscribe(u.UID)
	defer w.stop()
	err = s.uploads.await(ctx, w, u, func(now *v1alpha1.MultipartUpload) (bool, error) {
		switch {
		case now == nil:
			gone = true
		case now.Status.UploadID != "":
			opened = now
		case upload.Stalled(now) != nil:
			c := upload.Stalled(now)
			return false, &stalledError{c.Reason, c.Message}
		default:
			return false, nil
		}
		return true, nil
	})
	return opened, gone, err
}

// awaitOwn waits for the upload that this request has recorded, and takes the record away again if it comes to nothing.
func (s *Server) awaitOwn(ctx context.Context, c *call, u *v1alpha1.MultipartUpload) (*v1alpha1.MultipartUpload, error) {
	opened, gone, err := s.awaitOpened(ctx, u)
	switch {
	case gone:
		return nil, errConflict("the upload was aborted while it was being opened: start it again")
	case err == nil:
		return opened, nil
	case errors.Is(err, context.Canceled) && u.Spec.IdempotencyKey != "":
		return nil, err // the client is gone, and gets this upload when it sends the request again
	}
	cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if _, removeErr := s.uploads.remove(cleanup, u, true); removeErr != nil {
		c.log.Error(removeErr, "take back the record of an upload that was not opened")
	}
	return nil, err
}

// startSpec reads what the client says of the file (contract rule 7).
func startSpec(c *call, h http.Header) (v1alpha1.MultipartUploadSpec, error) {
	spec := v1alpha1.MultipartUploadSpec{
		EntityID:       c.file.EntityID,
		Path:           c.file.Path,
		ContentType:    h.Get("type"),
		Description:    text(h.Get("description")),
		IfMatch:        c.ifMatch,
		CreatedBy:      c.identity.Name,
		IdempotencyKey: h.Get("Idempotency-Key"),
		DesiredState:   v1alpha1.DesiredStateUploading,
	}
	if spec.ContentType == "" {
		spec.ContentType = h.Get("Content-Type")
	}
	switch {
	case len(spec.ContentType) > 255 || !printable(spec.ContentType):
		return spec, errBadRequest("the media type must be printable ASCII of at most 255 characters")
	case utf8.RuneCountInString(spec.Description) > 100:
		return spec, errBadRequest("the description must have at most 100 characters")
	case len(spec.IdempotencyKey) > 255 || !printable(spec.IdempotencyKey):
		return spec, errBadRequest("the Idempotency-Key must be printable ASCII of at most 255 characters")
	}
	if t, ok := parseTimestamp(h.Get("timestamp")); ok {
		spec.Timestamp = &metav1.Time{Time: t}
	}
	return spec, nil
}

// text reads a header as UTF-8, or, where it is not, as ISO 8859-1, the older custom.
func text(header string) string {
	if utf8.ValidString(header) {
		return header
	}
	runes := make([]rune, len(header))
	for i := range len(header) {
		runes[i] = rune(header[i])
	}
	return string(runes)
}

func printable(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < 0x20 || r > 0x7e }) < 0
}

// timestampLayouts are the forms of ISO 8601 that clients send. A time without a zone is UTC.
var timestampLayouts = []string{
	time.RFC3339Nano, "2006-01-02T15:04:05.999999999Z0700", "2006-01-02T15:04:05.999999999", "2006-01-02T15:04Z07:00", "2006-01-02",
	"20060102T150405Z0700", "20060102T150405",
}

// parseTimestamp says whether s is a time. One that is not is ignored, not refused: a common client sends such (contract rule 7).
func parseTimestamp(s string) (time.Time, bool) {
	for _, layout := range timestampLayouts {
		if t, err := time.Parse(layout, s); err == nil && t.Year() >= 1 {
			return t.UTC(), !t.IsZero()
		}
	}
	return time.Time{}, false
}
