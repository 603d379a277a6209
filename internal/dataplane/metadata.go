package dataplane

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/apierror"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/content"
)

// startSpec reads what the client says of the file (docs/rest-api.md, "Headers").
func startSpec(c *call, h http.Header) (v1alpha1.MultipartUploadSpec, error) {
	spec := v1alpha1.MultipartUploadSpec{
		EntityID:       c.file.EntityID,
		Path:           c.file.Path,
		Description:    content.Text(h.Get("description")),
		IfMatch:        c.ifMatch,
		CreatedBy:      c.identity.Name,
		IdempotencyKey: h.Get("Idempotency-Key"),
		DesiredState:   v1alpha1.DesiredStateUploading,
	}
	for _, name := range []string{"type", "Content-Type"} {
		if kind := h.Get(name); spec.ContentType == "" && !content.IsWildcard(kind) {
			spec.ContentType = kind
		}
	}
	switch {
	case len(spec.ContentType) > 255 || !content.Printable(spec.ContentType):
		return spec, apierror.BadRequest("the media type must be printable ASCII of at most 255 characters")
	case strings.HasPrefix(strings.ToLower(spec.ContentType), "multipart/form-data"):
		// Two object stores of two take a body or a start of this type for a form of their own, and
		// fail.
		return spec, apierror.BadRequest("the body is taken as it is, and cannot be a form (multipart/form-data): send the bytes of the file alone, with their own media type")
	case utf8.RuneCountInString(spec.Description) > 100:
		return spec, apierror.BadRequest("the description must have at most 100 characters")
	case len(spec.IdempotencyKey) > 255 || !content.Printable(spec.IdempotencyKey):
		return spec, apierror.BadRequest("the Idempotency-Key must be printable ASCII of at most 255 characters")
	}
	if t, ok := content.ParseTimestamp(h.Get("timestamp")); ok {
		spec.Timestamp = t.Format(time.RFC3339Nano)
	}
	return spec, content.ReadHeaders(h, &spec)
}

// maxFileSize is what the schema takes for spec.size: the largest object of S3.
const maxFileSize = 50 << 40

// declaredSize reads how large the file is going to be, nil if the client does not say.
func declaredSize(h http.Header) (*int64, error) {
	text := h.Get("X-File-Size")
	if text == "" {
		return nil, nil
	}
	size, err := strconv.ParseInt(text, 10, 64)
	if err != nil || size < 1 || size > maxFileSize {
		return nil, apierror.BadRequest(fmt.Sprintf("X-File-Size must be the size of the whole file in bytes, 1 to %d, or be left out", int64(maxFileSize)))
	}
	return &size, nil
}
