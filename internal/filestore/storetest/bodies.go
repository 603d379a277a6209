package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

var errBody = errors.New("the sender is gone")

func (s *suite) cutBodies(t *testing.T) {
	eachCut(t, s.cut)
	t.Run("Canceled", s.canceledBody)
	t.Run("DeadlineExceeded", s.deadlineBody)
	t.Run("NotReadAfterReturn", s.notReadAfterReturn)
}

// eachCut has cut send bodies that end or fail too early: before, at and behind the boundaries of
// buffers and chunks. want is what it has to fail with.
func eachCut(t *testing.T, cut func(t *testing.T, size int64, body func() io.Reader, want error)) {
	const size = 3 << 20
	for _, at := range []int{0, 1, 4095, 300_000, 1<<20 - 1, 1 << 20, 1<<20 + 1, size - 1} {
		t.Run(fmt.Sprintf("EndsAfter%d", at), func(t *testing.T) {
			t.Parallel()
			cut(t, size, func() io.Reader { return bytes.NewReader(random(7, at)) }, io.ErrUnexpectedEOF)
		})
		t.Run(fmt.Sprintf("FailsAfter%d", at), func(t *testing.T) {
			t.Parallel()
			cut(t, size, func() io.Reader { return io.MultiReader(bytes.NewReader(random(7, at)), failing{errBody}) }, errBody)
		})
	}
	t.Run("FailsWithTheLastByte", func(t *testing.T) {
		cut(t, size, func() io.Reader { return &failingAtEnd{rest: random(7, size)} }, errBody)
	})
}

// cut sends a body that fails with want, as a new part and over one that is there: nothing is
// stored, and what was there stays.
func (s *suite) cut(t *testing.T, size int64, body func() io.Reader, want error) {
	ref := s.open(t, s.key())
	good := random(8, 70_000)
	kept := s.put(t, ref, 1, good)
	for _, number := range []int32{1, 2} {
		_, err := s.Store.PutPart(t.Context(), ref, number, body(), size)
		wantErr(t, err, filestore.ErrIncompleteBody)
		wantErr(t, err, want)
	}
	s.wantParts(t, ref, kept)
	s.finish(t, ref, filestore.Condition{})
	s.wantObject(t, ref.Key, good)
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// failingAtEnd gives its last bytes together with an error.
type failingAtEnd struct{ rest []byte }

func (f *failingAtEnd) Read(p []byte) (int, error) {
	n := copy(p, f.rest)
	f.rest = f.rest[n:]
	if len(f.rest) == 0 {
		return n, errBody
	}
	return n, nil
}

// canceledBody: whoever cancels finds his own cause in the error, and it is nothing that the
// backend has done.
func (s *suite) canceledBody(t *testing.T) {
	ref := s.open(t, s.key())
	kept := s.put(t, ref, 1, random(9, 70_000))
	why := errors.New("shutting down")
	ctx, cancel := context.WithCancelCause(t.Context())
	body := io.MultiReader(bytes.NewReader(random(7, 1<<20)), calling(func() { cancel(why) }), bytes.NewReader(random(7, 64<<20)))
	_, err := s.Store.PutPart(ctx, ref, 1, body, 65<<20)
	wantErr(t, err, why)
	if errors.Is(err, filestore.ErrUnavailable) || errors.Is(err, filestore.ErrIncompleteBody) {
		t.Errorf("a cancelled call blames somebody else: %v", err)
	}
	s.wantParts(t, ref, kept)
}

// deadlineBody: a backend that has not answered in time is unavailable.
func (s *suite) deadlineBody(t *testing.T) {
	ref := s.open(t, s.key())
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	_, err := s.Store.PutPart(ctx, ref, 1, bytes.NewReader([]byte("x")), 1)
	wantErr(t, err, filestore.ErrUnavailable)
	wantErr(t, err, context.DeadlineExceeded)
	s.wantParts(t, ref)
}

// calling is an empty reader that calls a function.
type calling func()

func (f calling) Read([]byte) (int, error) {
	f()
	return 0, io.EOF
}

// notReadAfterReturn: whatever makes PutPart return early, the body is its caller's again when it
// does.
func (s *suite) notReadAfterReturn(t *testing.T) {
	for name, tc := range map[string]struct {
		unknown bool
		cancel  bool
	}{"refused": {unknown: true}, "canceled": {cancel: true}} {
		t.Run(name, func(t *testing.T) {
			for range 10 {
				ref := s.open(t, s.key())
				if tc.unknown {
					if err := s.Store.AbortUpload(t.Context(), ref); err != nil {
						t.Fatal(err)
					}
				}
				ctx, cancel := context.WithCancel(t.Context())
				body := &watched{reads: func(n int64) {
					// A backend may want to have read everything before it refuses, and that is
					// what this bounds.
					if tc.cancel && n == 20 || n == 400 {
						cancel()
					}
				}}
				_, err := s.Store.PutPart(ctx, ref, 1, body, 1<<30)
				body.returned.Store(true)
				if err == nil {
					t.Error("PutPart has succeeded")
				}
				cancel()
			}
			time.Sleep(quiet / 3)
		})
	}
}

// watched is an endless body that panics when it is read after its return.
type watched struct {
	n        int64
	reads    func(int64)
	returned atomic.Bool
}

func (w *watched) Read(p []byte) (int, error) {
	if w.returned.Load() {
		panic("the body was read after PutPart had returned")
	}
	w.n++
	w.reads(w.n)
	clear(p)
	time.Sleep(100 * time.Microsecond) // slower than the backend, so that it can answer meanwhile
	if w.returned.Load() {
		panic("PutPart returned while the body was being read")
	}
	return min(len(p), 32<<10), nil
}
