package memory

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // ETags are MD5 sums
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

const (
	maxPartNumber = 10000
	maxPartBytes  = 5 << 30
)

// CreateUpload implements filestore.Lifecycle.
func (s *Store) CreateUpload(ctx context.Context, key string, opts filestore.CreateUploadOptions) (string, error) {
	leave, err := s.enter(ctx, CreateUpload, key)
	if err != nil {
		return "", err
	}
	if err := checkKey(CreateUpload, key); err != nil {
		return "", err
	}
	s.mu.Lock()
	s.created++
	ref := filestore.UploadRef{Key: key, UploadID: fmt.Sprintf("upload-%d", s.created)}
	opts.Metadata = cloneMetadata(opts.Metadata)
	s.uploads[ref] = &upload{ref: ref, opts: opts, initiated: s.opts.Now(), parts: map[int32]storedPart{}}
	s.mu.Unlock()
	if err := leave(nil); err != nil {
		return "", err
	}
	return ref.UploadID, nil
}

// PutPart implements filestore.PartWriter. Unlike a real backend it keeps the bytes in memory.
func (s *Store) PutPart(ctx context.Context, ref filestore.UploadRef, number int32, body io.Reader, size int64) (filestore.Part, error) {
	leave, err := s.enter(ctx, PutPart, ref.Key)
	if err != nil {
		return filestore.Part{}, err
	}
	if err := checkKey(PutPart, ref.Key); err != nil {
		return filestore.Part{}, err
	}
	if number < 1 || number > maxPartNumber {
		return filestore.Part{}, fault(PutPart, filestore.ErrRejected, "part number %d", number)
	}
	if size < 0 || size > maxPartBytes {
		return filestore.Part{}, fault(PutPart, filestore.ErrPartSize, "%d bytes", size)
	}
	s.mu.Lock()
	u := s.uploads[ref]
	s.mu.Unlock()
	if u == nil {
		return filestore.Part{}, fault(PutPart, filestore.ErrNoSuchUpload, "%s", ref.UploadID)
	}
	content, err := readBody(ctx, PutPart, body, size)
	if err != nil {
		return filestore.Part{}, err
	}
	part, err := s.landPart(u, number, content)
	if err := leave(err); err != nil {
		return filestore.Part{}, err
	}
	return part, nil
}

// landPart records a part whose bytes are complete.
func (s *Store) landPart(u *upload, number int32, content []byte) (filestore.Part, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.uploads[u.ref] == nil {
		if s.opts.LateParts == LatePartsRefused {
			return filestore.Part{}, fault(PutPart, filestore.ErrNoSuchUpload, "%s", u.ref.UploadID)
		}
		u = &upload{ref: u.ref, opts: u.opts, initiated: u.initiated, parts: map[int32]storedPart{}}
		s.uploads[u.ref] = u
	}
	p := filestore.Part{Number: number, Size: int64(len(content)), ETag: etagOf(content), Checksum: checksum(content), Algorithm: "crc64nvme", Modified: s.opts.Now()}
	u.parts[number] = storedPart{Part: p, content: content}
	p.Modified = time.Time{}
	return p, nil
}

// readBody reads exactly size bytes, looking at ctx in between.
func readBody(ctx context.Context, op Operation, body io.Reader, size int64) ([]byte, error) {
	var content bytes.Buffer
	buf := make([]byte, 64<<10)
	for left := size; left > 0; {
		n, err := body.Read(buf[:min(left, int64(len(buf)))])
		content.Write(buf[:n])
		left -= int64(n)
		if err == io.EOF {
			err = nil
			if left > 0 {
				err = io.ErrUnexpectedEOF
			}
		}
		if err != nil {
			return nil, &filestore.Error{Op: string(op), Kind: filestore.ErrIncompleteBody, Cause: err}
		}
		if ctx.Err() != nil {
			return nil, ended(ctx, op)
		}
	}
	return content.Bytes(), nil
}

// ListParts implements filestore.PartLister.
func (s *Store) ListParts(ctx context.Context, ref filestore.UploadRef) ([]filestore.Part, error) {
	leave, err := s.enter(ctx, ListParts, ref.Key)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	u := s.uploads[ref]
	var parts []filestore.Part
	switch {
	case u == nil:
		err = fault(ListParts, filestore.ErrNoSuchUpload, "%s", ref.UploadID)
	case !u.unlisted:
		for _, number := range slices.Sorted(maps.Keys(u.parts)) {
			parts = append(parts, u.parts[number].Part)
		}
	}
	s.mu.Unlock()
	if err := leave(err); err != nil {
		return nil, err
	}
	return parts, nil
}

// AbortUpload implements filestore.Lifecycle.
func (s *Store) AbortUpload(ctx context.Context, ref filestore.UploadRef) error {
	leave, err := s.enter(ctx, AbortUpload, ref.Key)
	if err != nil {
		return err
	}
	s.mu.Lock()
	delete(s.uploads, ref)
	s.mu.Unlock()
	return leave(nil)
}

// ListUploads implements filestore.Lifecycle.
func (s *Store) ListUploads(ctx context.Context, prefix string, yield func(filestore.Upload) bool) error {
	leave, err := s.enter(ctx, ListUploads, prefix)
	if err != nil {
		return err
	}
	s.mu.Lock()
	list := s.listed(prefix)
	s.mu.Unlock()
	for _, u := range list {
		if !yield(u) {
			break
		}
	}
	return leave(nil)
}

func etagOf(content []byte) string {
	sum := md5.Sum(content) //nolint:gosec // as above
	return hex.EncodeToString(sum[:])
}
