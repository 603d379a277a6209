package memory

import (
	"context"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

// PutObject implements filestore.ObjectWriter. Unlike a real backend it keeps the bytes in memory.
func (s *Store) PutObject(ctx context.Context, key string, body io.Reader, size int64, opts filestore.CreateUploadOptions, cond filestore.Condition) (filestore.Object, error) {
	leave, err := s.enter(ctx, PutObject, key)
	if err != nil {
		return filestore.Object{}, err
	}
	if err := checkKey(PutObject, key); err != nil {
		return filestore.Object{}, err
	}
	if size < 0 || size > maxPartBytes {
		return filestore.Object{}, fault(PutObject, filestore.ErrPartSize, "%d bytes", size)
	}
	content, err := readBody(ctx, PutObject, body, size)
	if err != nil {
		return filestore.Object{}, err
	}
	done, err := s.putObject(key, content, opts, cond)
	if err := leave(err); err != nil {
		return filestore.Object{}, err
	}
	return done, nil
}

func (s *Store) putObject(key string, content []byte, opts filestore.CreateUploadOptions, cond filestore.Condition) (filestore.Object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.checkCondition(PutObject, key, cond); err != nil {
		return filestore.Object{}, err
	}
	o := s.newObject(key, content, etagOf(content), opts)
	s.objects[key] = o
	return filestore.Object{Key: key, Size: o.Size, ETag: o.ETag, Checksum: o.Checksum}, nil
}

// newObject is an object that is stored now.
func (s *Store) newObject(key string, content []byte, etag string, opts filestore.CreateUploadOptions) object {
	return object{content: content, Object: filestore.Object{
		Key: key, Size: int64(len(content)), ETag: etag, Modified: s.opts.Now(), ContentType: opts.ContentType,
		ContentHeaders: opts.ContentHeaders, Metadata: cloneMetadata(opts.Metadata), Checksum: "crc64nvme:" + checksum(content),
	}}
}

// DeleteObject implements filestore.ObjectWriter.
func (s *Store) DeleteObject(ctx context.Context, key string) error {
	leave, err := s.enter(ctx, DeleteObject, key)
	if err != nil {
		return err
	}
	if err := checkKey(DeleteObject, key); err != nil {
		return err
	}
	s.LoseObject(key)
	return leave(nil)
}

// ListObjects implements filestore.ObjectLister.
func (s *Store) ListObjects(ctx context.Context, prefix, after string, yield func(filestore.Object) bool) error {
	leave, err := s.enter(ctx, ListObjects, prefix)
	if err != nil {
		return err
	}
	if !utf8.ValidString(prefix) || !utf8.ValidString(after) {
		return fault(ListObjects, filestore.ErrInvalidKey, "not valid UTF-8")
	}
	for _, o := range s.listedObjects(prefix, after) {
		if ctx.Err() != nil {
			return ended(ctx, ListObjects)
		}
		if !yield(o) {
			break
		}
	}
	return leave(nil)
}

// listedObjects are the objects of a listing as they are now, so that yield can use the Store.
func (s *Store) listedObjects(prefix, after string) []filestore.Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	metadata := s.opts.Capabilities.ListingMetadata
	var list []filestore.Object
	for key, o := range s.objects {
		if !strings.HasPrefix(key, prefix) || key <= after {
			continue
		}
		listed := filestore.Object{Key: key, Size: o.Size, ETag: o.ETag, Modified: o.Modified}
		if metadata != nil && *metadata {
			listed.Metadata, listed.ContentType = maps.Clone(o.Metadata), o.ContentType
		}
		list = append(list, listed)
	}
	slices.SortFunc(list, func(a, b filestore.Object) int { return strings.Compare(a.Key, b.Key) })
	return list
}
