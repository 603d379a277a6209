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
}

// putFile stores a file in one request (contract, "PUT /files/{e}/{path}"). The condition that it is written under makes the comparison with If-Match
// decisive. An open upload of the file is no obstacle, as in S3: it fails on the version when it is completed.
func (s *Server) putFile(c *call, r *http.Request) error {
	spec, at, err := s.admitFile(c, r)
	if err != nil {
		return err
	}
	// From here to the answer this process has no other request that replaces the file: the comparison of versions is exact then, also where the store
	// sees no difference because the bytes are the same, or answers a HEAD half with the old object and half with the new one.
	unlock, err := s.lockFile(r.Context(), at)
	if err != nil {
		return err
	}
	defer unlock()
	mark := requestMark(c, spec.IdempotencyKey)
	seen, file, exists, err := at.statFor(r.Context(), c.ifMatch, mark)
	switch {
	case err != nil:
		return err
	case exists && file.Request == mark: // an earlier copy of this request was it
		if err := s.dropBody(c); err != nil {
			return err
		}
		return c.answerStored(file.Version)
	}
	if err := s.shares.takeRate(c.file.Namespace, at.fs.Name, c.body.length, upload.LimitsOf(at.fs), s.opts.Clock.Now()); err != nil {
		return err
	}
	release, err := s.budget.takePart(c.file.Namespace)
	if err != nil {
		return err
	}
	defer release()
	w := &write{target: at, ifMatch: c.ifMatch, version: upload.NextVersion(c.ifMatch), mark: mark, seen: seen}
	w.options = filestore.CreateUploadOptions{ContentType: spec.ContentType, Metadata: fileMetadata(spec, w, exists, file, s.opts.Clock.Now()).Encode()}
	if conditionalPut(at.fs) {
		w.cond = filestore.Condition{Absent: !exists, ETag: seen.ETag}
	}
	if err := s.store(r.Context(), c, w); err != nil {
		return err
	}
	return c.answerStored(w.version)
}

// statFor looks at the file for a write that replaces the version ifMatch, none if nil: what it gives is that version, if it is not the write's own result. A first
// look is enough to refuse by. One that agrees is settled, so that the ETag, which the write will depend on, belongs to the version that was compared: with the ETag of the version
// after it, both its writer and this one would win.
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
	switch {
	case c.body.length < 0:
		return v1alpha1.MultipartUploadSpec{}, target{}, errLength("send the file with a Content-Length: one of unknown size cannot be taken")
	case c.body.length == 0:
		return v1alpha1.MultipartUploadSpec{}, target{}, errBadRequest("the body is empty: a file has at least one byte")
	}
	spec, err := startSpec(c, r.Header)
	if err != nil {
		return spec, target{}, err
	}
	at, err := s.targetOf(r.Context(), c)
	if err != nil {
		return spec, at, err
	}
	if limit := upload.LimitsOf(at.fs).MaxPartSize; c.body.length > limit {
		return spec, at, &answer{
			status:  http.StatusRequestEntityTooLarge,
			message: fmt.Sprintf("the file has %d bytes, and this store takes at most %d in one request: send it in parts, with upload=start", c.body.length, limit),
		}
	}
	return spec, at, ready(at.fs)
}

