package storetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/tcpfault"
)

func (s *suite) putCutBodies(t *testing.T) {
	eachCut(t, s.putCut)
	t.Run("Canceled", s.putCanceled)
	t.Run("DeadlineExceeded", func(t *testing.T) {
		ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
		defer cancel()
		key := s.key()
		_, err := s.Store.PutObject(ctx, key, bytes.NewReader([]byte("x")), 1, filestore.CreateUploadOptions{}, filestore.Condition{})
		wantErr(t, err, filestore.ErrUnavailable)
		wantErr(t, err, context.DeadlineExceeded)
		s.wantNoObject(t, key)
	})
}

// putCut sends a body that fails with want, as a new object, over one that is there, and under a
// condition that holds: nothing is stored, and what was there stays.
func (s *suite) putCut(t *testing.T, size int64, body func() io.Reader, want error) {
	there, gone := s.key(), s.key()
	kept, err := s.tryPut(t, there, "kept", filestore.Condition{})
	if err != nil {
		t.Fatal(err)
	}
	for _, try := range []struct {
		key  string
		cond filestore.Condition
	}{{there, filestore.Condition{}}, {there, filestore.Condition{ETag: kept.ETag}}, {gone, filestore.Condition{}}, {gone, filestore.Condition{Absent: true}}} {
		_, err := s.Store.PutObject(t.Context(), try.key, body(), size, filestore.CreateUploadOptions{}, try.cond)
		wantErr(t, err, filestore.ErrIncompleteBody)
		wantErr(t, err, want)
	}
	s.allowTime()
	s.wantPut(t, there, "kept")
	s.wantNoObject(t, gone)
}

// allowTime gives a backend the time to store what it must not.
func (s *suite) allowTime() {
	if s.Address != "" {
		time.Sleep(quiet)
	}
}

func (s *suite) putCanceled(t *testing.T) {
	key := s.key()
	if _, err := s.tryPut(t, key, "kept", filestore.Condition{}); err != nil {
		t.Fatal(err)
	}
	why := errors.New("shutting down")
	ctx, cancel := context.WithCancelCause(t.Context())
	body := io.MultiReader(bytes.NewReader(random(7, 1<<20)), calling(func() { cancel(why) }), bytes.NewReader(random(7, 64<<20)))
	_, err := s.Store.PutObject(ctx, key, body, 65<<20, filestore.CreateUploadOptions{}, filestore.Condition{})
	wantErr(t, err, why)
	if errors.Is(err, filestore.ErrUnavailable) || errors.Is(err, filestore.ErrIncompleteBody) {
		t.Errorf("a cancelled call blames somebody else: %v", err)
	}
	s.allowTime()
	s.wantPut(t, key, "kept")
}

// putBodyStays: whatever makes PutObject return early, the body is its caller's again when it does.
func (s *suite) putBodyStays(t *testing.T) {
	key := s.key()
	if _, err := s.tryPut(t, key, "kept", filestore.Condition{}); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		cond   filestore.Condition
		cancel bool
	}{"refused": {cond: filestore.Condition{ETag: "d41d8cd98f00b204e9800998ecf8427e"}}, "canceled": {cancel: true}} {
		t.Run(name, func(t *testing.T) {
			if s.Address == "" && !tc.cancel {
				t.Skip("reads the body first")
			}
			for range 5 {
				ctx, cancel := context.WithCancel(t.Context())
				body := &watched{reads: func(n int64) {
					// A backend may want to have read everything before it looks at the condition,
					// and that is what this bounds.
					if n == 20 && tc.cancel || n == 400 {
						cancel()
					}
				}}
				_, err := s.Store.PutObject(ctx, key, body, 256<<20, filestore.CreateUploadOptions{}, tc.cond)
				body.returned.Store(true)
				if err == nil {
					t.Error("PutObject has succeeded")
				}
				cancel()
			}
			s.allowTime()
		})
	}
}

// putNetwork tests what happens when the network fails on the way.
func (s *suite) putNetwork(t *testing.T) {
	const size = 3 << 20
	there, gone := s.key(), s.key()
	if _, err := s.tryPut(t, there, "kept", filestore.Condition{}); err != nil {
		t.Fatal(err)
	}
	try := func(t *testing.T, fault tcpfault.Fault, want ...error) {
		for _, key := range []string{there, gone} {
			store, _ := s.through(t, fault)
			_, err := store.PutObject(t.Context(), key, bytes.NewReader(random(21, size)), size, filestore.CreateUploadOptions{}, filestore.Condition{})
			if err == nil || len(want) == 1 && !errors.Is(err, want[0]) || len(want) > 1 && !errors.Is(err, want[0]) && !errors.Is(err, want[1]) {
				t.Errorf("%+v: %v", fault, err)
			}
		}
	}
	t.Run("ConnectionCutWhileSending", func(t *testing.T) {
		for _, after := range []int64{600, 5000, 300_000, 1 << 20, size - 1000, size} {
			try(t, cutUpstream(after), filestore.ErrIncompleteBody, filestore.ErrUnavailable)
		}
	})
	t.Run("BitFlipped", func(t *testing.T) {
		s.needsChecksums(t)
		try(t, flip(100_000), filestore.ErrChecksum)
	})
	s.allowTime()
	s.wantPut(t, there, "kept")
	s.wantNoObject(t, gone)

	t.Run("ConnectionCutBeforeTheAnswer", func(t *testing.T) {
		key, content := s.key(), random(22, 200_000)
		store, _ := s.through(t, cutDownstream(1))
		_, err := store.PutObject(t.Context(), key, bytes.NewReader(content), int64(len(content)), filestore.CreateUploadOptions{}, filestore.Condition{})
		wantErr(t, err, filestore.ErrUnavailable)
		s.allowTime()
		if _, err := s.Store.Stat(t.Context(), key); err == nil { // it may have been stored, and is whole then
			s.wantObject(t, key, content)
		}
	})
	t.Run("IdleConnectionCut", func(t *testing.T) {
		store, proxy := s.through(t, tcpfault.Fault{})
		for range 20 {
			if _, err := store.PutObject(t.Context(), s.key(), bytes.NewReader(random(26, 9000)), 9000, filestore.CreateUploadOptions{}, filestore.Condition{}); err != nil {
				t.Errorf("PutObject: %v", err)
			}
			proxy.CutAll()
			time.Sleep(10 * time.Millisecond) // as in cutIdle
		}
	})
}
