package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/encrypt"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

// PutObject implements filestore.ObjectWriter.
func (s *store) PutObject(ctx context.Context, key string, body io.Reader, size int64, opts filestore.CreateUploadOptions, cond filestore.Condition) (filestore.Object, error) {
	mode, core, err := s.sending(opPutObject, size)
	if err != nil {
		return filestore.Object{}, err
	}
	if err := checkKey(opPutObject, key); err != nil {
		return filestore.Object{}, err
	}
	borrowed := borrow(body, size)
	framed, length, wire := mode.frame(borrowed, size)
	// S3 knows the framing by X-Amz-Content-Sha256. Of an object, unlike of a part, some backends
	// keep this header for good, and clients that do not know the encoding refuse to read it
	// (versitygw#2398, noobaa-core#9138).
	wire.CustomHeader.Del("Content-Encoding")
	put := storedWith(opts)
	put.UserMetadata = userMetadata(opts.Metadata)
	put.ServerSideEncryption, put.DisableContentSha256 = s.demand(&put, cond, wire.CustomHeader), wire.DisableContentSha256
	info, err := core.PutObject(ctx, s.cfg.Bucket, key, framed, length, "", wire.Sha256Hex, put)
	if bodyErr := borrowed.release(); bodyErr != nil {
		// As in PutPart: what the backend says is a consequence of that.
		return filestore.Object{}, &filestore.Error{Op: opPutObject, Kind: filestore.ErrIncompleteBody, Cause: bodyErr}
	}
	if err != nil {
		err = s.explainSigned(ctx, mode, filestore.UploadRef{Key: key}, translate(ctx, opPutObject, err))
		return filestore.Object{}, s.explainKey(ctx, key, s.explainRace(ctx, key, opts.Metadata, cond, err))
	}
	if info.ETag == "" {
		return filestore.Object{}, &filestore.Error{Op: opPutObject, Kind: filestore.ErrUnavailable, Cause: errForeign}
	}
	return filestore.Object{Key: key, Size: size, ETag: info.ETag, Checksum: checksumOf(info.ChecksumMode, info.ChecksumCRC64NVME, info.ChecksumCRC32C)}, nil
}

// DeleteObject implements filestore.ObjectWriter.
func (s *store) DeleteObject(ctx context.Context, key string) error {
	if err := checkKey(opDelete, key); err != nil {
		return err
	}
	err := translate(ctx, opDelete, s.core.RemoveObject(ctx, s.cfg.Bucket, key, minio.RemoveObjectOptions{}))
	if errors.Is(err, filestore.ErrNotFound) {
		return nil
	}
	return err
}

// sending is how a body is sent in one request: in which mode, and by which client.
func (s *store) sending(op string, size int64) (payload, *minio.Core, error) {
	mode, ok := payloads[s.cfg.PayloadMode]
	if !ok {
		return payload{}, nil, &filestore.Error{Op: op, Kind: filestore.ErrUnavailable, Cause: errors.New("the store has not been probed yet")}
	}
	if size < 0 || size > maxPartBytes {
		cause := fmt.Errorf("the body has %d bytes, S3 takes 0..%d in one request", size, int64(maxPartBytes))
		return payload{}, nil, &filestore.Error{Op: op, Kind: filestore.ErrPartSize, Cause: cause}
	}
	if mode.signed {
		return mode, s.parts, nil
	}
	return mode, s.core, nil
}

// storedWith are the headers, but for user metadata, that an object is stored with.
func storedWith(opts filestore.CreateUploadOptions) minio.PutObjectOptions {
	return minio.PutObjectOptions{
		ContentType: opts.ContentType, ContentEncoding: opts.ContentEncoding, ContentLanguage: opts.ContentLanguage,
		ContentDisposition: opts.ContentDisposition, CacheControl: opts.CacheControl,
	}
}

// userMetadata makes the headers of user metadata. The prefix keeps minio-go from taking a name
// such as "expires" for the header of that name.
func userMetadata(metadata map[string]string) map[string]string {
	headers := make(map[string]string, len(metadata))
	for name, value := range metadata {
		headers["x-amz-meta-"+name] = value
	}
	return headers
}

// demand makes a PutObject depend on cond, and returns the headers that go with it beside extra.
func (s *store) demand(opts *minio.PutObjectOptions, cond filestore.Condition, extra http.Header) extraHeaders {
	if cond.ETag == "" || !s.cfg.BareETags {
		demand(opts, cond)
		return extraHeaders(extra)
	}
	headers := maps.Clone(extra)
	if headers == nil {
		headers = http.Header{}
	}
	headers.Set("If-Match", cond.ETag)
	return extraHeaders(headers)
}

// demand makes a request depend on cond.
func demand(opts *minio.PutObjectOptions, cond filestore.Condition) {
	switch {
	case cond.Absent:
		opts.SetMatchETagExcept("*")
	case cond.ETag != "":
		opts.SetMatchETag(cond.ETag)
	}
}

// extraHeaders are headers of a PutObject that minio-go has no option for, such as those of the
// framing. An encrypt.ServerSide may add any before the request is signed, so it is signed once,
// like a part.
type extraHeaders http.Header

// Type implements encrypt.ServerSide.
func (extraHeaders) Type() encrypt.Type { return "" }

// Marshal implements encrypt.ServerSide.
func (h extraHeaders) Marshal(to http.Header) { maps.Copy(to, http.Header(h)) }
