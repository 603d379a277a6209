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
)

// startSpec reads what the client says of the file (contract rule 7).
func startSpec(c *call, h http.Header) (v1alpha1.MultipartUploadSpec, error) {
	spec := v1alpha1.MultipartUploadSpec{
		EntityID:       c.file.EntityID,
		Path:           c.file.Path,
		Description:    text(h.Get("description")),
		IfMatch:        c.ifMatch,
		CreatedBy:      c.identity.Name,
		IdempotencyKey: h.Get("Idempotency-Key"),
		DesiredState:   v1alpha1.DesiredStateUploading,
	}
	for _, name := range []string{"type", "Content-Type"} {
		if kind := h.Get(name); spec.ContentType == "" && !isWildcard(kind) {
			spec.ContentType = kind
		}
	}
	switch {
	case len(spec.ContentType) > 255 || !printable(spec.ContentType):
		return spec, apierror.BadRequest("the media type must be printable ASCII of at most 255 characters")
	case strings.HasPrefix(strings.ToLower(spec.ContentType), "multipart/form-data"):
		// Two object stores of two take a body or a start of this type for a form of their own, and
		// fail.
		return spec, apierror.BadRequest("the body is taken as it is, and cannot be a form (multipart/form-data): send the bytes of the file alone, with their own media type")
	case utf8.RuneCountInString(spec.Description) > 100:
		return spec, apierror.BadRequest("the description must have at most 100 characters")
	case len(spec.IdempotencyKey) > 255 || !printable(spec.IdempotencyKey):
		return spec, apierror.BadRequest("the Idempotency-Key must be printable ASCII of at most 255 characters")
	}
	if t, ok := parseTimestamp(h.Get("timestamp")); ok {
		spec.Timestamp = t.Format(time.RFC3339Nano)
	}
	return spec, readContentHeaders(h, &spec)
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

// parseTimestamp reports whether s is a time, of a year that RFC 3339 can write in UTC. One that is
// not is ignored, not refused: a common client sends such (contract rule 7).
func parseTimestamp(s string) (time.Time, bool) {
	for _, layout := range timestampLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			t = t.UTC()
			return t, !t.IsZero() && t.Year() >= 1 && t.Year() <= 9999
		}
	}
	return time.Time{}, false
}
