package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

func (s *suite) parts(t *testing.T) {
	t.Run("OutOfOrderInParallel", s.outOfOrder)
	t.Run("EmptyUpload", func(t *testing.T) { s.wantParts(t, s.open(t, s.key())) })
	t.Run("UnknownUpload", s.unknownUpload)
	t.Run("Replace", s.replacePart)
	t.Run("SameNumberAtOnce", s.sameNumberAtOnce)
	t.Run("BodyLongerThanSize", s.longBody)
	t.Run("BodyInSmallPieces", s.smallPieces)
	t.Run("InvalidNumberOrSize", s.invalidPart)
	t.Run("Empty", s.emptyPart)
	t.Run("ManyParts", s.manyParts)
	t.Run("BigPart", s.bigPart)
	t.Run("ManyUploadsAtOnce", s.manyUploads)
}

func (s *suite) outOfOrder(t *testing.T) {
	content := random(1, 2*minPart+12345)
	ref := s.open(t, s.key())
	var wg sync.WaitGroup
	for i, piece := range [][]byte{content[2*minPart:], content[:minPart], content[minPart : 2*minPart]} {
		number := int32((i+2)%3 + 1) // 3, 1, 2
		wg.Go(func() {
			if _, err := s.Store.PutPart(t.Context(), ref, number, bytes.NewReader(piece), int64(len(piece))); err != nil {
				t.Errorf("PutPart(%d): %v", number, err)
			}
		})
	}
	wg.Wait()
	parts := s.list(t, ref)
	if len(parts) != 3 {
		t.Fatalf("ListParts gave %v", parts)
	}
	for i, p := range parts {
		if p.Number != int32(i+1) || p.ETag == "" || (p.Checksum == "") != (p.Algorithm == "") {
			t.Errorf("part %d of the list is %+v", i, p)
		}
		if age := time.Since(p.Modified); age < -time.Hour || age > time.Hour {
			t.Errorf("part %d was stored at %v", p.Number, p.Modified)
		}
	}
	checksum := "none"
	if parts[0].Checksum != "" {
		checksum = "wrong"
		if parts[0].Checksum == crc64nvme(content[:minPart]) && parts[0].Algorithm == "crc64nvme" {
			checksum = "CRC64NVME"
		}
	}
	s.observe(t, PartChecksum, checksum)

	done := s.finish(t, ref, filestore.Condition{Absent: true})
	stat, err := s.Store.Stat(t.Context(), ref.Key)
	if err != nil {
		t.Fatal(err)
	}
	if done.Key != ref.Key || done.Size != int64(len(content)) || done.ETag != stat.ETag || stat.Size != done.Size {
		t.Errorf("CompleteUpload gave %+v, Stat %+v", done, stat)
	}
	objectChecksum := "none"
	if stat.Checksum != "" {
		objectChecksum = "wrong"
		if stat.Checksum == "crc64nvme:"+crc64nvme(content) {
			objectChecksum = "CRC64NVME of all bytes"
		}
	}
	s.observe(t, ObjectChecksum, objectChecksum)
	s.wantObject(t, ref.Key, content)
}

func (s *suite) unknownUpload(t *testing.T) {
	gone := s.open(t, s.key())
	if err := s.Store.AbortUpload(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	for name, ref := range map[string]filestore.UploadRef{
		"aborted":        gone,
		"never was":      {Key: gone.Key, UploadID: "0b5c1d7e-0000-4000-8000-000000000000"},
		"of another key": {Key: s.key(), UploadID: s.open(t, s.key()).UploadID},
		"empty":          {Key: gone.Key},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.Store.PutPart(t.Context(), ref, 1, bytes.NewReader([]byte("x")), 1)
			wantErr(t, err, filestore.ErrNoSuchUpload)
			_, err = s.Store.ListParts(t.Context(), ref)
			wantErr(t, err, filestore.ErrNoSuchUpload)
			_, err = s.Store.CompleteUpload(t.Context(), ref, []filestore.Part{{Number: 1, ETag: "0123456789abcdef0123456789abcdef", Size: 1}}, filestore.Condition{})
			if ref.UploadID != "" {
				s.observe(t, UnknownComplete, kindOf(err))
			} else {
				wantErr(t, err, filestore.ErrNoSuchUpload)
			}
			if err := s.Store.AbortUpload(t.Context(), ref); err != nil {
				t.Errorf("AbortUpload: %v", err)
			}
		})
	}
	_, err := s.Store.PutPart(t.Context(), gone, 1, bytes.NewReader(random(2, 16<<20)), 16<<20)
	if !errors.Is(err, filestore.ErrUnavailable) { // an answer that comes while the body is being sent can be lost to a reset
		wantErr(t, err, filestore.ErrNoSuchUpload)
	}
}

