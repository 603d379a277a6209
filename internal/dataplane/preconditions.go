package dataplane

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/apierror"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// conditions are what a write demands of the file beside If-Match (RFC 9110, 13). If-Modified-Since
// is none of them: it is of reads alone. Where HTTP would answer 412, this API answers 409.
type conditions struct {
	// noneMatch are the values of If-None-Match.
	noneMatch []string
	// unmodified is If-Unmodified-Since: zero if it was not sent, is no date, or stands beside
	// If-Match, and does not count then.
	unmodified time.Time
}

// writeConditions reads them. The error is for the client: of a request that is about an upload and
// not about the file, they cannot be evaluated.
func writeConditions(op operation, h http.Header) (w conditions, err error) {
	since := h.Get("If-Unmodified-Since")
	switch op {
	case opPart:
		if since != "" {
			return w, apierror.BadRequest("a part is not compared with a date: leave If-Unmodified-Since out, and send If-Match if the upload updates a file")
		}
	case opAbort:
		if since != "" || len(h.Values("If-None-Match")) > 0 {
			return w, apierror.BadRequest("upload=abort touches no file, and compares none: leave If-None-Match and If-Unmodified-Since out")
		}
	case opStart, opComplete, opPut, opDelete:
	default:
		return w, nil
	}
	w.noneMatch = h.Values("If-None-Match")
	if t, err := http.ParseTime(since); err == nil && h.Get("If-Match") == "" {
		w.unmodified = t
	}
	return w, nil
}

// check evaluates the conditions on the file as it is. On one that does not exist they all hold.
func (w conditions) check(exists bool, version int64, modified time.Time) error {
	switch {
	case !exists:
		return nil
	case versionTag(version).listed(w.noneMatch, true):
		return apierror.Conflict(fmt.Sprintf("the file has ETag %d, and If-None-Match demands that it has another, or does not exist: read it again and decide anew", version))
	case !w.unmodified.IsZero() && modified.Truncate(time.Second).After(w.unmodified):
		return apierror.Conflict("the file was written after the time in If-Unmodified-Since: read it again and decide anew")
	}
	return nil
}

// checkFile holds If-Match and the other conditions of a start or a PUT against the file as it is.
func (c *call) checkFile(exists bool, version int64, modified time.Time) error {
	if err := upload.CheckVersion(c.ifMatch, exists, version); err != nil {
		return err
	}
	return c.conditions.check(exists, version, modified)
}

// checkUpload evaluates If-None-Match on the file as the start of the upload has fixed it, without
// a look at the file: the upload comes to nothing on any other. It returns nil or a
// *upload.Refusal.
func (w conditions) checkUpload(u *v1alpha1.MultipartUpload) error {
	replaces := u.Spec.IfMatch
	if replaces == nil || !versionTag(*replaces).listed(w.noneMatch, true) {
		return nil
	}
	return &upload.Refusal{Kind: upload.RefusalConflict, Message: fmt.Sprintf("the upload was started with If-Match: %d, and If-None-Match demands another version, or no file", *replaces)}
}

// checkCompletion evaluates the conditions of a completion. The file is looked at only for a date:
// what If-None-Match says of it, the start has fixed. A file that is the upload's own result is
// that of an earlier copy of the request.
func (s *Server) checkCompletion(ctx context.Context, c *call, u *v1alpha1.MultipartUpload) error {
	if err := c.conditions.checkUpload(u); err != nil {
		return err
	}
	if c.conditions.unmodified.IsZero() || u.Status.UploadID == "" || upload.Desired(u) == v1alpha1.DesiredStateCompleted {
		return nil
	}
	at, err := s.locate(ctx, u)
	if err != nil {
		return err
	}
	object, file, exists, err := found(at.store.Stat(ctx, at.ref.Key))
	if err != nil {
		return err
	}
	return c.conditions.check(exists && file.Owner != u.UID, file.Version, object.Modified)
}
