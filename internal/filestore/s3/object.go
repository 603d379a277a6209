package s3

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/minio/minio-go/v7"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

// Stat implements filestore.Reader.
func (s *store) Stat(ctx context.Context, key string) (filestore.Object, error) {
	if err := checkKey(opHead, key); err != nil {
		return filestore.Object{}, err
	}
	info, err := s.core.StatObject(ctx, s.cfg.Bucket, key, minio.StatObjectOptions{Checksum: true})
	if err != nil {
		return filestore.Object{}, s.explain(ctx, key, translate(ctx, opHead, err))
	}
	return describe(key, info, info.Size), nil
}

// describe is what the header of an answer tells of an object.
func describe(key string, info minio.ObjectInfo, size int64) filestore.Object {
	metadata := make(map[string]string, len(info.UserMetadata))
	for name, value := range info.UserMetadata {
		metadata[strings.ToLower(name)] = value
	}
	return filestore.Object{
		Key:         key,
		Size:        size,
		ETag:        info.ETag,
		Modified:    info.LastModified,
		ContentType: info.ContentType,
		ContentHeaders: filestore.ContentHeaders{
			ContentEncoding: withoutFraming(info.Metadata.Get("Content-Encoding")), ContentLanguage: info.Metadata.Get("Content-Language"),
			ContentDisposition: info.Metadata.Get("Content-Disposition"), CacheControl: info.Metadata.Get("Cache-Control"),
		},
		Metadata: metadata,
		Checksum: checksumOf(info.ChecksumMode, info.ChecksumCRC64NVME, info.ChecksumCRC32C),
	}
}

// withoutFraming takes the framing that a body was sent in off the codings of an object. Some
// backends keep it (Ceph, versitygw), and in signed chunks it cannot be left out: minio-go signs
// it.
func withoutFraming(codings string) string {
	if !strings.Contains(codings, framing) {
		return codings
	}
	kept := slices.DeleteFunc(strings.Split(codings, ","), func(coding string) bool { return strings.TrimSpace(coding) == framing })
	return strings.TrimSpace(strings.Join(kept, ","))
}

// explain asks with GET what a HEAD has been refused for: the answer to a HEAD has no body, so no
// code to go by. A 404 can stand for a missing bucket, with versitygw for an unknown access key,
// and for something that is no object storage at all; a 400 for a wrong region or an expired token,
// with versitygw for a key that the file system cannot hold.
func (s *store) explain(ctx context.Context, key string, err error) error {
	if !errors.Is(err, filestore.ErrRejected) && !errors.Is(err, filestore.ErrNotFound) {
		return err
	}
	body, why := s.Open(ctx, filestore.Object{Key: key}, filestore.ByteRange{Length: 1})
	if why == nil { // it has come into being since
		_ = body.Close()
		return err
	}
	return why
}

// explainKey asks whether the key is why a request has failed: of a key that its file system cannot
// hold, versitygw says so of a GET, but answers a Complete with 500, which would be tried again for
// as long as the upload lives. Of a key that is the directory of others it says nothing even then:
// see beneath.
func (s *store) explainKey(ctx context.Context, key string, err error) error {
	if !errors.Is(err, filestore.ErrUnavailable) || ctx.Err() != nil {
		return err
	}
	body, why := s.Open(ctx, filestore.Object{Key: key}, filestore.ByteRange{Length: 1})
	if why == nil {
		_ = body.Close()
	}
	if errors.Is(why, filestore.ErrInvalidKey) {
		return why
	}
	if _, answered := filestore.Answered(err); answered && s.beneath(ctx, key) && !s.nests(ctx) {
		return &filestore.Error{Op: opComplete, Kind: filestore.ErrInvalidKey, Cause: fmt.Errorf("other objects are below the key: %w", err)}
	}
	return err
}

// beneath reports whether there are objects whose keys go on behind key and a slash.
func (s *store) beneath(ctx context.Context, key string) (found bool) {
	_ = s.ListObjects(ctx, key+"/", "", func(filestore.Object) bool { // if it cannot be told, nothing was found
		found = true
		return false
	})
	return found
}

// nests reports whether the backend can hold an object below the key of another one, as S3 can and
// file systems cannot. What cannot be told it can.
func (s *store) nests(ctx context.Context) bool {
	key := s.cfg.Prefix + probeDir + rand.Text()
	put := func(key string) error {
		_, err := s.PutObject(ctx, key, strings.NewReader("x"), 1, filestore.CreateUploadOptions{ContentType: "text/plain"}, filestore.Condition{})
		return err
	}
	if put(key) != nil {
		return true
	}
	below := key + "/x"
	err := put(below)
	for _, made := range []string{below, key} {
		_ = s.DeleteObject(context.WithoutCancel(ctx), made) // what stays, the sweep of a later probe removes
	}
	return !errors.Is(err, filestore.ErrInvalidKey)
}

// checksumOf gives the checksum over all bytes of an object. One over the checksums of its parts
// (COMPOSITE) is left out: nobody who has only the file can compare it.
func checksumOf(mode, crc64nvme, crc32c string) string {
	switch {
	case mode == minio.ChecksumCompositeMode.String(), strings.Contains(crc64nvme+crc32c, "-"):
		return ""
	case crc64nvme != "":
		return "crc64nvme:" + crc64nvme
	case crc32c != "":
		return "crc32c:" + crc32c
	}
	return ""
}

