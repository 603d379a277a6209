package s3

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/minio/minio-go/v7"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

// ListObjects implements filestore.ObjectLister.
func (s *store) ListObjects(ctx context.Context, prefix, after string, yield func(filestore.Object) bool) error {
	if !utf8.ValidString(prefix) || !utf8.ValidString(after) {
		return &filestore.Error{Op: opListObjects, Kind: filestore.ErrInvalidKey, Cause: errors.New("the prefix or the key to begin after is not valid UTF-8")}
	}
	noOwner := false
	opts := minio.ListObjectsOptions{
		Prefix: prefix, StartAfter: after, Recursive: true, MaxKeys: listPageSize, FetchOwner: &noOwner, WithMetadata: s.cfg.ListingMetadata,
	}
	last := after
	for o := range s.core.ListObjectsIter(ctx, s.cfg.Bucket, opts) {
		if o.Err != nil {
			return translate(ctx, opListObjects, o.Err)
		}
		if o.Key <= last && last != "" {
			// Callers go on behind the last key that they have seen: what comes before it then would be lost without a word, and a
			// backend that turns in circles would keep them for ever.
			cause := fmt.Errorf("the listing is not in order: %q came after %q", o.Key, last)
			return &filestore.Error{Op: opListObjects, Kind: filestore.ErrUnavailable, Cause: cause}
		}
		last = o.Key
		if !yield(s.listed(o)) {
			return nil
		}
	}
	// minio-go ends the listing without a word when the context is over.
	return translate(ctx, opListObjects, ctx.Err())
}

func (s *store) listed(o minio.ObjectInfo) filestore.Object {
	object := filestore.Object{Key: o.Key, Size: o.Size, ETag: o.ETag, Modified: o.LastModified}
	if !s.cfg.ListingMetadata {
		return object
	}
	object.Metadata = make(map[string]string, len(o.UserMetadataStripped))
	for name, value := range o.UserMetadataStripped {
		object.Metadata[strings.ToLower(name)] = value
	}
	for name, value := range o.UserMetadata {
		if strings.EqualFold(name, "Content-Type") {
			object.ContentType = value
		}
	}
	return object
}
