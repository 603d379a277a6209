package dataplane

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/apierror"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/transfer"
	"github.com/iotfile-operator/iotfile-operator/internal/failpoint"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// lookTimeout bounds the look at an object after a write whose outcome is unknown.
const lookTimeout = 10 * time.Second

// write is a file on its way in one request.
type write struct {
	target
	ifMatch *int64
	options filestore.CreateUploadOptions
	cond    filestore.Condition
	version int64
	// mark tells this request, and its repetitions, from all others.
	mark string
	// seen is the object that was compared with If-Match, zero if there was none.
	seen filestore.Object
	// writer is this request among those of the process that write the same object.
	writer *writer
	stored bool
}

// putFile stores a file in one request (docs/rest-api.md, "In one request"). The condition that it
// is written under makes the comparison with If-Match decisive. An open upload of the file is no
// obstacle, as in S3: it fails on the version when it is completed.
func (s *Server) putFile(c *call, r *http.Request) error {
	spec, at, err := s.admitFile(c, r)
	if err != nil {
		return err
	}
	if err := s.gatherFile(r.Context(), c, at, spec.IdempotencyKey); err != nil {
		return err
	}
	w := &write{target: at, ifMatch: c.ifMatch, version: upload.NextVersion(c.ifMatch), writer: s.writers.begin(at.fs.Name + "/" + at.key)}
	defer func() { w.writer.end(w.stored) }()
	w.mark = requestMark(c, spec.IdempotencyKey)
	seen, file, exists, err := at.statFor(r.Context(), c.ifMatch, w.mark)
	switch {
	case err != nil:
		return err
	case exists && file.Request == w.mark: // an earlier copy of this request was it
		if err := s.dropBody(r.Context(), c); err != nil {
			return err
		}
		return c.answerStored(file.Version)
	}
	if err := c.conditions.Check(exists, file.Version, seen.Modified); err != nil {
		return err
	}
	if err := s.awaitRate(r.Context(), c, at.fs.Name, c.body.Length(), upload.LimitsOf(at.fs)); err != nil {
		return err
	}
	release, err := s.budget.takePart(r.Context(), c.until, c.file.Namespace)
	if err != nil {
		return err
	}
	defer release()
	w.seen = seen
	w.options = filestore.CreateUploadOptions{ContentType: spec.ContentType, ContentHeaders: filestore.ContentHeadersOf(&spec), Metadata: fileMetadata(spec, w, exists, file, s.opts.Clock.Now()).Encode()}
	if filestore.Compares(at.fs.Status.Capabilities, !exists) {
		w.cond = filestore.Condition{Absent: !exists, ETag: seen.ETag}
	}
	if err := s.store(r.Context(), c, w); err != nil {
		return err
	}
	return c.answerStored(w.version)
}

// statFor looks at the file for a write that replaces the version ifMatch, none if nil: what it
// gives is that version, if it is not the write's own result. A first look is enough to refuse by.
// One that agrees is settled, so that the ETag, which the write will depend on, belongs to the
// version that was compared: with the ETag of the version after it, both its writer and this one
// would win.
func (t target) statFor(ctx context.Context, ifMatch *int64, mark string) (filestore.Object, upload.FileMetadata, bool, error) {
	seen, file, exists, err := t.stat(ctx)
	if err == nil && exists && file.Request != mark && upload.CheckVersion(ifMatch, true, file.Version) == nil {
		seen, file, exists, err = found(filestore.StatSettled(ctx, t.store.Stat, seen))
	}
	if err == nil && (!exists || file.Request != mark) {
		err = upload.CheckVersion(ifMatch, exists, file.Version)
	}
	return seen, file, exists, err
}

// admitFile refuses what can be refused without a look at the file.
func (s *Server) admitFile(c *call, r *http.Request) (v1alpha1.MultipartUploadSpec, target, error) {
	spec, err := startSpec(c, r.Header)
	if err != nil {
		return spec, target{}, err
	}
	at, err := s.targetOf(r.Context(), c)
	if err != nil {
		return spec, at, err
	}
	if err := upload.CheckHeld(c.file, at.fs); err != nil {
		return spec, at, err
	}
	if err := admitFileSize(c.body.Length(), upload.LimitsOf(at.fs)); err != nil {
		return spec, at, err
	}
	return spec, at, ready(at.fs)
}

// admitFileSize checks the size of a file that is sent in one request; it is negative while it is
// unknown.
func admitFileSize(size int64, limits upload.Limits) error {
	switch limit := limits.MaxPartSize; {
	case size == 0:
		return apierror.BadRequest("the body is empty: a file has at least one byte")
	case size > limit:
		return apierror.TooLarge(fmt.Sprintf("the file has %d bytes, and this store takes at most %d in one request: send it in parts, with upload=start", size, limit))
	}
	return nil
}

