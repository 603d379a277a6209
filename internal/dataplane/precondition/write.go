package precondition

import (
	"fmt"
	"net/http"
	"time"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/apierror"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// Write is what a write demands of the file beside If-Match (RFC 9110, 13). If-Modified-Since
// is none of them: it is of reads alone. Where HTTP would answer 412, this API answers 409.
type Write struct {
	// noneMatch are the values of If-None-Match.
	noneMatch []string
	// unmodified is If-Unmodified-Since: zero if it was not sent, is no date, or stands beside
	// If-Match, and does not count then.
	unmodified time.Time
}

// WriteOf reads the conditions of a write.
func WriteOf(h http.Header) (w Write) {
	w.noneMatch = h.Values("If-None-Match")
	since := h.Get("If-Unmodified-Since")
	if since == "" || h.Get("If-Match") != "" {
		return w
	}
	if t, err := http.ParseTime(since); err == nil {
		w.unmodified = t
	}
	return w
}

// Dated reports whether the write depends on when the file was written.
func (w Write) Dated() bool { return !w.unmodified.IsZero() }

// Check evaluates the conditions on the file as it is. On one that does not exist they all hold.
func (w Write) Check(exists bool, version int64, modified time.Time) error {
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

// CheckUpload evaluates If-None-Match on the file as the start of the upload has fixed it, without
// a look at the file: the upload comes to nothing on any other. It returns nil or a
// *upload.Refusal.
func (w Write) CheckUpload(u *v1alpha1.MultipartUpload) error {
	replaces := u.Spec.IfMatch
	if replaces == nil || !versionTag(*replaces).listed(w.noneMatch, true) {
		return nil
	}
	return &upload.Refusal{Kind: upload.RefusalConflict, Message: fmt.Sprintf("the upload was started with If-Match: %d, and If-None-Match demands another version, or no file", *replaces)}
}