func (s *suite) replacePart(t *testing.T) {
	ref := s.open(t, s.key())
	first, second := random(3, minPart), random(4, minPart+1)
	s.put(t, ref, 1, first)
	last := s.put(t, ref, 2, []byte("end"))
	neu := s.put(t, ref, 1, second)
	twice := "the last one counts"
	if s.sendAgain(t, ref, 1, second) {
		twice = "**counts as missing**, until it is sent in another second"
	}
	s.observe(t, PartTwice, twice)
	s.wantParts(t, ref, neu, last)
	s.finish(t, ref, filestore.Condition{})
	s.wantObject(t, ref.Key, append(slices.Clone(second), "end"...))

	ref = s.open(t, s.key())
	old := s.put(t, ref, 1, first)
	last = s.put(t, ref, 2, []byte("end"))
	s.put(t, ref, 1, second)
	_, err := s.Store.CompleteUpload(t.Context(), ref, []filestore.Part{old, last}, filestore.Condition{})
	s.observe(t, ReplacedETag, kindOf(err))
}

// sendAgain sends a part in another second, if the backend does not tell which of its copies
// counts, and reports whether that was so.
func (s *suite) sendAgain(t *testing.T, ref filestore.UploadRef, number int32, content []byte) bool {
	t.Helper()
	unclear := slices.ContainsFunc(s.list(t, ref), func(p filestore.Part) bool { return p.Number == number && p.Unclear })
	if unclear {
		time.Sleep(2 * time.Second)
		s.put(t, ref, number, content)
	}
	return unclear
}

// sameNumberAtOnce: one of them is stored, whole.
func (s *suite) sameNumberAtOnce(t *testing.T) {
	ref := s.open(t, s.key())
	contents := make([][]byte, 4)
	var wg sync.WaitGroup
	for i := range contents {
		contents[i] = random(uint64(10+i), 1<<20+i)
		wg.Go(func() {
			if _, err := s.Store.PutPart(t.Context(), ref, 1, bytes.NewReader(contents[i]), int64(len(contents[i]))); err != nil {
				t.Errorf("PutPart: %v", err)
			}
		})
	}
	wg.Wait()
	s.sendAgain(t, ref, 1, contents[0])
	s.finish(t, ref, filestore.Condition{})
	got := s.read(t, ref.Key)
	for _, c := range contents {
		if bytes.Equal(got, c) {
			return
		}
	}
	t.Errorf("the object of %d bytes is none of those that were sent", len(got))
}

func (s *suite) longBody(t *testing.T) {
	ref := s.open(t, s.key())
	body := bytes.NewReader(random(5, 100_000))
	p, err := s.Store.PutPart(t.Context(), ref, 1, body, 70_000)
	if err != nil {
		t.Fatal(err)
	}
	if body.Len() != 30_000 {
		t.Errorf("%d bytes of the body were left, want 30000", body.Len())
	}
	s.wantParts(t, ref, filestore.Part{Number: 1, Size: 70_000, ETag: p.ETag})
	s.finish(t, ref, filestore.Condition{})
	s.wantObject(t, ref.Key, random(5, 100_000)[:70_000])
}

// smallPieces: readers may return less than asked for, nothing at all, and the last bytes together
// with io.EOF.
func (s *suite) smallPieces(t *testing.T) {
	for _, size := range []int{1, 4095, 1<<20 - 1, 1 << 20, 1<<20 + 1, 3<<20 + 17} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			ref := s.open(t, s.key())
			content := random(uint64(size), size)
			if _, err := s.Store.PutPart(t.Context(), ref, 1, &dribble{rest: content}, int64(size)); err != nil {
				t.Fatal(err)
			}
			s.finish(t, ref, filestore.Condition{})
			s.wantObject(t, ref.Key, content)
		})
	}
}

