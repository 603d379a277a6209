package dataplane

import (
	"context"
	"errors"
	"net/http"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/catalog"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/apierror"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/transfer"
	"github.com/iotfile-operator/iotfile-operator/internal/failpoint"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// part streams one part to object storage (docs/rest-api.md, "Part"). In the steady state it asks
// nothing of the API server.
func (s *Server) part(c *call, r *http.Request) error {
	of, number, err := s.admitPart(r.Context(), c)
	if err != nil {
		return err
	}
	u := of.u
	if err := s.authorizeUpload(r.Context(), c, u); err != nil {
		return err
	}
	if err := s.gatherPart(c, of); err != nil {
		return err
	}
	stored, err := s.streamAdmitted(r.Context(), c, of, number)
	switch {
	case errors.Is(err, filestore.ErrNoSuchUpload):
		return s.noSuchUpload(r.Context(), c, u, err)
	case wasCut(err):
		return s.cutShort(r.Context(), c, u, err)
	case err != nil:
		return err
	}
	s.progress.Mark(u)
	if stored.ETag != "" {
		c.response.Header().Set("X-Part-Etag", stored.ETag)
	}
	c.response.WriteHeader(created(u))
	return nil
}

// streamAdmitted streams part number of an upload, if the limits of its namespace and its own size
// have room for it.
func (s *Server) streamAdmitted(ctx context.Context, c *call, of subject, number int32) (stored filestore.Part, err error) {
	leave, err := s.admitLoad(ctx, c, of, number, c.body.Length())
	if err != nil {
		return filestore.Part{}, err
	}
	landed := false
	defer func() { leave(landed) }()
	stored, err = s.stream(ctx, c, of, number)
	landed = err == nil
	return stored, err
}

// created is 201, or 204 for what updates a file.
func created(u *v1alpha1.MultipartUpload) int {
	if u.Spec.IfMatch != nil {
		return http.StatusNoContent
	}
	return http.StatusCreated
}

// admitPart looks the upload up and judges the part: first by the cache, and once more by the API
// server before a refusal that the cache may be wrong about.
func (s *Server) admitPart(ctx context.Context, c *call) (subject, int32, error) {
	fs, storeErr := s.fileStore(ctx, c.file.Namespace)
	judge := func(rs catalog.Records) (subject, int32, error) { return s.judgePart(ctx, c, rs, fs) }
	if storeErr == nil {
		if of, number, err := judge(s.uploads.named(ctx, c.file, fs.Name)); err == nil {
			return of, number, nil
		}
	}
	known, err := s.uploads.known(ctx, c.file)
	if err != nil {
		return subject{}, 0, err
	}
	of, number, err := judge(known)
	var refusal *upload.Refusal
	if !errors.As(err, &refusal) || (refusal.Kind != upload.RefusalNotOpen && refusal.Kind != upload.RefusalConflict) {
		return of, number, err
	}
	var name string
	switch {
	case storeErr == nil:
		name = fs.Name
	case len(known) == 0:
		return subject{}, 0, storeErr
	}
	if err := s.lookAgain(c.file.Namespace); err != nil {
		return subject{}, 0, err
	}
	now, err := s.uploads.read(ctx, c.file, name)
	if err != nil {
		return subject{}, 0, err
	}
	return judge(now)
}

// judgePart judges the part by these records of its file. fs, which may be nil, is the FileStore
// that a new upload would have.
func (s *Server) judgePart(ctx context.Context, c *call, rs catalog.Records, fs *v1alpha1.FileStore) (subject, int32, error) {
	of := s.subjectIn(ctx, rs.Open(), fs)
	limits := of.limits()
	number, err := upload.ParsePartNumber(c.route.part, limits.MaxPartNumber)
	if err != nil {
		return subject{}, 0, apierror.BadRequest(err.Error())
	}
	if err := c.admitSize(false, limits); err != nil {
		return subject{}, 0, err
	}
	if err := upload.AdmitPart(of.u, of.fs, number, c.ifMatch, s.opts.Clock.Now()); err != nil {
		return subject{}, 0, err
	}
	return of, number, c.conditions.CheckUpload(of.u)
}

// stream sends the request's body to object storage as a part of u. It reads the body only when
// there is room for a part in flight. Once u has ended, or is to end, the stream is cut; what
// object storage has taken all the same nobody is to believe in.
func (s *Server) stream(ctx context.Context, c *call, of subject, number int32) (filestore.Part, error) {
	at, err := s.locate(ctx, of)
	if err != nil {
		return filestore.Part{}, err
	}
	release, err := s.budget.takePart(ctx, c.until, c.file.Namespace)
	if err != nil {
		return filestore.Part{}, err
	}
	defer release()
	body, ctx := transfer.NewStream(ctx, c.body, c.digests, s.opts.StoreIdleTimeout)
	defer body.Stop()
	f, err := s.register(ctx, of, body.Cut, c.route.op == opComplete)
	defer s.streams.end(of.u, f)
	if err != nil {
		return filestore.Part{}, err
	}
	body.Last = func() error { return s.confirm(ctx, f, of) }
	if c.route.op == opComplete { // the answer is that of the copy which was faster
		body.Ended = func() error { return s.streams.over(f) }
	}
	failpoint.Hit(failpoint.PartAdmitted)
	stored, err := at.store.PutPart(ctx, at.ref, number, body, c.body.Length())
	if err == nil {
		failpoint.Hit(failpoint.PartStored)
		err = s.streams.over(f)
	}
	return stored, body.Verdict(ctx, err)
}

// noSuchUpload answers for a part that object storage has no upload for. If the cache was behind,
// and the file has another upload by now, the part is worth sending again.
func (s *Server) noSuchUpload(ctx context.Context, c *call, u *v1alpha1.MultipartUpload, cause error) error {
	other, err := s.nextUpload(ctx, c, u)
	switch {
	case err != nil:
		return errors.Join(err, cause)
	case other != nil:
		return apierror.Unavailable(startedAnew, apierror.RetrySoon).Because(cause)
	}
	s.progress.Missing(u)
	return cause
}

// cutShort answers for a part that was cut since its upload is over. If the file had another upload
// when the request came, the cache was behind, and the part is that one's. A request that is older
// than the other upload is not sent there: its bytes may be of another content.
func (s *Server) cutShort(ctx context.Context, c *call, u *v1alpha1.MultipartUpload, cause error) error {
	if err := s.lookAgain(c.file.Namespace); err != nil {
		return err
	}
	// The body was cut, by which net/http ends the request's context.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), confirmTimeout)
	defer cancel()
	other, err := s.nextUpload(ctx, c, u)
	switch {
	case err != nil:
		return err
	// Whole seconds: of a request in the second of the start it is not known which was first.
	case other != nil && !c.begun.Before(other.CreationTimestamp.Time):
		return apierror.Unavailable(startedAnew, apierror.RetrySoon).Because(cause)
	}
	return cause
}

// nextUpload returns the upload that the file has after u and that takes parts, nil if it has
// none. It asks the API server.
func (s *Server) nextUpload(ctx context.Context, c *call, u *v1alpha1.MultipartUpload) (*v1alpha1.MultipartUpload, error) {
	now, err := s.uploads.read(ctx, c.file, upload.StoreNameOf(u))
	if err != nil {
		return nil, err
	}
	if other := now.Open(); other != nil && other.UID != u.UID && upload.TakesParts(other) {
		return other, nil
	}
	return nil, nil
}
