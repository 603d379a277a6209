package s3

import (
	"context"
	"crypto/rand"
	"errors"
	"strconv"
	"strings"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

// The lengths of keys, and of what stands between two slashes, that are tried, the greatest first.
// Swift needs 55 bytes of a key for the id of the upload and the number of a part, which has up to
// five digits; a file system takes 255 bytes of a name.
var (
	keyLengths     = []int{maxKeyBytes, 969, 896, 768, 512}
	segmentLengths = []int{256, 255, 200, 128}
)

// plainSegment is shorter than every limit of a segment that is tried.
const plainSegment = 100

// findKeyLimits finds which keys the backend cannot hold, of those that S3 takes; nil for none.
func (p *probe) findKeyLimits(ctx context.Context) (*v1alpha1.FileStoreKeyLimits, error) {
	var limits v1alpha1.FileStoreKeyLimits
	total, err := p.longest(ctx, keyLengths, func(n int) string { return longKey(p.key, n) })
	if err != nil {
		return nil, err
	}
	if total < keyLengths[0] {
		limits.MaxBytes = new(int32(total)) //nolint:gosec // one of keyLengths
	}
	segment, err := p.longest(ctx, segmentLengths, func(n int) string { return segmentKey(p.key, n) })
	if err != nil {
		return nil, err
	}
	if segment < segmentLengths[0] {
		limits.MaxSegmentBytes = new(int32(segment)) //nolint:gosec // one of segmentLengths
	}
	folds, err := p.foldsBackslash(ctx)
	if err != nil {
		return nil, err
	}
	if folds {
		limits.BackslashIsSlash = &folds
	}
	if limits == (v1alpha1.FileStoreKeyLimits{}) {
		return nil, nil //nolint:nilnil // no limits
	}
	return &limits, nil
}

// ProbeKeys are the keys of uploads that a probe opens whose object has this key. They follow from
// it, so that a later probe finds what one that died has left, also where uploads are listed by
// whole key only.
func ProbeKeys(key string) []string {
	keys := []string{key, plainKey(key)}
	for _, n := range keyLengths {
		keys = append(keys, longKey(key, n))
	}
	for _, n := range segmentLengths {
		keys = append(keys, segmentKey(key, n))
	}
	return keys
}

func segmentKey(key string, n int) string {
	return key + "-segment" + strconv.Itoa(n) + "/" + strings.Repeat("s", n)
}

// longKey is a key of n bytes, or of a few more where the prefix is long.
func longKey(key string, n int) string {
	key += "-" + strconv.Itoa(n)
	for left := n - len(key); left > 1; left = n - len(key) {
		key += "/" + strings.Repeat("k", min(plainSegment, left-1))
	}
	return key + strings.Repeat("k", max(0, n-len(key)))
}

// longest is the first of the lengths with a key of which an upload can be completed; the last of
// them is not tried.
func (p *probe) longest(ctx context.Context, lengths []int, key func(int) string) (int, error) {
	last := len(lengths) - 1
	for _, n := range lengths[:last] {
		made := key(n)
		holds, err := p.holds(ctx, made)
		if err == nil && !holds { // once more: a passing fault must not look like a limit
			holds, err = p.holds(ctx, made)
		}
		if err != nil || holds {
			return n, err
		}
	}
	return lengths[last], nil
}

// holds reports whether an upload of this key can be completed. Backends say No to one that they
// cannot hold with all kinds of errors, also with such as are to pass.
func (p *probe) holds(ctx context.Context, key string) (bool, error) {
	if len(key) > maxKeyBytes {
		return false, nil
	}
	err := p.completeAt(ctx, key)
	var e *filestore.Error
	switch {
	case err == nil:
		return true, p.DeleteObject(ctx, key)
	case filestore.Terminal(err):
		return false, nil
	case !errors.As(err, &e) || e.Status == 0 || key == plainKey(p.key):
		return false, err
	}
	_, err = p.holds(ctx, plainKey(p.key)) // fails if it is not the key
	return false, err
}

// plainKey is one that every backend holds.
func plainKey(key string) string { return key + "-plain" }

// completeAt opens and completes an upload of one small part.
func (p *probe) completeAt(ctx context.Context, key string) error {
	ref, err := p.create(ctx, key)
	if err != nil {
		return err
	}
	part, err := p.PutPart(ctx, ref, 1, strings.NewReader(probeContent), int64(len(probeContent)))
	if err == nil {
		_, err = p.CompleteUpload(ctx, ref, []filestore.Part{part}, filestore.Condition{})
	}
	if err == nil || p.assembled(ctx, key, part.Size, err) {
		return nil
	}
	abortErr := p.AbortUpload(ctx, ref)
	p.loose[key] = p.loose[key] || abortErr != nil
	return errors.Join(err, abortErr)
}

// assembled reports whether an upload was completed although the answer was none that can be read:
// Ceph's is now and then no XML.
func (p *probe) assembled(ctx context.Context, key string, size int64, err error) bool {
	if _, answered := filestore.Answered(err); answered || filestore.Terminal(err) {
		return false
	}
	object, err := p.Stat(ctx, key)
	return err == nil && object.Size == size
}

// foldsBackslash reports whether a backslash in a key is a slash to the backend: two files would be
// one.
func (p *probe) foldsBackslash(ctx context.Context) (bool, error) {
	base := p.key + "-" + rand.Text()
	_, err := p.PutObject(ctx, base+`\x`, strings.NewReader(probeContent), int64(len(probeContent)), probeOptions, filestore.Condition{})
	if filestore.Terminal(err) {
		return true, nil // one that cannot hold it is to be asked for none, either
	}
	if err != nil {
		return false, err
	}
	_, err = p.Stat(ctx, base+"/x")
	folds := err == nil
	if errors.Is(err, filestore.ErrNotFound) {
		err = nil
	}
	return folds, errors.Join(err, p.DeleteObject(ctx, base+`\x`))
}
