package s3

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"

	"github.com/minio/minio-go/v7"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

// refusalBytes is how long an answer that refuses a body may be. Those of S3 are below one
// kilobyte.
const refusalBytes = 64 << 10

// sendBody sends a request that has a body, and closes its connection if the answer is a refusal. A
// backend may refuse before it has read the body. What it then takes the rest of the body for may
// be the next request, whose answer would be read as that to somebody else's.
func sendBody(next http.RoundTripper, req *http.Request) (*http.Response, error) {
	resp, err := next.RoundTrip(req)
	if err != nil || resp.StatusCode < http.StatusBadRequest {
		return resp, err
	}
	text := readRefusal(resp)
	_ = resp.Body.Close() // before its end, by which net/http gives the connection up
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	return resp, nil
}

// readRefusal reads an answer but for its last byte, or as much of it as comes. Once net/http has
// that byte, another request may be sent on the connection at any moment. It takes one byte at a
// time: whoever reads the last byte of a chunk is told of the end with it. Of an answer without a
// body, which object storage does not give, there is nothing to leave unread.
func readRefusal(resp *http.Response) (text []byte) {
	const end = "</Error"
	limit := int64(refusalBytes)
	if resp.ContentLength >= 0 {
		limit = min(limit, resp.ContentLength-1)
	}
	for int64(len(text)) < limit {
		var b [1]byte
		n, err := resp.Body.Read(b[:])
		text = append(text, b[:n]...)
		if bytes.HasSuffix(text, []byte(end)) {
			return append(text, '>')
		}
		if err != nil {
			break
		}
	}
	return text
}

// explainSigned asks whether a body in signed chunks was refused for the credentials: of a chunk
// that was damaged on the way Ceph says that its signature is wrong, as of a wrong key. If another
// request is not refused, the credentials are good. ref has no upload id for a whole object.
func (s *store) explainSigned(ctx context.Context, mode payload, ref filestore.UploadRef, err error) error {
	var said *answerError
	if !mode.signed || ctx.Err() != nil || !errors.As(err, &said) || said.code != "SignatureDoesNotMatch" {
		return err
	}
	var why error
	if ref.UploadID == "" {
		_, why = s.core.StatObject(ctx, s.cfg.Bucket, ref.Key, minio.StatObjectOptions{})
		why = translate(ctx, opHead, why)
	} else {
		why = s.askUpload(ctx, ref)
	}
	var e *filestore.Error
	switch {
	case errors.Is(why, filestore.ErrNoSuchUpload) && ref.UploadID != "":
		return why
	case errors.Is(why, filestore.ErrUnavailable), errors.Is(why, filestore.ErrAccessDenied), !errors.As(err, &e):
		return err
	}
	return &filestore.Error{Op: e.Op, Kind: filestore.ErrChecksum, Cause: e.Cause, Status: e.Status}
}

// explainRace asks why a conditional PutObject has failed. Some backends answer those that lose a
// race with 500 (Ceph). An object that is not as was demanded, and does not carry the metadata of
// this call, is another writer's.
func (s *store) explainRace(ctx context.Context, key string, metadata map[string]string, cond filestore.Condition, err error) error {
	_, answered := filestore.Answered(err)
	if !answered || cond == (filestore.Condition{}) || !errors.Is(err, filestore.ErrUnavailable) {
		return err
	}
	object, why := s.Stat(ctx, key)
	switch {
	case errors.Is(why, filestore.ErrNotFound) && cond.ETag != "":
	case why == nil && (cond.Absent || object.ETag != cond.ETag) && !maps.Equal(object.Metadata, metadata):
	default:
		return err
	}
	return &filestore.Error{Op: opPutObject, Kind: filestore.ErrPrecondition, Cause: err}
}

// explainCut asks why a part was not taken whose connection has failed. A backend that refuses a
// part before it has read it may close the connection; then TCP loses the refusal (RFC 9112 section
// 9.6), and the part would be sent again and again to an upload that is gone.
func (s *store) explainCut(ctx context.Context, ref filestore.UploadRef, err error) error {
	var e *filestore.Error
	if ctx.Err() != nil || !errors.As(err, &e) || e.Status != 0 || !errors.Is(err, filestore.ErrUnavailable) || errors.Is(err, filestore.ErrSilent) {
		return err
	}
	if why := s.askUpload(ctx, ref); errors.Is(why, filestore.ErrNoSuchUpload) {
		return errors.Join(why, e.Cause)
	}
	return err
}

// askUpload asks whether an upload is known, by the shortest list of its parts. The error is
// ErrNoSuchUpload if it is not.
func (s *store) askUpload(ctx context.Context, ref filestore.UploadRef) error {
	_, err := s.core.ListObjectParts(ctx, s.cfg.Bucket, ref.Key, ref.UploadID, 0, 1)
	return translate(ctx, opListParts, err)
}
