package s3

import (
	"context"
	"encoding/xml"
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
	l := &listing{store: s, prefix: prefix, last: after, metadata: s.cfg.ListingMetadata, yield: yield}
	err := l.run(ctx)
	var syntax *xml.SyntaxError
	if l.metadata && errors.As(err, &syntax) {
		// MinIO makes XML elements of the names of metadata. Of names that others may give to
		// theirs, such as "a!b", that makes a page that nobody can read.
		l.metadata = false
		err = l.run(ctx)
	}
	return err
}

// listing is a call of ListObjects.
type listing struct {
	store    *store
	prefix   string
	metadata bool
	yield    func(filestore.Object) bool
	// last is the key to go on behind. garbled counts what came after it and says nothing of the
	// order.
	last    string
	garbled int
}

func (l *listing) run(ctx context.Context) error {
	noOwner := false
	opts := minio.ListObjectsOptions{
		Prefix: l.prefix, StartAfter: l.last, Recursive: true, MaxKeys: listPageSize, FetchOwner: &noOwner, WithMetadata: l.metadata,
	}
	for o := range l.store.core.ListObjectsIter(ctx, l.store.cfg.Bucket, opts) {
		if o.Err != nil {
			return translate(ctx, opListObjects, o.Err)
		}
		if err := l.follow(o.Key); err != nil {
			return err
		}
		if !l.yield(listed(o, l.metadata)) {
			return nil
		}
	}
	// minio-go ends the listing without a word when the context is over.
	return translate(ctx, opListObjects, ctx.Err())
}

// follow checks that the key comes after those before it. Callers go on behind the last key that
// they have seen: what comes before it then would be lost without a word, and a backend that turns
// in circles would keep them for ever.
func (l *listing) follow(key string) error {
	switch {
	case strings.ContainsRune(key, utf8.RuneError) && l.garbled < listPageSize:
		// What XML cannot hold some backends replace by U+FFFD, as versitygw does. That key is not
		// the object's, and stands where the object's does.
		l.garbled++
		return nil
	case key <= l.last && l.last != "":
		cause := fmt.Errorf("the listing is not in order: %q came after %q", key, l.last)
		return &filestore.Error{Op: opListObjects, Kind: filestore.ErrUnavailable, Cause: cause}
	}
	l.last, l.garbled = key, 0
	return nil
}

func listed(o minio.ObjectInfo, metadata bool) filestore.Object {
	object := filestore.Object{Key: o.Key, Size: o.Size, ETag: o.ETag, Modified: o.LastModified}
	if !metadata {
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