// requestMark is the same for every copy of a request with an Idempotency-Key, and unique for one
// without. The key itself is the client's business and not stored with the file.
func requestMark(c *call, key string) string {
	if key == "" {
		return uuid.NewString()
	}
	version := "none"
	if c.ifMatch != nil {
		version = strconv.FormatInt(*c.ifMatch, 10)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %s %d %q", c.identity.Name, version, c.body.Length(), key))
	return hex.EncodeToString(sum[:16])
}

// fileMetadata is what is stored with the file. Who made its first version, and when, outlives
// updates.
func fileMetadata(spec v1alpha1.MultipartUploadSpec, w *write, exists bool, before upload.FileMetadata, now time.Time) upload.FileMetadata {
	out := upload.FileMetadata{
		Version: w.version, Description: spec.Description, Timestamp: upload.TimestampOf(&spec), Created: now, CreatedBy: spec.CreatedBy, UpdatedBy: spec.CreatedBy, Request: w.mark,
	}
	if exists {
		out.Created, out.CreatedBy, out.Replaced = before.Created, before.CreatedBy, w.seen.Modified
	}
	return out
}

// store streams the body into the object. A nil error means that the file is there, whatever object
// storage said. A body that one buffer holds is taken before object storage is asked: MinIO keeps
// readers waiting from the request to its end, which a slow client would else draw out.
func (s *Server) store(ctx context.Context, c *call, w *write) error {
	body, streamCtx := transfer.NewStream(ctx, c.body, c.digests, s.opts.StoreIdleTimeout)
	defer body.Stop()
	body.Last = func() error { return s.commit(streamCtx, c, w) }
	var source io.Reader = body
	if c.body.Length() <= transfer.BufferSize {
		buffer := transfer.Buffers.Get().(*[]byte)
		defer transfer.Buffers.Put(buffer)
		if _, err := io.ReadFull(body, (*buffer)[:c.body.Length()]); err != nil {
			return s.settle(ctx, c, w, body.Blame(streamCtx, errors.Join(filestore.ErrIncompleteBody, err)))
		}
		source = bytes.NewReader((*buffer)[:c.body.Length()])
	} else if err := s.inTurn(streamCtx, func(ctx context.Context) error { return w.writer.open(ctx, body.Cut) }); err != nil {
		return s.settle(ctx, c, w, err)
	}
	_, err := w.store.PutObject(streamCtx, w.key, source, c.body.Length(), w.options, w.cond)
	if err == nil {
		w.stored = true
		failpoint.Hit(failpoint.ObjectStored)
		return s.believe(ctx, c, w)
	}
	err = body.Blame(streamCtx, err)
	body.Stop()
	return s.settle(ctx, c, w, err)
}

// inTurn bounds the wait for a turn, which others have only while object storage works for them.
func (s *Server) inTurn(ctx context.Context, wait func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, s.opts.StartTimeout, errOutrun)
	defer cancel()
	return wait(ctx)
}

// commit takes the writer's turn, when its body is whole and the end of it is all that object
// storage waits for.
func (s *Server) commit(ctx context.Context, c *call, w *write) error {
	if err := s.inTurn(ctx, w.writer.commit); err != nil {
		return err
	}
	if recordDecides(w.fs) {
		if err := s.inTurn(ctx, func(ctx context.Context) error { return s.awaitCompletion(ctx, c, w) }); err != nil {
			return err
		}
	}
	if w.cond == (filestore.Condition{}) {
		return s.checkAgain(ctx, w)
	}
	return nil
}

// checkAgain looks at the file once more. It is all that there is where the store has no
// conditions. Where it has, it must not be done: MinIO locks the object for as long as the body of
// a conditional write takes, and the look would wait for its own write.
func (s *Server) checkAgain(ctx context.Context, w *write) error {
	now, file, exists, err := w.stat(ctx)
	if err != nil {
		return err
	}
	if err := upload.CheckVersion(w.ifMatch, exists, file.Version); err != nil {
		return err
	}
	if now.ETag != w.seen.ETag {
		return filestore.ErrPrecondition
	}
	return nil
}

// settle says what has become of a write that has failed with cause: the object is looked at
// wherever the bytes may be there all the same, and the mark tells.
func (s *Server) settle(ctx context.Context, c *call, w *write, cause error) error {
	if ctx.Err() != nil || untouched(cause) {
		return cause
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	_, file, exists, err := w.stat(ctx)
	switch {
	case err != nil:
		// Not known. The cause may be a refusal that the write's own result has brought about, so
		// it is told to the log alone.
		return fmt.Errorf("look for the file after %q: %w", cause.Error(), err)
	case exists && file.Request == w.mark:
		c.log.Info("the file was stored, although object storage reported an error", "cause", cause.Error())
		w.version, w.stored = file.Version, true
		_ = c.body.Discard() // the rest of what another copy of this request has sent
		return nil
	case errors.Is(cause, filestore.ErrPrecondition):
		if err := upload.CheckVersion(w.ifMatch, exists, file.Version); err != nil {
			return err
		}
	}
	return cause
}

// untouched reports whether err means for certain that the object is as it was, and that no copy of
// the request can have stored it.
func untouched(err error) bool {
	for _, certain := range []error{filestore.ErrIncompleteBody, filestore.ErrChecksum, apierror.ErrBodyShort, apierror.ErrBodyIdle, apierror.ErrBodySlow} {
		if errors.Is(err, certain) {
			return true
		}
	}
	return filestore.Terminal(err) && !errors.Is(err, filestore.ErrPrecondition)
}

// dropBody reads and drops a body that is not needed, at the price of a part in flight: a client
// that must send it to its end would else take the success for a failure.
func (s *Server) dropBody(ctx context.Context, c *call) error {
	if !c.body.Unread() {
		return nil
	}
	release, err := s.budget.takePart(ctx, c.until, c.file.Namespace)
	if err != nil {
		return err
	}
	defer release()
	if err := c.body.Discard(); err != nil {
		return fmt.Errorf("drop the body of a repeated request: %w", err)
	}
	return nil
}

// answerStored answers for a file that was stored in one request.
func (c *call) answerStored(version int64) error {
	h := c.response.Header()
	h["ETag"] = []string{strconv.FormatInt(version, 10)}
	h.Set("Location", c.location)
	status := http.StatusCreated
	if c.ifMatch != nil {
		status = http.StatusNoContent
	}
	c.response.WriteHeader(status)
	return nil
}
