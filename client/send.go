package iotfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// piece is a part of the file as it is at this side.
type piece struct {
	size int64
	sums sums
	// stored: object storage has it. A piece that is not is the body of the completion.
	stored bool
}

// sendParts sends a file in parts, but for those that are there.
func (u *upload) sendParts(ctx context.Context, source io.ReaderAt) (*File, error) {
	if err := u.start(ctx); err != nil {
		return nil, err
	}
	listed, err := u.parts(ctx)
	if err != nil {
		return nil, err
	}
	l, err := layoutOf(u.size, u.limits, u.options.PartSize, listed)
	if err != nil {
		return nil, invalid(ErrTooLarge, u.path, err.Error())
	}
	if n := len(listed); n > 0 && listed[n-1].Number > l.count {
		return nil, u.foreign(listed[n-1].Number)
	}
	pieces, err := u.sendMissing(ctx, source, l, byNumber(listed))
	if err != nil {
		return nil, err
	}
	offset, size := l.piece(l.count)
	return u.finish(ctx, pieces, io.NewSectionReader(source, offset, size))
}

// finishOther gets the result of a completion that an earlier run, or another process, has asked
// for. An upload that is not being completed is refused, since it has not the size of the file.
func (u *upload) finishOther(ctx context.Context, sum func() (uint64, error)) (*File, error) {
	a, err := u.complete(ctx, nil, 0)
	if err != nil {
		return nil, err
	}
	crc, err := sum()
	if err != nil {
		return nil, u.local(err)
	}
	u.meter.settle(u.size)
	return u.verify(ctx, a, crc)
}

func byNumber(listed []Part) map[int]Part {
	out := make(map[int]Part, len(listed))
	for _, p := range listed {
		out[p.Number] = p
	}
	return out
}

// sendMissing sends the parts that are not there as they are in source, several at once. The last
// piece is left to the completion where it is too small for a part.
func (u *upload) sendMissing(ctx context.Context, source io.ReaderAt, l layout, there map[int]Part) ([]piece, error) {
	pieces := make([]piece, l.count)
	err := numbered(ctx, u.options.Concurrency, l.count, func(ctx context.Context, number int) (err error) {
		offset, size := l.piece(number)
		pieces[number-1], err = u.sendPart(ctx, number, io.NewSectionReader(source, offset, size), there[number], number == l.count)
		return err
	})
	if err != nil {
		return nil, u.local(err)
	}
	return pieces, nil
}

// sendPart sends a part, unless there is one of the same bytes, or it is the last one and too
// small.
func (u *upload) sendPart(ctx context.Context, number int, section *io.SectionReader, there Part, last bool) (piece, error) {
	p := piece{size: section.Size()}
	var err error
	if p.sums, err = sumOf(ctx, section, there.Checksum); err != nil {
		return p, err
	}
	if u.kept(there, p) {
		p.stored = true
		u.meter.done(p.size, true)
		return p, nil
	}
	if last && p.size < u.limits.minSize {
		return p, nil
	}
	r := &request{op: fmt.Sprintf("part %d", number), address: fmt.Sprintf("%s?part=%d", fileAddress(u.path), number), body: section}
	if _, err := u.put(ctx, r, p.sums.crc64); err != nil {
		return p, err
	}
	p.stored = true
	u.meter.done(p.size, false)
	return p, nil
}

// kept reports whether a listed part is this piece.
func (u *upload) kept(there Part, p piece) bool {
	if there.Number == 0 || there.Size != p.size {
		return false
	}
	equal, known := p.sums.agrees(there.Checksum)
	return equal || !known && u.options.Key != keyOf(u.path)
}

// finish completes the upload once what object storage has is what was sent. tail is the last
// piece.
func (u *upload) finish(ctx context.Context, pieces []piece, tail *io.SectionReader) (*File, error) {
	if err := u.unchanged(); err != nil {
		return nil, u.local(err)
	}
	if err := u.check(ctx, pieces); err != nil {
		return nil, err
	}
	last, whole := pieces[len(pieces)-1], uint64(0)
	for _, p := range pieces {
		whole = combine(whole, p.sums.crc64, p.size)
	}
	if last.stored {
		tail = nil
	}
	a, err := u.complete(ctx, tail, last.sums.crc64)
	if err != nil {
		return nil, err
	}
	if tail != nil {
		u.meter.done(last.size, false)
	}
	return u.verify(ctx, a, whole)
}

// check compares what object storage has with what was sent: another process of the account could
// be sending something else to the same path. That the upload has ended, the completion tells.
func (u *upload) check(ctx context.Context, pieces []piece) error {
	listed, err := u.parts(ctx)
	if errors.Is(err, ErrConflict) || errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	found := make([]bool, len(pieces))
	for _, there := range listed {
		if there.Number > len(pieces) {
			return u.foreign(there.Number)
		}
		p := pieces[there.Number-1]
		equal, known := p.sums.agrees(there.Checksum)
		if p.stored && (there.Size != 0 && there.Size != p.size || known && !equal) {
			return u.foreign(there.Number)
		}
		found[there.Number-1] = true
	}
	for i, p := range pieces {
		if p.stored && !found[i] {
			return u.foreign(i + 1)
		}
	}
	return nil
}

// foreign is the error of an upload that has a part of somebody else, or has lost one.
func (u *upload) foreign(number int) error {
	return invalid(ErrBusy, u.path, fmt.Sprintf("part %d of the upload is not what this call sends: another process sends to this path, or did. Abort the upload, or wait", number))
}

// complete assembles the file, with tail as the last part unless it is nil.
func (u *upload) complete(ctx context.Context, tail *io.SectionReader, crc uint64) (*answer, error) {
	r := &request{op: "complete", method: http.MethodPut, address: fileAddress(u.path) + "?upload=complete", patient: true, body: tail}
	if tail == nil {
		return u.do(ctx, r)
	}
	return u.put(ctx, r, crc)
}

// putAgain is how often bytes that have arrived damaged are sent again.
const putAgain = 3

// put sends the body of r, announcing its CRC. The error is ErrChanged if the source has another by
// now.
func (u *upload) put(ctx context.Context, r *request, crc uint64) (*answer, error) {
	r.method, r.sent = http.MethodPut, u.meter.moved
	if r.header == nil {
		r.header = http.Header{}
	}
	r.header.Set("X-Amz-Checksum-Crc64nvme", encodeCRC(crc))
	for n := 1; ; n++ {
		a, err := u.do(ctx, r)
		e, refused := err.(*Error) //nolint:errorlint // do makes no other
		if !refused || e.Status != http.StatusBadRequest {
			return a, err
		}
		now, failed := sumOf(ctx, r.body, "")
		switch {
		case failed != nil:
			return nil, u.local(failed)
		case now.crc64 != crc:
			return nil, invalid(ErrChanged, u.path, "what "+r.op+" sends has changed since its checksum was computed")
		case !strings.Contains(e.Message, "nothing was stored") || n == putAgain:
			return nil, err
		}
	}
}