// dribble gives a few bytes at a time, now and then none, and the last ones with io.EOF.
type dribble struct {
	rest []byte
	n    int
}

func (d *dribble) Read(p []byte) (int, error) {
	d.n++
	if d.n%7 == 0 {
		return 0, nil
	}
	n := copy(p[:min(len(p), 1+d.n*977%40_000)], d.rest)
	d.rest = d.rest[n:]
	if len(d.rest) == 0 {
		return n, io.EOF
	}
	return n, nil
}

func (s *suite) invalidPart(t *testing.T) {
	ref := s.open(t, s.key())
	for _, number := range []int32{-1, 0, 10001} {
		_, err := s.Store.PutPart(t.Context(), ref, number, bytes.NewReader([]byte("x")), 1)
		wantErr(t, err, filestore.ErrRejected)
	}
	for _, size := range []int64{-1, 5<<30 + 1} {
		_, err := s.Store.PutPart(t.Context(), ref, 1, bytes.NewReader(nil), size)
		wantErr(t, err, filestore.ErrPartSize)
	}
	s.wantParts(t, ref)
}

func (s *suite) emptyPart(t *testing.T) {
	ref := s.open(t, s.key())
	_, err := s.Store.PutPart(t.Context(), ref, 1, bytes.NewReader(nil), 0)
	if err != nil {
		s.observe(t, EmptyPart, kindOf(err))
		return
	}
	_, err = s.Store.CompleteUpload(t.Context(), ref, s.list(t, ref), filestore.Condition{})
	s.observe(t, EmptyPart, "OK, "+kindOf(err))
	if err == nil {
		s.wantObject(t, ref.Key, nil)
	}
}

// manyParts: more than one page of ListParts.
func (s *suite) manyParts(t *testing.T) {
	const count = 1005
	ref := s.open(t, s.key())
	numbers := make(chan int32)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for number := range numbers {
				piece := []byte{byte(number), byte(number >> 8)}
				if _, err := s.Store.PutPart(t.Context(), ref, number, bytes.NewReader(piece), 2); err != nil {
					t.Errorf("PutPart(%d): %v", number, err)
				}
			}
		})
	}
	for number := int32(count); number >= 1; number-- {
		numbers <- number * 2 // with gaps, so that a page by count differs from one by number
	}
	close(numbers)
	wg.Wait()
	parts := s.list(t, ref)
	if len(parts) != count {
		t.Fatalf("ListParts gave %d parts of %d", len(parts), count)
	}
	for i, p := range parts {
		if p.Number != int32(2*i+2) || p.Size != 2 {
			t.Fatalf("part %d of the list is %+v", i, p)
		}
	}
}

func (s *suite) bigPart(t *testing.T) {
	if testing.Short() {
		t.Skip("64 MiB")
	}
	content := random(6, 64<<20)
	ref := s.open(t, s.key())
	p := s.put(t, ref, 1, content)
	s.wantParts(t, ref, p)
	s.finish(t, ref, filestore.Condition{})
	s.wantObject(t, ref.Key, content)
}

func (s *suite) manyUploads(t *testing.T) {
	refs := make([]filestore.UploadRef, 8)
	for i := range refs {
		refs[i] = s.open(t, s.key())
	}
	var wg sync.WaitGroup
	for i, ref := range refs {
		for number := int32(1); number <= 4; number++ {
			wg.Go(func() {
				content := random(uint64(100*i)+uint64(number), 300_000+i)
				if _, err := s.Store.PutPart(t.Context(), ref, number, bytes.NewReader(content), int64(len(content))); err != nil {
					t.Errorf("PutPart: %v", err)
				}
			})
		}
	}
	wg.Wait()
	for i, ref := range refs {
		parts := s.list(t, ref)
		if len(parts) != 4 || parts[3].Size != int64(300_000+i) {
			t.Errorf("upload %d has parts %v", i, parts)
		}
	}
}
