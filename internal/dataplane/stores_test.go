package dataplane_test

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/memory"
)

// cutAfter is how many bytes cutting gives of an object before it fails.
const cutAfter = 300 << 10

// cutting ends every read of an object with an error.
type cutting struct{ *memory.Store }

func (c cutting) Open(ctx context.Context, seen filestore.Object, rng filestore.ByteRange) (io.ReadCloser, error) {
	body, err := c.Store.Open(ctx, seen, rng)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.MultiReader(io.LimitReader(body, cutAfter), failing{}), body}, nil
}

type failing struct{}

func (failing) Read([]byte) (int, error) {
	return 0, errors.Join(io.ErrUnexpectedEOF, filestore.ErrUnavailable)
}

// sink takes parts at any speed and forgets them, so that what the data plane holds of them can be
// seen.
type sink struct {
	*memory.Store
	// pause is made between two reads, so that parts are in flight together.
	pause time.Duration
}

func (s sink) PutPart(_ context.Context, _ filestore.UploadRef, number int32, body io.Reader, size int64) (filestore.Part, error) {
	buffer := make([]byte, 256<<10)
	var n int64
	for n < size {
		time.Sleep(s.pause)
		k, err := body.Read(buffer)
		if n += int64(k); err != nil && n < size {
			return filestore.Part{}, errors.Join(filestore.ErrIncompleteBody, err)
		}
	}
	return filestore.Part{Number: number, Size: size, ETag: "x"}, nil
}