// Open implements filestore.Reader.
func (s *store) Open(ctx context.Context, seen filestore.Object, rng filestore.ByteRange) (io.ReadCloser, error) {
	if err := checkKey(opGet, seen.Key); err != nil {
		return nil, err
	}
	if rng.Offset < 0 {
		return nil, &filestore.Error{Op: opGet, Kind: filestore.ErrRange, Cause: fmt.Errorf("negative offset %d", rng.Offset)}
	}
	if rng.Length == 0 {
		return s.openNothing(ctx, seen, rng.Offset)
	}
	body, info, header, err := s.core.GetObject(ctx, s.cfg.Bucket, seen.Key, openOptions(seen, rng))
	if err != nil {
		err = translate(ctx, opGet, err)
		if errors.Is(err, filestore.ErrRange) && rng.Offset < seen.Size {
			err = &filestore.Error{Op: opGet, Kind: filestore.ErrPrecondition, Cause: err} // of one that is shorter
		}
		return nil, err
	}
	size := info.Size
	if rng.Offset > 0 || rng.Length > 0 {
		size, err = sizeIn(header.Get("Content-Range"))
	}
	if err == nil && seen.ETag != "" && !sameBytes(seen, describe(seen.Key, info, size)) {
		err = &filestore.Error{Op: opGet, Kind: filestore.ErrPrecondition, Cause: errReplaced}
	}
	if err != nil {
		_ = body.Close()
		return nil, err
	}
	return &object{ctx: ctx, body: body, left: info.Size}, nil
}

// sameBytes reports whether an answer with bytes is of the object that was looked at. Not every
// backend gives the checksum with a range, even one that is all.
func sameBytes(seen, now filestore.Object) bool {
	return filestore.Same(seen, now) && (now.Checksum == "" || now.Checksum == seen.Checksum)
}

func openOptions(seen filestore.Object, rng filestore.ByteRange) (opts minio.GetObjectOptions) {
	if seen.ETag != "" {
		_ = opts.SetMatchETag(seen.ETag)
	}
	// Whoever asks for all of it may show its checksum beside the bytes: that of a mixed answer of
	// Stat must not pass.
	opts.Checksum = seen.Checksum != "" && rng.Offset == 0 && rng.Length >= seen.Size
	switch {
	case rng.Length > 0:
		opts.Set("Range", fmt.Sprintf("bytes=%d-%d", rng.Offset, rng.Offset+rng.Length-1))
	case rng.Offset > 0:
		opts.Set("Range", fmt.Sprintf("bytes=%d-", rng.Offset))
	}
	return opts
}

var errReplaced = errors.New("the bytes are of another object than was looked at")

// sizeIn reads the size of the whole object in a Content-Range header, such as "bytes 0-9/100".
func sizeIn(contentRange string) (int64, error) {
	_, total, _ := strings.Cut(contentRange, "/")
	size, err := strconv.ParseInt(total, 10, 64)
	if err != nil {
		return 0, &filestore.Error{Op: opGet, Kind: filestore.ErrUnavailable, Cause: fmt.Errorf("the backend ignores Range: its Content-Range is %q", contentRange)}
	}
	return size, nil
}

// openNothing reads no byte, which HTTP has no range for. The conditions hold all the same.
func (s *store) openNothing(ctx context.Context, seen filestore.Object, offset int64) (io.ReadCloser, error) {
	now, err := s.Stat(ctx, seen.Key)
	switch {
	case err != nil:
		return nil, err
	case seen.ETag != "" && !filestore.Same(seen, now):
		return nil, &filestore.Error{Op: opGet, Kind: filestore.ErrPrecondition, Cause: errReplaced}
	case offset > now.Size:
		return nil, &filestore.Error{Op: opGet, Kind: filestore.ErrRange, Cause: fmt.Errorf("offset %d of %d bytes", offset, now.Size)}
	}
	return io.NopCloser(strings.NewReader("")), nil
}

// object is the body of a stored object, which ends with an error unless it is whole.
type object struct {
	ctx  context.Context //nolint:containedctx // of the call that the body belongs to
	body io.ReadCloser
	left int64 // bytes to come by the backend's own account; negative if it gave none
}

// Read implements io.Reader.
func (o *object) Read(p []byte) (int, error) {
	n, err := o.body.Read(p)
	if o.left >= 0 {
		o.left = max(o.left-int64(n), 0)
	}
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, io.EOF) && o.left <= 0:
		return n, io.EOF
	case o.ctx.Err() == context.Canceled:
		return n, fmt.Errorf("%s: %w", opGet, canceled(o.ctx))
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("%w: %w", io.ErrUnexpectedEOF, err) // a reset, or a clean end that came too early
	}
	return n, &filestore.Error{Op: opGet, Kind: filestore.ErrUnavailable, Cause: err}
}

// Close implements io.Closer.
func (o *object) Close() error { return o.body.Close() }
