package dataplane

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"

	"github.com/google/uuid"

	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/content"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/precondition"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

// sendSeveral sends several ranges as multipart/byteranges (RFC 9110, 14.6). All are of the version
// that the header tells of: if the file is replaced in between, the connection is cut.
func (d *download) sendSeveral(ctx context.Context, rngs []filestore.ByteRange) error {
	described := http.Header{}
	describeFile(described, d.object, d.file)
	each := content.Move(described)
	// Unguessable, so that no file can hold it.
	boundary := uuid.NewString()
	heads := make([]string, len(rngs))
	end := "\r\n--" + boundary + "--\r\n"
	length := int64(len(end))
	for i, rng := range rngs {
		heads[i] = fmt.Sprintf("\r\n--%s\r\nContent-Type: %s\r\n%sContent-Range: %s\r\n\r\n", boundary, content.MediaType(d.object), each, precondition.ContentRange(rng, d.object.Size))
		length += int64(len(heads[i])) + rng.Length
	}
	release, err := d.take()
	if err != nil {
		return err
	}
	defer release()
	first, err := d.store.Open(ctx, d.object, rngs[0])
	if err != nil {
		return err
	}
	h := d.call.response.Header()
	maps.Copy(h, described)
	h.Set("Content-Type", "multipart/byteranges; boundary="+boundary)
	h.Set("Content-Length", fmt.Sprint(length))
	d.call.response.WriteHeader(http.StatusPartialContent)
	for i, rng := range rngs {
		body := first
		if i > 0 {
			if body, err = d.store.Open(ctx, d.object, rng); err != nil {
				d.call.cut(fmt.Errorf("cut before range %d of %d: %w", i+1, len(rngs), err))
			}
		}
		if err := d.sendBodyPart(heads[i], body, rng.Length); err != nil {
			return err
		}
	}
	_, _ = io.WriteString(d.call.response, end) // the client may be gone
	return nil
}

// sendBodyPart sends one range with its head, and closes body.
func (d *download) sendBodyPart(head string, body io.ReadCloser, length int64) error {
	defer func() { _ = body.Close() }() // every byte that counts was read, or the client's connection is cut
	if _, err := io.WriteString(d.call.response, head); err != nil {
		d.call.cut(fmt.Errorf("send a body part's head: %w", err))
	}
	return d.call.copyExactly(body, length)
}
