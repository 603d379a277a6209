package s3

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/minio/minio-go/v7"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

// CreateUpload implements filestore.Lifecycle.
func (s *store) CreateUpload(ctx context.Context, key string, opts filestore.CreateUploadOptions) (string, error) {
	if err := checkKey(opCreate, key); err != nil {
		return "", err
	}
	create := storedWith(opts)
	create.UserMetadata = userMetadata(opts.Metadata)
	payloads[s.cfg.PayloadMode].announce(create.UserMetadata)
	id, err := s.core.NewMultipartUpload(ctx, s.cfg.Bucket, key, create)
	if err != nil {
		return "", translate(ctx, opCreate, err)
	}
	if id == "" {
		return "", &filestore.Error{Op: opCreate, Kind: filestore.ErrUnavailable, Cause: errors.New("the answer holds no upload id")}
	}
	return id, nil
}

// CompleteUpload implements filestore.Lifecycle.
func (s *store) CompleteUpload(ctx context.Context, ref filestore.UploadRef, parts []filestore.Part, cond filestore.Condition) (filestore.Object, error) {
	if err := checkRef(opComplete, ref); err != nil {
		return filestore.Object{}, err
	}
	complete, size, err := s.manifest(parts)
	if err != nil {
		return filestore.Object{}, err
	}
	var opts minio.PutObjectOptions
	demand(&opts, cond)
	info, err := s.core.CompleteMultipartUpload(ctx, s.cfg.Bucket, ref.Key, ref.UploadID, complete, opts)
	if err != nil {
		return filestore.Object{}, s.explainKey(ctx, ref.Key, translate(ctx, opComplete, err))
	}
	return filestore.Object{Key: ref.Key, Size: size, ETag: info.ETag, Checksum: checksumOf(info.ChecksumMode, info.ChecksumCRC64NVME, info.ChecksumCRC32C)}, nil
}

// manifest is the list of parts as the backend wants it, and how many bytes they have. S3 refuses
// parts that are not in order, MinIO takes one that is named twice: such a list is not even sent.
func (s *store) manifest(parts []filestore.Part) (complete []minio.CompletePart, size int64, err error) {
	mode := payloads[s.cfg.PayloadMode]
	complete = make([]minio.CompletePart, len(parts))
	var before int32
	for i, p := range parts {
		if p.Number <= before {
			cause := fmt.Errorf("part %d is named after part %d", p.Number, before)
			return nil, 0, &filestore.Error{Op: opComplete, Kind: filestore.ErrInvalidParts, Cause: cause}
		}
		before = p.Number
		complete[i] = mode.completePart(int(p.Number), p.ETag, p.Checksum)
		size += p.Size
	}
	if len(parts) == 0 {
		return nil, 0, &filestore.Error{Op: opComplete, Kind: filestore.ErrInvalidParts, Cause: errors.New("no part is named")}
	}
	return complete, size, nil
}

// AbortUpload implements filestore.Lifecycle.
func (s *store) AbortUpload(ctx context.Context, ref filestore.UploadRef) error {
	err := checkRef(opAbort, ref)
	if err == nil {
		err = translate(ctx, opAbort, s.core.AbortMultipartUpload(ctx, s.cfg.Bucket, ref.Key, ref.UploadID))
	}
	if errors.Is(err, filestore.ErrNoSuchUpload) {
		return nil
	}
	return err
}

// ListUploads implements filestore.Lifecycle.
func (s *store) ListUploads(ctx context.Context, prefix string, yield func(filestore.Upload) bool) error {
	var at uploadsMarker
	for {
		page, err := s.core.ListMultipartUploads(ctx, s.cfg.Bucket, prefix, at.key, at.id, "", s.uploadsPage)
		if err != nil {
			return translate(ctx, opListUploads, err)
		}
		if page.Bucket == "" { // as in ListParts
			return &filestore.Error{Op: opListUploads, Kind: filestore.ErrUnavailable, Cause: errForeign}
		}
		if goOn := at.yieldNew(page.Uploads, prefix, yield); !goOn || !page.IsTruncated || len(page.Uploads) == 0 {
			return nil
		}
		if !at.advance(page.Uploads) {
			return &filestore.Error{Op: opListUploads, Kind: filestore.ErrUnavailable, Cause: fmt.Errorf("the page after key %q leads nowhere", at.key)}
		}
	}
}

// uploadsMarker is how far the open uploads have been listed.
//
// It pages by key alone. Paging by key and upload id, as S3 has it, is broken in versitygw (400);
// and by key alone, the uploads of the last key of a page would be lost where they go on in the
// next. So the next page begins behind the key before it, and those seen are skipped.
type uploadsMarker struct {
	key, id string
	seen    map[string]bool // upload ids of the last page
}

// yieldNew yields the uploads of a page that were not in the one before, and reports whether to go
// on.
func (m *uploadsMarker) yieldNew(page []minio.ObjectMultipartInfo, prefix string, yield func(filestore.Upload) bool) bool {
	for _, u := range page {
		if m.seen[u.UploadID] || !strings.HasPrefix(u.Key, prefix) {
			continue
		}
		if !yield(filestore.Upload{UploadRef: filestore.UploadRef{Key: u.Key, UploadID: u.UploadID}, Initiated: u.Initiated}) {
			return false
		}
	}
	return true
}

// advance moves to the key before the last one of the page. A page that is full of one key leaves
// nothing but to page by its last upload id. It reports whether there was a way on.
func (m *uploadsMarker) advance(page []minio.ObjectMultipartInfo) bool {
	m.seen = make(map[string]bool, len(page))
	for _, u := range page {
		m.seen[u.UploadID] = true
	}
	last := page[len(page)-1]
	key, id := last.Key, last.UploadID
	for _, u := range slices.Backward(page) {
		if u.Key != last.Key {
			key, id = u.Key, ""
			break
		}
	}
	moved := key != m.key || id != m.id
	m.key, m.id = key, id
	return moved
}

func trimETag(etag string) string { return strings.Trim(etag, `"`) }
