package dataplane

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/apierror"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/content"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/precondition"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/transfer"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// download sends a file, or a range of it (docs/rest-api.md, "Read"). The
// bytes are pinned to the version that the header tells of.
func (s *Server) download(c *call, r *http.Request) error {
	at, err := s.targetOf(r.Context(), c)
	if err != nil {
		return err
	}
	// A file that is replaced between the two calls is looked at once more; also where object
	// storage breaks on it, as Ceph does now and then while its pieces are exchanged.
	for range 4 {
		err = s.send(r.Context(), c, r, at.store, at.key)
		_, answered := filestore.Answered(err)
		if broken := answered && errors.Is(err, filestore.ErrUnavailable); !broken && !errors.Is(err, filestore.ErrPrecondition) {
			return err
		}
	}
	if !errors.Is(err, filestore.ErrPrecondition) {
		return err
	}
	return apierror.Unavailable("the file changes too fast to be read: send the request again", apierror.RetrySoon).Because(err)
}

// send sends the file as it is now. ErrPrecondition means that it was replaced before anything was
// sent.
func (s *Server) send(ctx context.Context, c *call, r *http.Request, store Store, key string) error {
	object, err := store.Stat(ctx, key)
	if err == nil && (r.Method == http.MethodHead || object.Size == 0) {
		// No bytes follow whose own description would show that this one is half of another
		// version.
		object, err = filestore.StatSettled(ctx, store.Stat, object)
	}
	if err != nil {
		return err
	}
	d := &download{call: c, store: store, take: func() (func(), error) { return s.budget.takeRead(c.file.Namespace) }, object: object, file: upload.DecodeFileMetadata(object.Metadata)}
	tags := precondition.TagsOf(d.file.Version, object.ETag)
	switch precondition.Evaluate(r.Header, tags, object.Modified) {
	case precondition.Failed:
		return &apierror.Error{Status: http.StatusPreconditionFailed, Message: fmt.Sprintf("the file has ETag %d, which is not what the request demands", d.file.Version)}
	case precondition.NotModified:
		return d.notModified()
	}
	var rngs []filestore.ByteRange
	if r.Method == http.MethodGet && precondition.Continues(r.Header.Get("If-Range"), tags, d.file, object.Modified) {
		var satisfiable bool
		if rngs, satisfiable = precondition.ParseRanges(r.Header.Get("Range"), object.Size); !satisfiable {
			return &apierror.Error{
				Status: http.StatusRequestedRangeNotSatisfiable, Message: fmt.Sprintf("the file has %d bytes, and the range lies outside of them", object.Size),
				Header: map[string]string{"Content-Range": fmt.Sprintf("bytes */%d", object.Size)},
			}
		}
	}
	switch {
	case r.Method == http.MethodHead || object.Size == 0:
		d.header(http.StatusOK, object.Size)
		return nil
	case len(rngs) == 0:
		return d.sendOne(ctx, filestore.ByteRange{Length: object.Size}, http.StatusOK)
	case len(rngs) == 1:
		return d.sendOne(ctx, rngs[0], http.StatusPartialContent)
	default:
		return d.sendSeveral(ctx, rngs)
	}
}

// download is one version of a file on its way to a client.
type download struct {
	call  *call
	store Store
	// take takes the download's share of the server's memory.
	take   func() (release func(), err error)
	object filestore.Object
	file   upload.FileMetadata
}

// notModified answers that the client has the file already.
func (d *download) notModified() error {
	h := d.call.response.Header()
	describeFile(h, d.object, d.file)
	for _, name := range []string{"Content-Type", "Content-Encoding", "Content-Language", "Content-Disposition"} {
		h.Del(name) // of a body that is not sent
	}
	d.call.response.WriteHeader(http.StatusNotModified)
	return nil
}

// header writes the header of an answer whose body has length bytes.
func (d *download) header(status int, length int64) {
	h := d.call.response.Header()
	describeFile(h, d.object, d.file)
	if status == http.StatusOK {
		describeChecksum(h, d.object.Checksum)
	}
	h.Set("Content-Length", strconv.FormatInt(length, 10))
	d.call.response.WriteHeader(status)
}

// sendOne sends one range, which may be all of the file.
func (d *download) sendOne(ctx context.Context, rng filestore.ByteRange, status int) error {
	release, err := d.take()
	if err != nil {
		return err
	}
	defer release()
	body, err := d.store.Open(ctx, d.object, rng)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }() // every byte that counts was read, or the client's connection is cut
	if status == http.StatusPartialContent {
		d.call.response.Header().Set("Content-Range", precondition.ContentRange(rng, d.object.Size))
	}
	d.header(status, rng.Length)
	return d.call.copyExactly(body, rng.Length)
}

// copyExactly sends length bytes, or cuts the connection: a short answer must not look whole.
func (c *call) copyExactly(body io.Reader, length int64) error {
	buffer := transfer.Buffers.Get().(*[]byte)
	defer transfer.Buffers.Put(buffer)
	n, err := io.CopyBuffer(onlyWriter{c.response}, io.LimitReader(body, length), *buffer)
	if err == nil && n < length {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		c.cut(fmt.Errorf("cut after %d of %d bytes: %w", n, length, err))
	}
	return nil
}

// cut ends the connection, and with it the request.
func (c *call) cut(err error) {
	c.err = err
	panic(http.ErrAbortHandler)
}

// onlyWriter hides io.ReaderFrom, so that the pooled buffer is used.
type onlyWriter struct{ io.Writer }

// describeFile sets the headers that tell of a file.
func describeFile(h http.Header, object filestore.Object, file upload.FileMetadata) {
	tags := precondition.TagsOf(file.Version, object.ETag)
	h["ETag"] = []string{tags.Version}
	h.Set("X-File-Tag", tags.Tag)
	h.Set("Accept-Ranges", "bytes")
	h.Set("Last-Modified", object.Modified.UTC().Format(http.TimeFormat))
	h.Set("Content-Type", content.MediaType(object))
	content.Describe(h, object.ContentHeaders)
	// Tenants choose media types, and other tenants' browsers may open the URL: nothing in a file
	// runs as this origin.
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	if file.Description != "" {
		h["description"] = []string{file.Description}
	}
	if !file.Timestamp.IsZero() {
		h["timestamp"] = []string{file.Timestamp.UTC().Format(time.RFC3339Nano)}
	}
}

// describeChecksum sends the checksum of a whole file, as S3 does: its clients compare it with the
// bytes that they get, so ranges go without. Of the CRCs, IANA has registered CRC32C alone for the
// fields of RFC 9530.
func describeChecksum(h http.Header, checksum string) {
	algorithm, value, ok := strings.Cut(checksum, ":")
	if !ok {
		return
	}
	h.Set("X-Amz-Checksum-"+algorithm, value)
	h.Set("X-Amz-Checksum-Type", "FULL_OBJECT")
	if algorithm == "crc32c" {
		h.Set("Repr-Digest", "crc32c=:"+value+":")
	}
}
