package s3

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/minio/minio-go/v7"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

// PutPart implements filestore.PartWriter.
func (s *store) PutPart(ctx context.Context, ref filestore.UploadRef, number int32, body io.Reader, size int64) (filestore.Part, error) {
	mode, core, err := s.sending(opPut, size)
	if err != nil {
		return filestore.Part{}, err
	}
	if err := checkRef(opPut, ref); err != nil {
		return filestore.Part{}, err
	}
	if number < 1 || number > maxPartNumber {
		return filestore.Part{}, &filestore.Error{Op: opPut, Kind: filestore.ErrRejected, Cause: fmt.Errorf("part number %d is not in 1..%d", number, maxPartNumber)}
	}
	borrowed := borrow(body, size)
	framed, length, opts := mode.frame(borrowed, size)
	put, err := core.PutObjectPart(ctx, s.cfg.Bucket, ref.Key, ref.UploadID, int(number), framed, length, opts)
	if bodyErr := borrowed.release(); bodyErr != nil {
		// What the backend says of a request whose body failed is a consequence of that.
		return filestore.Part{}, &filestore.Error{Op: opPut, Kind: filestore.ErrIncompleteBody, Cause: bodyErr}
	}
	if err != nil {
		return filestore.Part{}, s.explainSigned(ctx, mode, ref, s.explainCut(ctx, ref, translate(ctx, opPut, err)))
	}
	if put.ETag == "" {
		return filestore.Part{}, &filestore.Error{Op: opPut, Kind: filestore.ErrUnavailable, Cause: errForeign}
	}
	checksum, algorithm := mode.checksum(put)
	return filestore.Part{Number: number, Size: size, ETag: put.ETag, Checksum: checksum, Algorithm: algorithm}, nil
}

// ListParts implements filestore.PartLister.
func (s *store) ListParts(ctx context.Context, ref filestore.UploadRef) ([]filestore.Part, error) {
	if err := checkRef(opListParts, ref); err != nil {
		return nil, err
	}
	mode := payloads[s.cfg.PayloadMode]
	var parts []filestore.Part
	for marker := 0; ; {
		// Always a page size: MinIO takes max-parts=0 for pages of one.
		page, err := s.core.ListObjectParts(ctx, s.cfg.Bucket, ref.Key, ref.UploadID, marker, listPageSize)
		if err != nil {
			return nil, translate(ctx, opListParts, err)
		}
		if page.UploadID == "" && page.Key == "" { // any XML decodes; an empty list would be believed
			return nil, &filestore.Error{Op: opListParts, Kind: filestore.ErrUnavailable, Cause: errForeign}
		}
		for _, p := range page.ObjectParts {
			parts = append(parts, part(mode, p))
		}
		if !page.IsTruncated {
			return onePerNumber(parts), nil
		}
		next := nextMarker(page.ObjectParts, marker)
		if next <= marker {
			return nil, &filestore.Error{Op: opListParts, Kind: filestore.ErrUnavailable, Cause: fmt.Errorf("the page after part %d leads nowhere", marker)}
		}
		marker = next
	}
}

// nextMarker is after which part the next page is asked for. The marker of the answer is left out
// of account: the number of the last part is the same, where it is right. Of that one the next page
// may hold other copies, so it is asked for again, unless the page held nothing else. A marker has
// to be the number of a part: MinIO finds nothing after another one.
func nextMarker(page []minio.ObjectPart, marker int) int {
	last, before := marker, marker
	for _, p := range page {
		switch {
		case p.PartNumber > last:
			last, before = p.PartNumber, last
		case p.PartNumber < last:
			before = max(before, p.PartNumber)
		}
	}
	if before > marker {
		return before
	}
	return last
}

// onePerNumber leaves one entry of each part number, in the order of the numbers. Some backends
// list every copy of a part that was sent more than once, in any order (SeaweedFS): copies with the
// same ETag are one, and of others the newest counts. Where two are the newest, because the
// backend's times are whole seconds, it cannot be told which was sent last: the part is Unclear.
func onePerNumber(parts []filestore.Part) []filestore.Part {
	slices.SortStableFunc(parts, func(a, b filestore.Part) int {
		return cmp.Or(cmp.Compare(a.Number, b.Number), b.Modified.Compare(a.Modified))
	})
	kept := parts[:0]
	for i := 0; i < len(parts); {
		newest, same := parts[i], true
		for i++; i < len(parts) && parts[i].Number == newest.Number; i++ {
			same = same && (parts[i].ETag == newest.ETag || !parts[i].Modified.Equal(newest.Modified))
		}
		if !same {
			newest = filestore.Part{Number: newest.Number, Unclear: true}
		}
		kept = append(kept, newest)
	}
	return kept
}

func part(mode payload, p minio.ObjectPart) filestore.Part {
	checksum, algorithm := mode.checksum(p)
	return filestore.Part{
		Number:    int32(p.PartNumber), //nolint:gosec // S3 numbers parts 1..10000
		Size:      p.Size,
		ETag:      trimETag(p.ETag),
		Checksum:  checksum,
		Algorithm: algorithm,
		Modified:  p.LastModified,
	}
}
