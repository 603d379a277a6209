package memory

import (
	"context"
	"crypto/md5" //nolint:gosec // ETags are MD5 sums
	"encoding/hex"
	"fmt"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

// CompleteUpload implements filestore.Lifecycle.
func (s *Store) CompleteUpload(ctx context.Context, ref filestore.UploadRef, parts []filestore.Part, cond filestore.Condition) (filestore.Object, error) {
	if s.opts.PartsVanish {
		s.setUnlisted(ref, true)
		defer s.setUnlisted(ref, false)
	}
	leave, err := s.enter(ctx, CompleteUpload, ref.Key)
	if err != nil {
		return filestore.Object{}, err
	}
	done, err := s.complete(ref, parts, cond)
	if err := leave(err); err != nil {
		return filestore.Object{}, err
	}
	done.Metadata = nil
	return done, nil
}

func (s *Store) setUnlisted(ref filestore.UploadRef, unlisted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u := s.uploads[ref]; u != nil {
		u.unlisted = unlisted
	}
}

func (s *Store) complete(ref filestore.UploadRef, parts []filestore.Part, cond filestore.Condition) (filestore.Object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.uploads[ref]
	if u == nil {
		if done, ok := s.finished[ref]; ok && s.opts.RepeatedComplete {
			return done, nil
		}
		return filestore.Object{}, fault(CompleteUpload, filestore.ErrNoSuchUpload, "%s", ref.UploadID)
	}
	if err := s.checkCondition(CompleteUpload, ref.Key, cond); err != nil {
		return filestore.Object{}, err
	}
	content, etag, err := s.assemble(u, parts)
	if err != nil {
		return filestore.Object{}, err
	}
	o := s.newObject(ref.Key, content, etag, u.opts)
	s.objects[ref.Key] = o
	delete(s.uploads, ref)
	s.finished[ref] = o.Object
	return o.Object, nil
}

func (s *Store) checkCondition(op Operation, key string, cond filestore.Condition) error {
	there, exists := s.objects[key]
	switch {
	case cond.Absent && exists:
		return fault(op, filestore.ErrPrecondition, "the object exists")
	case cond.ETag != "" && !exists:
		return fault(op, filestore.ErrPrecondition, "the object does not exist")
	case cond.ETag != "" && there.ETag != cond.ETag:
		return fault(op, filestore.ErrPrecondition, "the object has ETag %s", there.ETag)
	}
	return nil
}

// assemble joins the parts, and gives the ETag that S3 would: the MD5 sum of those of the parts,
// and their number.
func (s *Store) assemble(u *upload, parts []filestore.Part) (content []byte, etag string, err error) {
	if len(parts) == 0 {
		return nil, "", fault(CompleteUpload, filestore.ErrInvalidParts, "no part")
	}
	sums := md5.New() //nolint:gosec // as above
	var before int32
	for i, want := range parts {
		have, ok := u.parts[want.Number]
		switch {
		case want.Number <= before:
			return nil, "", fault(CompleteUpload, filestore.ErrInvalidParts, "part %d after part %d", want.Number, before)
		case !ok || have.ETag != want.ETag:
			return nil, "", fault(CompleteUpload, filestore.ErrInvalidParts, "part %d is not there or another one", want.Number)
		case i < len(parts)-1 && have.Size < s.opts.MinPartSize:
			return nil, "", fault(CompleteUpload, filestore.ErrInvalidParts, "part %d is too small", want.Number)
		}
		before = want.Number
		content = append(content, have.content...)
		sum := md5.Sum(have.content) //nolint:gosec // as above
		sums.Write(sum[:])
	}
	return content, fmt.Sprintf("%s-%d", hex.EncodeToString(sums.Sum(nil)), len(parts)), nil
}
