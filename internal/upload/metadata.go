package upload

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// Keys of the user metadata that is stored with every file, as S3 names them: lower-case, behind
// "x-amz-meta-".
const (
	metaVersion     = "iotfile-version"
	metaOwner       = "iotfile-owner"
	metaDescription = "iotfile-description"
	metaTimestamp   = "iotfile-timestamp"
	metaCreated     = "iotfile-created"
	metaCreatedBy   = "iotfile-created-by"
	metaUpdatedBy   = "iotfile-updated-by"
	metaRequest     = "iotfile-request"
	metaReplaced    = "iotfile-replaced"
)

// FileMetadata is what this project stores with a file beside its bytes. Object storage is its only
// home.
type FileMetadata struct {
	// Version is the integer ETag. A file that others put into the bucket has version 0.
	Version int64
	// Owner is the UID of the MultipartUpload that made the file, empty for files made otherwise.
	// It tells a repeated completion that an earlier one succeeded.
	Owner types.UID
	// Description is free text of up to 100 characters.
	Description string
	// Timestamp is a time that the client gave, zero for none.
	Timestamp time.Time
	// Created is when version 0 was opened, zero if unknown; CreatedBy who did.
	Created   time.Time
	CreatedBy string
	// Replaced is when the version that this one takes the place of was stored, by the backend's
	// clock; zero if unknown, or if there was none.
	Replaced time.Time
	// UpdatedBy is who made this version.
	UpdatedBy string
	// Request is a mark of the request that sent the file in one piece, empty for files made
	// otherwise. It tells a request whose answer was lost, or that is sent again, that it was this
	// one that succeeded.
	Request string
}

// TimestampOf is the time that the upload's file is to be kept with; zero if there is none, or none
// of a year that can be written in UTC.
func TimestampOf(u *v1alpha1.MultipartUploadSpec) time.Time {
	t, err := time.Parse(time.RFC3339Nano, strings.ToUpper(u.Timestamp))
	t = t.UTC()
	if err != nil || t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}
	}
	return t
}

// maxMetadataBytes is S3's limit of the user metadata of an object, keys and values together.
const maxMetadataBytes = 2048

// Encode gives the user metadata to store. Values are percent-encoded where they are not plain
// ASCII, since S3 metadata travels in headers. Names of users that would burst S3's limit are cut;
// everything else always fits.
func (m FileMetadata) Encode() map[string]string {
	out := map[string]string{metaVersion: strconv.FormatInt(m.Version, 10)}
	put := func(key, value string) {
		if value != "" {
			out[key] = url.PathEscape(value)
		}
	}
	putTime := func(key string, t time.Time) {
		if !t.IsZero() {
			out[key] = t.UTC().Format(time.RFC3339Nano)
		}
	}
	put(metaOwner, string(m.Owner))
	put(metaDescription, m.Description)
	putTime(metaTimestamp, m.Timestamp)
	putTime(metaCreated, m.Created)
	putTime(metaReplaced, m.Replaced)
	put(metaRequest, m.Request)
	left := maxMetadataBytes - len(metaCreatedBy) - len(metaUpdatedBy)
	for key, value := range out {
		left -= len(key) + len(value)
	}
	put(metaCreatedBy, cut(m.CreatedBy, left/2))
	put(metaUpdatedBy, cut(m.UpdatedBy, left/2))
	return out
}

// cut shortens s so that it takes no more than limit bytes when it is percent-encoded.
func cut(s string, limit int) string {
	for i, r := range s {
		if limit -= len(url.PathEscape(string(r))); limit < 0 {
			return s[:i]
		}
	}
	return s
}

// DecodeFileMetadata reads what Encode wrote. What is missing or cannot be read is zero: the
// objects of others are files of version 0.
func DecodeFileMetadata(meta map[string]string) FileMetadata {
	text := func(key string) string {
		s, err := url.PathUnescape(meta[key])
		if err != nil {
			return ""
		}
		return s
	}
	moment := func(key string) time.Time {
		t, err := time.Parse(time.RFC3339Nano, meta[key])
		if err != nil {
			return time.Time{}
		}
		return t
	}
	version, err := strconv.ParseInt(meta[metaVersion], 10, 64)
	if err != nil || version < 0 || version > MaxVersion {
		version = 0
	}
	return FileMetadata{
		Version:     version,
		Owner:       types.UID(text(metaOwner)),
		Description: text(metaDescription),
		Timestamp:   moment(metaTimestamp),
		Created:     moment(metaCreated),
		CreatedBy:   text(metaCreatedBy),
		Replaced:    moment(metaReplaced),
		UpdatedBy:   text(metaUpdatedBy),
		Request:     text(metaRequest),
	}
}
