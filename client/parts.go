package iotfile

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
	"time"
)

// Part is a part of an open upload, as object storage has it.
type Part struct {
	// Number counts from 1.
	Number int
	// Size is in bytes; 0 where the server tells none, as the service does whose API this is.
	Size int64
	// Checksum is what object storage has computed, as algorithm, colon and base64; "" where it
	// tells none.
	Checksum string
	// Created is when the part was stored, to the millisecond.
	Created time.Time
}

// Parts lists what has arrived of the open upload at path, ENTITY/PATH, by number. The error is
// ErrNotFound where no upload is open, and ErrConflict while its parts become the file.
func (c *Client) Parts(ctx context.Context, path string) ([]Part, error) {
	if err := checkPath(path); err != nil {
		return nil, err
	}
	s := c.begin(path, 1)
	defer s.end()
	return s.parts(ctx)
}

func (c *call) parts(ctx context.Context) ([]Part, error) {
	var listed []struct {
		PartNo, Created, Size int64
		Checksum              string
	}
	_, err := c.do(ctx, &request{op: "list parts", method: http.MethodGet, address: partsAddress(c.path), read: func(res *http.Response) error {
		listed = nil // of an attempt before
		return json.NewDecoder(res.Body).Decode(&listed)
	}})
	if err != nil {
		return nil, err
	}
	out := make([]Part, len(listed))
	for i, p := range listed {
		out[i] = Part{int(p.PartNo), p.Size, p.Checksum, time.UnixMilli(p.Created)}
	}
	slices.SortFunc(out, func(a, b Part) int { return cmp.Compare(a.Number, b.Number) })
	return out, nil
}

// AbortOptions say which upload is meant.
type AbortOptions struct {
	// Key is that of the UploadOptions; "": the one that this package makes of the path.
	Key string
}

// Abort ends the open upload at path, ENTITY/PATH, and deletes its parts; it answers when they are
// gone. A finished file is not touched. The error is ErrNotFound where no upload is open, and
// ErrConflict where it was opened with another key, or is being completed.
func (c *Client) Abort(ctx context.Context, path string, options *AbortOptions) error {
	if err := checkPath(path); err != nil {
		return err
	}
	key := keyOf(path)
	if options != nil {
		key = cmp.Or(options.Key, key)
	}
	s := c.begin(path, 1)
	defer s.end()
	return s.doGone(ctx, &request{
		op: "abort", method: http.MethodPut, address: fileAddress(path) + "?upload=abort", header: http.Header{"Idempotency-Key": {key}},
	})
}

// keyOf is the Idempotency-Key of uploads to a path. Any process makes the same one, so that it
// finds an upload again and can end it. It keeps others from ending it by mistake; it is no secret.
func keyOf(path string) string {
	sum := sha256.Sum256([]byte(path))
	return "iotfile-" + hex.EncodeToString(sum[:16])
}

// Complete makes the file of the open upload at path, ENTITY/PATH, from the parts that have
// arrived, and returns it. [Client.Upload] does so by itself. The parts must be those from 1 on:
// else the error is ErrInvalid, and the upload stays open. It is ErrConflict where no upload is
// open, or the file has another version by now. An upload that was completed is answered with the
// same success for a time.
func (c *Client) Complete(ctx context.Context, path string) (*File, error) {
	if err := checkPath(path); err != nil {
		return nil, err
	}
	s := c.begin(path, 1)
	defer s.end()
	if _, err := s.do(ctx, &request{op: "complete", method: http.MethodPut, address: fileAddress(path) + "?upload=complete", patient: true}); err != nil {
		return nil, err
	}
	return s.stat(ctx)
}
