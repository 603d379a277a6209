package dataplane

import (
	"context"
	"net/http"
	"time"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/apierror"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/precondition"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// writeConditions reads them. The error is for the client: of a request that is about an upload and
// not about the file, they cannot be evaluated.
func writeConditions(op operation, h http.Header) (w precondition.Write, err error) {
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
	return precondition.WriteOf(h), nil
}

// checkFile holds If-Match and the other conditions of a start or a PUT against the file as it is.
func (c *call) checkFile(exists bool, version int64, modified time.Time) error {
	if err := upload.CheckVersion(c.ifMatch, exists, version); err != nil {
		return err
	}
	return c.conditions.Check(exists, version, modified)
}

// checkCompletion evaluates the conditions of a completion. The file is looked at only for a date:
// what If-None-Match says of it, the start has fixed. A file that is the upload's own result is
// that of an earlier copy of the request.
func (s *Server) checkCompletion(ctx context.Context, c *call, of subject) error {
	u := of.u
	if err := c.conditions.CheckUpload(u); err != nil {
		return err
	}
	if !c.conditions.Dated() || u.Status.UploadID == "" || upload.Desired(u) == v1alpha1.DesiredStateCompleted {
		return nil
	}
	at, err := s.locate(ctx, of)
	if err != nil {
		return err
	}
	object, file, exists, err := found(at.store.Stat(ctx, at.ref.Key))
	if err != nil {
		return err
	}
	return c.conditions.Check(exists && file.Owner != u.UID, file.Version, object.Modified)
}
