package iotfile

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/minio/crc64nvme"
)

// DownloadOptions say how a file is read.
type DownloadOptions struct {
	// PartSize is how many bytes are asked for at once; 0: 16 MiB.
	PartSize int64
	// Concurrency is how many such ranges are read at once; 0: 4.
	Concurrency int
	// Resume is what Checkpoint was last given by an earlier call with the same destination; nil:
	// all is read. It does not count if the file was replaced since.
	Resume []byte
	// Checkpoint is called after each range that was written, by one goroutine at a time, which it
	// holds up; nil: nobody. Whoever keeps it for another process syncs the destination first,
	// unless that is an io.ReaderAt.
	Checkpoint func([]byte)
	// Progress is called as bytes move, by one goroutine at a time, which it holds up; nil: nobody.
	Progress func(Progress)
}

// Download reads the file at path, ENTITY/PATH, into destination, in several ranges at once, and
// returns what it has read. All ranges are of one version. Their bytes are compared with the
// checksum of the whole file where object storage tells one ([File].Checksum is "" else). Bytes of
// destination behind the end of the file stay.
//
// With Checkpoint and Resume a call goes on where another one has ended, in any process. Where
// destination is an io.ReaderAt, as *os.File is, what it has of a range is compared with the
// checkpoint first, and read again if it differs.
//
// The error is ErrNotFound where there is no file, ErrConflict if it is replaced meanwhile, and
// ErrChecksum if the bytes are not those of the file.
func (c *Client) Download(ctx context.Context, path string, destination io.WriterAt, options *DownloadOptions) (*File, error) {
	if err := checkPath(path); err != nil {
		return nil, err
	}
	o := DownloadOptions{}
	if options != nil {
		o = *options
	}
	if o.PartSize < 0 || o.Concurrency < 0 {
		return nil, invalid(ErrInvalid, path, "PartSize and Concurrency are not negative")
	}
	o.Concurrency = cmp.Or(o.Concurrency, defaultConcurrency)
	d := &download{call: c.begin(path, o.Concurrency), to: destination, tell: o.Checkpoint}
	defer d.end()
	var err error
	if d.file, err = d.stat(ctx); err != nil || d.file.Size == 0 {
		return d.file, err
	}
	d.meter = newMeter(d.file.Size, o.Progress)
	d.state = newCheckpoint(d.file, cmp.Or(o.PartSize, defaultPartSize), o.Resume)
	d.layout = newLayout(d.file.Size, d.state.PartSize)
	if err := numbered(ctx, o.Concurrency, d.layout.count, d.piece); err != nil {
		return nil, err
	}
	if sum := d.file.crc64(); sum != "" && sum != encodeCRC(d.whole()) {
		return nil, invalid(ErrChecksum, path, "the bytes that were read have the CRC64NVME "+encodeCRC(d.whole())+", and the file "+sum)
	}
	return d.file, nil
}

// download is one call of Download.
type download struct {
	*call
	file   *File
	to     io.WriterAt
	layout layout
	meter  *meter
	tell   func([]byte)

	mu    sync.Mutex
	state *checkpoint
}

// whole is the CRC of all ranges.
func (d *download) whole() uint64 {
	crc := uint64(0)
	for number := 1; number <= d.layout.count; number++ {
		_, size := d.layout.piece(number)
		crc = combine(crc, d.state.sum(number), size)
	}
	return crc
}

// piece reads a range into the destination, unless it is there.
func (d *download) piece(ctx context.Context, number int) error {
	offset, size := d.layout.piece(number)
	there, err := d.there(ctx, number, offset, size)
	if err != nil {
		return err
	}
	if there {
		d.meter.done(size, true)
		return nil
	}
	w := &window{download: d, at: offset, end: offset + size}
	_, err = d.do(ctx, &request{
		op: "read", method: http.MethodGet, address: fileAddress(d.path),
		prepare: func(h http.Header) { pin(h, d.file, w.at, w.end) },
		read: func(res *http.Response) error {
			if err := checkRange(res, d.file, w.at, w.end); err != nil {
				return err
			}
			buffer := buffers.Get().(*[]byte)
			defer buffers.Put(buffer)
			_, err := io.CopyBuffer(w, io.LimitReader(res.Body, w.end-w.at), *buffer)
			if err == nil && w.at < w.end {
				err = io.ErrUnexpectedEOF
			}
			return err
		},
	})
	if err != nil {
		return err
	}
	d.mu.Lock()
	d.state.add(number, w.crc)
	if d.tell != nil {
		d.tell(d.state.encode())
	}
	d.mu.Unlock()
	d.meter.done(size, false)
	return nil
}

// window is the place in the destination that a range goes to. Another attempt goes on at its
// beginning.
type window struct {
	*download
	at, end int64
	crc     uint64 // of what was written
}

// Write implements io.Writer.
func (w *window) Write(p []byte) (int, error) {
	n, err := w.to.WriteAt(p, w.at)
	if err != nil {
		return n, &localError{fmt.Errorf("write what was read: %w", err)}
	}
	w.crc = crc64nvme.Update(w.crc, p)
	w.at += int64(n)
	w.meter.moved(int64(n))
	return n, nil
}

// there reports whether an earlier call has left a range in the destination.
func (d *download) there(ctx context.Context, number int, offset, size int64) (bool, error) {
	d.mu.Lock()
	want, known := d.state.known(number)
	d.mu.Unlock()
	if !known {
		return false, nil
	}
	readable, ok := d.to.(io.ReaderAt)
	if !ok {
		return true, nil
	}
	s, err := sumOf(ctx, io.NewSectionReader(readable, offset, size), "")
	if canceled(ctx) {
		return false, context.Cause(ctx)
	}
	return err == nil && s.crc64 == want, nil
}
