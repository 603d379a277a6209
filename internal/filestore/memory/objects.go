package memory

import (
	"context"
	"io"
	"maps"
	"strings"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

// Stat implements filestore.Reader.
func (s *Store) Stat(ctx context.Context, key string) (filestore.Object, error) {
	leave, err := s.enter(ctx, Stat, key)
	if err != nil {
		return filestore.Object{}, err
	}
	o, err := s.object(Stat, key)
	if between := s.tear(key); between != nil && err == nil {
		between()
		if now, gone := s.object(Stat, key); gone == nil {
			o.ETag, o.Checksum = now.ETag, now.Checksum
		}
	}
	if err := leave(err); err != nil {
		return filestore.Object{}, err
	}
	o.Metadata = maps.Clone(o.Metadata)
	return o.Object, nil
}

func (s *Store) object(op Operation, key string) (object, error) {
	if err := checkKey(op, key); err != nil {
		return object{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.objects[key]
	if !ok {
		return object{}, fault(op, filestore.ErrNotFound, "%s", key)
	}
	return o, nil
}

// Open implements filestore.Reader.
func (s *Store) Open(ctx context.Context, seen filestore.Object, rng filestore.ByteRange) (io.ReadCloser, error) {
	leave, err := s.enter(ctx, Open, seen.Key)
	if err != nil {
		return nil, err
	}
	content, err := s.cut(seen, rng)
	if err := leave(err); err != nil {
		return nil, err
	}
	return &reader{ctx: ctx, rest: content}, nil
}

// reader gives the bytes of an object until the context of the call is over.
type reader struct {
	ctx  context.Context //nolint:containedctx // of the call that the reader belongs to
	rest []byte
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, ended(r.ctx, Open)
	}
	if len(r.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// Close implements io.Closer.
func (r *reader) Close() error {
	r.rest = nil
	return nil
}

func (s *Store) cut(seen filestore.Object, rng filestore.ByteRange) ([]byte, error) {
	o, err := s.object(Open, seen.Key)
	if err != nil {
		return nil, err
	}
	if seen.ETag != "" && !filestore.Same(seen, o.Object) {
		return nil, fault(Open, filestore.ErrPrecondition, "it is another object, with ETag %s", o.ETag)
	}
	whole := rng.Offset == 0 && rng.Length <= 0
	if rng.Offset < 0 || rng.Offset > o.Size || rng.Offset == o.Size && rng.Length != 0 && !whole {
		return nil, fault(Open, filestore.ErrRange, "offset %d of %d bytes", rng.Offset, o.Size)
	}
	content := o.content[rng.Offset:]
	if rng.Length >= 0 && rng.Length < int64(len(content)) {
		content = content[:rng.Length]
	}
	return content, nil
}

// Claim implements filestore.Prober. The store has no prefix.
func (s *Store) Claim(ctx context.Context, id string) (string, error) {
	return filestore.Claim(ctx, filestore.ClaimKey, id, s.Stat, func(metadata map[string]string) error {
		content := strings.NewReader(filestore.ClaimContent)
		_, err := s.PutObject(ctx, filestore.ClaimKey, content, content.Size(), filestore.CreateUploadOptions{Metadata: metadata}, filestore.Condition{Absent: true})
		return err
	})
}

// Probe implements filestore.Prober.
func (s *Store) Probe(ctx context.Context) (v1alpha1.FileStoreCapabilities, error) {
	leave, err := s.enter(ctx, Probe, "")
	if err != nil {
		return v1alpha1.FileStoreCapabilities{}, err
	}
	if err := leave(nil); err != nil {
		return v1alpha1.FileStoreCapabilities{}, err
	}
	return *s.opts.Capabilities.DeepCopy(), nil
}
