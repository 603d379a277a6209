package iotfile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/minio/crc64nvme"
)

// pin makes a request one for bytes [from, to) of a certain version.
func pin(h http.Header, f *File, from, to int64) {
	h.Set("Range", fmt.Sprintf("bytes=%d-%d", from, to-1))
	h.Set("If-Match", tagOf(f))
}

// tagOf is what reads are pinned by.
func tagOf(f *File) string {
	if f.Tag != "" {
		return f.Tag
	}
	return strconv.FormatInt(f.Version, 10)
}

// checkRange reports whether an answer is for the range that was asked for.
func checkRange(res *http.Response, f *File, from, to int64) error {
	want := fmt.Sprintf("bytes %d-%d/%d", from, to-1, f.Size)
	if got := res.Header.Get("Content-Range"); res.StatusCode != http.StatusPartialContent || got != want {
		return &localError{fmt.Errorf("asked for %q, the server has answered %s with %q", want, res.Status, got)}
	}
	return nil
}

// cut is the error of an answer that has ended early.
func cut(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Reader reads one version of a file. It is an io.ReadSeekCloser, for one goroutine at a time.
type Reader struct {
	call   *call
	ctx    context.Context // of all reads
	cancel context.CancelFunc
	file   *File
	offset int64
	// body is at offset; nil before the first read and after a seek.
	body io.ReadCloser
	// summed is how many bytes were read without a gap from the beginning, and crc theirs.
	summed int64
	crc    uint64
	closed bool
}

// Open opens the file at path, ENTITY/PATH, for reading. All reads are of the version that it has
// now. ctx bounds the life of the Reader, and the caller closes it. The error is ErrNotFound where
// there is no file.
func (c *Client) Open(ctx context.Context, path string) (*Reader, error) {
	if err := checkPath(path); err != nil {
		return nil, err
	}
	s := c.begin(path, 1)
	f, err := s.stat(ctx)
	if err != nil {
		s.end()
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	return &Reader{call: s, ctx: ctx, cancel: cancel, file: f}, nil
}

// Stat tells of the version that is read.
func (r *Reader) Stat() *File { return r.file }

// Read implements io.Reader. A connection that breaks is replaced by another one, unless there are
// too many in a row. Whoever reads all from the beginning to the end has it compared with the
// file's checksum, and gets ErrChecksum in the place of io.EOF where it differs. The error is
// ErrConflict if the file was replaced and a new connection is needed.
func (r *Reader) Read(p []byte) (int, error) {
	switch {
	case r.closed:
		return 0, errClosed
	case r.offset >= r.file.Size:
		return 0, r.atEnd()
	case len(p) == 0:
		return 0, nil
	}
	for n := 1; ; n++ {
		count, err := r.readOnce(p[:min(int64(len(p)), r.file.Size-r.offset)])
		var refused *Error // which took attempts of its own
		if count > 0 || errors.As(err, &refused) {
			return count, err
		}
		r.drop()
		if !canceled(r.ctx) && n < r.call.options.Attempts {
			err = cmp.Or(pause(r.ctx, backoff(n)), err)
		}
		if canceled(r.ctx) || n >= r.call.options.Attempts {
			return 0, r.call.failure(r.ctx, &request{op: "read"}, n, err)
		}
	}
}

// readOnce reads at least one byte of the connection, or fails.
func (r *Reader) readOnce(p []byte) (int, error) {
	if r.body == nil {
		if err := r.reopen(); err != nil {
			return 0, err
		}
	}
	n, err := io.ReadAtLeast(r.body, p, 1)
	if n == 0 {
		return 0, cut(err)
	}
	r.took(p[:n])
	return n, nil // an error comes back with the next read
}

// reopen asks for the rest of the file.
func (r *Reader) reopen() error {
	from, to := r.offset, r.file.Size
	_, err := r.call.do(r.ctx, &request{
		op: "read", method: http.MethodGet, address: fileAddress(r.call.path), keep: true,
		prepare: func(h http.Header) { pin(h, r.file, from, to) },
		read: func(res *http.Response) error {
			if err := checkRange(res, r.file, from, to); err != nil {
				return err
			}
			r.body = res.Body
			return nil
		},
	})
	return err
}

// took notes bytes that were read.
func (r *Reader) took(p []byte) {
	if r.summed == r.offset {
		r.crc = crc64nvme.Update(r.crc, p)
		r.summed += int64(len(p))
	}
	r.offset += int64(len(p))
}

// atEnd is what a read at the end of the file gets.
func (r *Reader) atEnd() error {
	sum := r.file.crc64()
	if r.offset == r.file.Size && r.summed == r.file.Size && sum != "" && sum != encodeCRC(r.crc) {
		return invalid(ErrChecksum, r.file.Path, "the bytes that were read have the CRC64NVME "+encodeCRC(r.crc)+", and the file "+sum)
	}
	return io.EOF
}

// Seek implements io.Seeker. It sends nothing.
func (r *Reader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += r.offset
	case io.SeekEnd:
		offset += r.file.Size
	default:
		return r.offset, invalid(ErrInvalid, r.file.Path, "seek from "+strconv.Itoa(whence))
	}
	switch {
	case r.closed:
		return 0, errClosed
	case offset < 0:
		return r.offset, invalid(ErrInvalid, r.file.Path, "seek to before the beginning")
	case offset != r.offset:
		r.drop()
		r.offset = offset
	}
	if offset == 0 {
		r.summed, r.crc = 0, 0
	}
	return offset, nil
}

func (r *Reader) drop() {
	if r.body != nil {
		_ = r.body.Close()
		r.body = nil
	}
}

var errClosed = errors.New("iotfile: the Reader is closed")

// Close implements io.Closer. It ends the connection, and may be called again.
func (r *Reader) Close() error {
	if !r.closed {
		r.closed = true
		r.drop()
		r.cancel()
		r.call.end()
	}
	return nil
}
