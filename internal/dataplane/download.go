package dataplane

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// download sends a file, or a range of it (contract, "GET/HEAD /files/{e}/{path}" and rule 9). The bytes are pinned to the version that the header tells of.
func (s *Server) download(c *call, r *http.Request) error {
	at, err := s.targetOf(r.Context(), c)
	if err != nil {
		return err
	}
	// A file that is replaced between the two calls is looked at once more.
	for range 2 {
		if err = s.send(r.Context(), c, r, at.store, at.key); !errors.Is(err, filestore.ErrPrecondition) {
			return err
		}
	}
	return errUnavailable("the file changes too fast to be read: send the request again", retrySoon).because(err)
}

// send sends the file as it is now. ErrPrecondition means that it was replaced before anything was sent.
func (s *Server) send(ctx context.Context, c *call, r *http.Request, store Store, key string) error {
	object, err := store.Stat(ctx, key)
	if err != nil {
		return err
	}
	file := upload.DecodeFileMetadata(object.Metadata)
	rng, partial := filestore.ByteRange{Length: object.Size}, false
	if r.Method == http.MethodGet && rangeApplies(r.Header.Get("If-Range"), file.Version, object.Modified) {
		var satisfiable bool
		if rng, partial, satisfiable = parseRange(r.Header.Get("Range"), object.Size); !satisfiable {
			return &answer{
				status: http.StatusRequestedRangeNotSatisfiable, message: fmt.Sprintf("the file has %d bytes, and the range lies outside of them", object.Size),
				header: map[string]string{"Content-Range": fmt.Sprintf("bytes */%d", object.Size)},
			}
		}
	}
	if r.Method == http.MethodHead || rng.Length == 0 {
		describeFile(c.response.Header(), object, file)
		c.response.Header().Set("Content-Length", strconv.FormatInt(object.Size, 10))
		c.response.WriteHeader(http.StatusOK)
		return nil
	}
	body, err := store.Open(ctx, key, object.ETag, rng)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }() // every byte that counts was read, or the client's connection is cut
	describeFile(c.response.Header(), object, file)
	c.response.Header().Set("Content-Length", strconv.FormatInt(rng.Length, 10))
	status := http.StatusOK
	if partial {
		c.response.Header().Set("Content-Range", contentRange(rng, object.Size))
		status = http.StatusPartialContent
	}
	c.response.WriteHeader(status)
	return c.copyExactly(body, rng.Length)
}

// copyExactly sends length bytes, or cuts the connection: a short answer must not look whole.
func (c *call) copyExactly(body io.Reader, length int64) error {
	buffer := copyBuffers.Get().(*[]byte)
	defer copyBuffers.Put(buffer)
	n, err := io.CopyBuffer(onlyWriter{c.response}, io.LimitReader(body, length), *buffer)
	if err == nil && n < length {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		c.err = fmt.Errorf("cut after %d of %d bytes: %w", n, length, err)
		panic(http.ErrAbortHandler)
	}
	return nil
}

// onlyWriter hides io.ReaderFrom, so that the pooled buffer is used.
type onlyWriter struct{ io.Writer }

// describeFile sets the headers that tell of a file.
func describeFile(h http.Header, object filestore.Object, file upload.FileMetadata) {
	h["ETag"] = []string{strconv.FormatInt(file.Version, 10)}
	h.Set("Accept-Ranges", "bytes")
	h.Set("Last-Modified", object.Modified.UTC().Format(http.TimeFormat))
	h.Set("Content-Type", mediaType(object))
	// Tenants choose media types, and other tenants' browsers may open the URL: nothing in a file runs as this origin.
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	if file.Description != "" {
		h["description"] = []string{file.Description}
	}
	if !file.Timestamp.IsZero() {
		h["timestamp"] = []string{file.Timestamp.UTC().Format(time.RFC3339Nano)}
	}
}

// mediaType is what the file is served as.
func mediaType(object filestore.Object) string {
	if object.ContentType == "" {
		return "application/octet-stream"
	}
	return object.ContentType
}
