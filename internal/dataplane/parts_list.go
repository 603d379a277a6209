package dataplane

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/apierror"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// listedPart is one part as clients see it (docs/rest-api.md, "Parts").
type listedPart struct {
	// ObjectKey is {namespace}/{entityId}/{filepath}.
	ObjectKey string `json:"objectKey"`
	// PartNo is the part's number.
	PartNo int32 `json:"partNo"`
	// Created is when object storage stored the part, in milliseconds of UTC.
	Created int64 `json:"created"`
	// Size is in bytes.
	Size int64 `json:"size"`
	// Checksum is what object storage has computed, as "algorithm:base64"; absent where it tells
	// none.
	Checksum string `json:"checksum,omitempty"`
}

// newListedPart is how a part of u is listed.
func newListedPart(u *v1alpha1.MultipartUpload, p filestore.Part) listedPart {
	out := listedPart{ObjectKey: upload.FileOf(u).TenantKey(), PartNo: p.Number, Created: p.Modified.UnixMilli(), Size: p.Size}
	if p.Checksum != "" {
		out.Checksum = p.Algorithm + ":" + p.Checksum
	}
	return out
}

// listParts lists what has arrived of the open upload (docs/rest-api.md, "Parts").
func (s *Server) listParts(c *call, r *http.Request) error {
	ctx := r.Context()
	u, err := s.openUpload(ctx, c.file)
	if err != nil {
		return err
	}
	none := apierror.NotFound("no upload of this file is open")
	switch {
	case u == nil || u.Status.UploadID == "":
		return none
	case completing(u):
		return errCompleted
	}
	of := s.subject(ctx, u)
	at, err := s.locate(ctx, of)
	if err != nil {
		return err
	}
	parts, err := at.store.ListParts(ctx, at.ref)
	if gone := errors.Is(err, filestore.ErrNoSuchUpload); gone || fewerThan(parts, u) {
		// A backend takes the parts off its list, one by one, before it has put the file in place.
		if now, known := s.uploads.LiveReread(ctx, u); known && s.endOf(subject{now, of.fs}) == upload.EndCompleting {
			return errCompleted
		}
	}
	switch {
	case errors.Is(err, filestore.ErrNoSuchUpload):
		s.progress.Missing(u)
		return none.Because(err)
	case err != nil:
		return err
	}
	counting := filestore.Clear(parts)
	out := make([]listedPart, len(counting))
	for i, p := range counting {
		out[i] = newListedPart(u, p)
	}
	body, err := json.Marshal(out)
	if err != nil {
		return fmt.Errorf("encode the list of parts: %w", err)
	}
	h := c.response.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	c.response.WriteHeader(http.StatusOK)
	if c.method != http.MethodHead {
		_, _ = c.response.Write(body) // the client may be gone
	}
	return nil
}

// errCompleted answers who asks for the parts of an upload that is becoming the file: the list
// would be of few or none.
var errCompleted = apierror.Conflict("the upload is being completed, and its parts become the file: send upload=complete again for the result, or read the file")

// fewerThan reports whether parts are fewer than the upload is known to have had.
func fewerThan(parts []filestore.Part, u *v1alpha1.MultipartUpload) bool {
	p := u.Status.Progress
	return p != nil && p.Parts != nil && len(parts) < int(*p.Parts)
}

// openUpload gives the open upload of the file, nil if there is none: from the cache, else, as it
// may be new, from the API server.
func (s *Server) openUpload(ctx context.Context, file upload.File) (*v1alpha1.MultipartUpload, error) {
	known, err := s.uploads.known(ctx, file)
	if err != nil {
		return nil, err
	}
	if u := known.Open(); u != nil && u.Status.UploadID != "" {
		return u, nil
	}
	fs, err := s.fileStore(ctx, file.Namespace)
	if err != nil {
		return nil, err
	}
	if err := s.looks.take(file.Namespace, s.opts.Clock.Now()); err != nil {
		return nil, err
	}
	now, err := s.uploads.read(ctx, file, fs.Name)
	return now.Open(), err
}
