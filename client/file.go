package iotfile

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// File is what the server tells of a file.
type File struct {
	// Path is ENTITY/PATH.
	Path string
	// Size is in bytes.
	Size int64
	// Version is the file's ETag: 0 for a new file, one more with each update.
	Version int64
	// Tag tells this content from all others of the path, also across a deletion. "" in listings.
	Tag string
	// Type is the media type; in listings it may be another word that was sent as one.
	Type string
	// Description is what was given with the upload.
	Description string
	// Timestamp is what was given with the upload, zero if nothing was; in listings it is the time
	// of storing then.
	Timestamp time.Time
	// Updated is when this version was stored, in listings to the millisecond, else to the second.
	Updated time.Time
	// Created, CreatedBy and UpdatedBy are told in listings alone.
	Created              time.Time
	CreatedBy, UpdatedBy string
	// Checksum is that of the whole file as object storage has computed it, as algorithm, colon and
	// base64, such as "crc64nvme:MN2ofvMjpIQ="; "" in listings, and where the store tells none.
	Checksum string
}

// fileOf reads the header of an answer to GET or HEAD.
func fileOf(path string, h http.Header, size int64) *File {
	f := &File{Path: path, Size: size, Tag: h.Get("X-File-Tag"), Type: h.Get("Content-Type"), Description: h.Get("Description")}
	f.Version, _ = strconv.ParseInt(strings.Trim(h.Get("ETag"), `"`), 10, 64)
	f.Timestamp, _ = time.Parse(time.RFC3339Nano, h.Get("Timestamp"))
	f.Updated, _ = http.ParseTime(h.Get("Last-Modified"))
	for _, algorithm := range []string{crc64Name, crc32Name} {
		if value := h.Get("X-Amz-Checksum-" + algorithm); value != "" && f.Checksum == "" && h.Get("X-Amz-Checksum-Type") == "FULL_OBJECT" {
			f.Checksum = algorithm + ":" + value
		}
	}
	return f
}

// crc64 is the file's CRC64NVME as headers write it, "" where another checksum or none is told.
func (f *File) crc64() string {
	value, ok := strings.CutPrefix(f.Checksum, crc64Name+":")
	if !ok {
		return ""
	}
	return value
}

// Stat tells of the file at path, ENTITY/PATH. The error is ErrNotFound where there is none.
func (c *Client) Stat(ctx context.Context, path string) (*File, error) {
	if err := checkPath(path); err != nil {
		return nil, err
	}
	s := c.begin(path, 1)
	defer s.end()
	return s.stat(ctx)
}

func (c *call) stat(ctx context.Context) (*File, error) {
	var f *File
	_, err := c.do(ctx, &request{op: "stat", method: http.MethodHead, address: fileAddress(c.path), read: func(res *http.Response) error {
		f = fileOf(c.path, res.Header, res.ContentLength)
		return nil
	}})
	if err != nil {
		return nil, err
	}
	return f, nil
}

// DeleteOptions are further conditions of a deletion.
type DeleteOptions struct {
	// IfMatch is the version that is to be deleted; nil: any. It is compared a moment before the
	// deletion, not in one step with it.
	IfMatch *int64
}

// Delete deletes the file at path, ENTITY/PATH. The error is ErrNotFound where there is none, and
// ErrConflict where it has another version. An open upload of the path is not touched.
func (c *Client) Delete(ctx context.Context, path string, options *DeleteOptions) error {
	if err := checkPath(path); err != nil {
		return err
	}
	s := c.begin(path, 1)
	defer s.end()
	header := http.Header{}
	if options != nil {
		setVersion(header, options.IfMatch)
	}
	return s.doGone(ctx, &request{op: "delete", method: http.MethodDelete, address: fileAddress(path), header: header})
}

// doGone sends a request after which something is gone. What is not found after an attempt without
// an answer was removed by that.
func (c *call) doGone(ctx context.Context, r *request) error {
	_, err := c.do(ctx, r)
	if e, ok := err.(*Error); ok && e.Status == http.StatusNotFound && e.doubt { //nolint:errorlint // do makes no other
		return nil
	}
	return err
}

func setVersion(h http.Header, version *int64) {
	if version != nil {
		h.Set("If-Match", strconv.FormatInt(*version, 10))
	}
}