// requestMark is the same for every copy of a request with an Idempotency-Key, and unique for one without. The key itself is the client's
// business and not stored with the file.
func requestMark(c *call, key string) string {
	if key == "" {
		return uuid.NewString()
	}
	version := "none"
	if c.ifMatch != nil {
		version = strconv.FormatInt(*c.ifMatch, 10)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %s %d %q", c.identity.Name, version, c.body.length, key))
	return hex.EncodeToString(sum[:16])
}

// fileMetadata is what is stored with the file. Who made its first version, and when, outlives updates.
func fileMetadata(spec v1alpha1.MultipartUploadSpec, w *write, exists bool, before upload.FileMetadata, now time.Time) upload.FileMetadata {
	out := upload.FileMetadata{
		Version: w.version, Description: spec.Description, Created: now, CreatedBy: spec.CreatedBy, UpdatedBy: spec.CreatedBy, Request: w.mark,
	}
	if spec.Timestamp != nil {
		out.Timestamp = spec.Timestamp.Time
	}
	if exists {
		out.Created, out.CreatedBy = before.Created, before.CreatedBy
	}
	return out
}

// conditionalPut says whether the store compares the object at the moment at which another takes its place.
func conditionalPut(fs *v1alpha1.FileStore) bool {
	caps := fs.Status.Capabilities
	return caps == nil || caps.ConditionalPut == nil || *caps.ConditionalPut
}

// store streams the body into the object. A nil error means that the file is there, whatever object storage said. A body that one buffer holds is taken
// before object storage is asked: MinIO keeps readers waiting from the request to its end, which a slow client would else draw out.
func (s *Server) store(ctx context.Context, c *call, w *write) error {
	body, streamCtx := newStream(ctx, c.body, c.digests, s.opts.StoreIdleTimeout)
	defer body.stop()
	var source io.Reader = body
	if c.body.length <= copyBuffer {
		buffer := copyBuffers.Get().(*[]byte)
		defer copyBuffers.Put(buffer)
		if _, err := io.ReadFull(body, (*buffer)[:c.body.length]); err != nil {
			return body.verdict(streamCtx, errors.Join(filestore.ErrIncompleteBody, err))
		}
		source = bytes.NewReader((*buffer)[:c.body.length])
	}
	g := &gate{body: source, left: c.body.length}
	if w.cond == (filestore.Condition{}) {
		g.check = func() error { return s.checkAgain(streamCtx, w) }
	}
	_, err := w.store.PutObject(streamCtx, w.key, g, c.body.length, w.options, w.cond)
	if err == nil {
		failpoint.Hit(failpoint.ObjectStored)
		return nil
	}
	if g.err != nil {
		err = g.err // it ended the body, and object storage can only say that it ended
	}
	err = body.verdict(streamCtx, err)
	body.stop()
	return s.settle(ctx, c, w, err)
}

// lockFile waits until no other request of this process is replacing the file. Nothing of the body has been asked for by then.
func (s *Server) lockFile(ctx context.Context, at target) (unlock func(), err error) {
	wait, cancel := context.WithTimeout(ctx, s.opts.StartTimeout)
	defer cancel()
	unlock, err = s.keys.lock(wait, at.fs.Name+"/"+at.key)
	if err != nil && ctx.Err() == nil {
		return nil, errUnavailable("another request is replacing this file: send yours again", retryShort).because(err)
	}
	return unlock, err
}

// checkAgain looks at the file once more. It is all that there is where the store has no conditions. Where it
// has, it must not be done: MinIO locks the object for as long as the body of a conditional write takes, and the look would wait for its own write.
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

// settle says what has become of a write that has failed with cause: the object is looked at wherever the bytes may be there all the same, and the mark tells.
func (s *Server) settle(ctx context.Context, c *call, w *write, cause error) error {
	if ctx.Err() != nil || untouched(cause) {
		return cause
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	_, file, exists, err := w.stat(ctx)
	switch {
	case err != nil:
		// Not known. The cause may be a refusal that the write's own result has brought about, so it is told to the log alone.
		return fmt.Errorf("look for the file after %q: %w", cause.Error(), err)
	case exists && file.Request == w.mark:
		c.log.Info("the file was stored, although object storage reported an error", "cause", cause.Error())
		w.version = file.Version
		_ = c.body.discard() // the rest of what another copy of this request has sent
		return nil
	case errors.Is(cause, filestore.ErrPrecondition):
		if err := upload.CheckVersion(w.ifMatch, exists, file.Version); err != nil {
			return err
		}
	}
	return cause
}

// untouched says whether err means for certain that the object is as it was, and that no copy of the request can have stored it.
func untouched(err error) bool {
	for _, certain := range []error{filestore.ErrIncompleteBody, filestore.ErrChecksum, errBodyShort, errBodyIdle, errBodySlow} {
		if errors.Is(err, certain) {
			return true
		}
	}
	return filestore.Terminal(err) && !errors.Is(err, filestore.ErrPrecondition)
}

// dropBody reads and drops a body that is not needed, at the price of a part in flight: a client that must send it to its end would else take the
// success for a failure.
func (s *Server) dropBody(c *call) error {
	if !c.body.unread() {
		return nil
	}
	release, err := s.budget.takePart(c.file.Namespace)
	if err != nil {
		return err
	}
	defer release()
	if err := c.body.discard(); err != nil {
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
