package iotfile

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"sync"
)

// UploadStream sends what source has until io.EOF to path, ENTITY/PATH, and returns the file. It
// holds one part per sender in memory: Concurrency times PartSize, which also bounds the file, to
// 15.6 GiB by default, since a store takes so many parts and no more. source is read by one
// goroutine at a time, and the call returns when a Read that has begun does, also after the end of
// ctx.
//
// A call that ends early leaves what has arrived. The same call again, with the same bytes from
// their beginning, sends only the parts that are missing or different. The errors are those of
// [Client.Upload], and ErrTooLarge; ErrConflict also if an earlier call with these bytes has
// completed the file.
func (c *Client) UploadStream(ctx context.Context, path string, source io.Reader, options *UploadOptions) (*File, error) {
	u, err := c.newUpload(path, -1, options)
	if err != nil {
		return nil, err
	}
	defer u.end()
	s := &stream{upload: u, source: source, part: max(cmp.Or(u.options.PartSize, defaultPartSize), 5*mib)}
	first := make([]byte, s.part)
	n, err := io.ReadFull(source, first)
	switch {
	case errors.Is(err, io.EOF):
		return nil, invalid(ErrInvalid, path, "a file has at least one byte")
	case errors.Is(err, io.ErrUnexpectedEOF):
		u.size = int64(n)
		u.meter.total(u.size)
		return u.sendWhole(ctx, sectionOf(first[:n]))
	case err != nil:
		return nil, u.local(err)
	}
	f, err := s.send(ctx, first)
	if errors.Is(err, ErrConflict) && s.ended {
		return u.settle(ctx, err, func() (uint64, error) { return s.whole(), nil })
	}
	return f, err
}

func sectionOf(b []byte) *io.SectionReader {
	return io.NewSectionReader(bytes.NewReader(b), 0, int64(len(b)))
}

// stream is a source that is cut as it is read.
type stream struct {
	*upload
	part  int64
	there map[int]Part

	mu     sync.Mutex
	source io.Reader
	// first is the part that was read already; nil once a sender has it.
	first []byte
	ended bool
	// pieces are those that were read.
	pieces []piece
	// tail is the last one, where it is too small for a part.
	tail []byte
}

// send sends the stream, whose first part was read.
func (s *stream) send(ctx context.Context, first []byte) (*File, error) {
	if err := s.start(ctx); err != nil {
		return nil, err
	}
	if s.limits.minSize > s.part || s.limits.maxSize < s.part {
		return nil, invalid(ErrTooLarge, s.path, "PartSize is not one that the store takes")
	}
	listed, err := s.parts(ctx)
	if err != nil {
		return nil, err
	}
	s.first, s.there = first, byNumber(listed)
	if err := parallel(ctx, s.options.Concurrency, s.sendNext); err != nil {
		return nil, s.local(err)
	}
	s.size = 0
	for _, p := range s.pieces {
		s.size += p.size
	}
	s.meter.total(s.size)
	return s.finish(ctx, s.pieces, sectionOf(s.tail))
}

// sendNext sends one part after the other, to the end of the stream.
func (s *stream) sendNext(ctx context.Context) error {
	var part []byte
	for {
		number, err := s.read(ctx, &part)
		if err != nil || number == 0 {
			return err
		}
		if err := s.sendRead(ctx, number, part); err != nil {
			return err
		}
	}
}

// sendRead sends a part that was read, or keeps it for the completion.
func (s *stream) sendRead(ctx context.Context, number int, part []byte) error {
	p, err := s.sendPart(ctx, number, sectionOf(part), s.there[number], int64(len(part)) < s.part)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pieces[number-1] = p
	if !p.stored {
		s.tail = part
	}
	return nil
}

// read reads the next part into the memory of part, and gives its number, 0 at the end of the
// stream.
func (s *stream) read(ctx context.Context, part *[]byte) (number int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case canceled(ctx):
		return 0, context.Cause(ctx)
	case s.first != nil:
		*part, s.first = s.first, nil
	case s.ended:
		return 0, nil
	default:
		if err := s.fill(part); err != nil || len(*part) == 0 {
			return 0, err
		}
	}
	s.pieces = append(s.pieces, piece{size: int64(len(*part))})
	if len(s.pieces) > s.limits.maxNumber {
		return 0, invalid(ErrTooLarge, s.path, "the stream has more parts than the store takes: choose a larger PartSize")
	}
	return len(s.pieces), nil
}

// fill reads as many bytes as a part has, or what is left.
func (s *stream) fill(part *[]byte) error {
	if *part == nil {
		*part = make([]byte, s.part)
	}
	n, err := io.ReadFull(s.source, *part)
	*part = (*part)[:n]
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		s.ended = true
		return nil
	}
	return err
}

// whole is the CRC of all that was read.
func (s *stream) whole() uint64 {
	crc := uint64(0)
	for _, p := range s.pieces {
		crc = combine(crc, p.sums.crc64, p.size)
	}
	return crc
}
