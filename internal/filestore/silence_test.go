package filestore_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/memory"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

// mute is a backend that says nothing while it is silent: no call returns before it talks again, or
// its time is over.
type mute struct {
	*memory.Store
	mu    sync.Mutex
	talks chan struct{} // nil while it talks
	asked atomic.Int32
}

func newMute() *mute { return &mute{Store: memory.New(memory.Options{MinPartSize: -1})} }

func (m *mute) silence() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.talks = make(chan struct{})
}

func (m *mute) talk() {
	m.mu.Lock()
	defer m.mu.Unlock()
	close(m.talks)
	m.talks = nil
}

// hear waits for an answer, for timeout at most.
func (m *mute) hear(ctx context.Context, timeout time.Duration) error {
	m.asked.Add(1)
	m.mu.Lock()
	talks := m.talks
	m.mu.Unlock()
	if talks == nil {
		return nil
	}
	select {
	case <-talks:
		return nil
	case <-time.After(timeout):
	case <-ctx.Done():
	}
	return &filestore.Error{Op: "HeadObject", Kind: filestore.ErrSilent, Cause: errors.New("no byte came")}
}

func (m *mute) Stat(ctx context.Context, key string) (filestore.Object, error) {
	if err := m.hear(ctx, 20*time.Millisecond); err != nil {
		return filestore.Object{}, err
	}
	o, err := m.Store.Stat(ctx, key)
	if errors.Is(err, filestore.ErrNotFound) {
		err = &filestore.Error{Op: "HeadObject", Kind: filestore.ErrNotFound, Status: 404, Cause: err}
	}
	return o, err
}

func (m *mute) ListParts(ctx context.Context, ref filestore.UploadRef) ([]filestore.Part, error) {
	if err := m.hear(ctx, time.Hour); err != nil {
		return nil, err
	}
	return m.Store.ListParts(ctx, ref)
}

// A Store that said nothing to one call is asked by nobody else until it talks again, and then by
// all.
func TestSilentStore(t *testing.T) {
	backend := newMute()
	var told atomic.Bool
	store := filestore.Observe(filestore.Config{Prefix: "p/"}, backend, filestore.Observation{Silent: told.Store})
	defer store.Close()
	ctx := t.Context()
	if _, err := store.Stat(ctx, "k"); !errors.Is(err, filestore.ErrNotFound) {
		t.Fatal(err)
	}
	backend.silence()
	if _, err := store.Stat(ctx, "k"); !errors.Is(err, filestore.ErrSilent) || !told.Load() {
		t.Fatalf("%v; told %v", err, told.Load())
	}
	ref := filestore.UploadRef{Key: "k", UploadID: "id"}
	for name, call := range map[string]func() error{
		"Stat":           func() error { _, err := store.Stat(ctx, "k"); return err },
		"ListParts":      func() error { _, err := store.ListParts(ctx, ref); return err }, // would be waited for
		"PutPart":        func() error { _, err := store.PutPart(ctx, ref, 1, strings.NewReader("x"), 1); return err },
		"CreateUpload":   func() error { _, err := store.CreateUpload(ctx, "k", filestore.CreateUploadOptions{}); return err },
		"CompleteUpload": func() error { _, err := store.CompleteUpload(ctx, ref, nil, filestore.Condition{}); return err },
		"AbortUpload":    func() error { return store.AbortUpload(ctx, ref) },
		"ListUploads":    func() error { return store.ListUploads(ctx, "", func(filestore.Upload) bool { return true }) },
		"ListObjects":    func() error { return store.ListObjects(ctx, "", "", func(filestore.Object) bool { return true }) },
		"DeleteObject":   func() error { return store.DeleteObject(ctx, "k") },
		"Open": func() error {
			_, err := store.Open(ctx, filestore.Object{Key: "k"}, filestore.ByteRange{Length: -1})
			return err
		},
		"PutObject": func() error {
			_, err := store.PutObject(ctx, "k", strings.NewReader("x"), 1, filestore.CreateUploadOptions{}, filestore.Condition{})
			return err
		},
	} {
		if err := call(); !errors.Is(err, filestore.ErrSilent) {
			t.Errorf("%s asks a silent store: %v", name, err)
		}
	}
	before := backend.asked.Load()
	testkit.Eventually(t, func() error { // it is asked in the background, again and again
		if backend.asked.Load() < before+2 {
			return errors.New("it is not asked again")
		}
		return nil
	})
	backend.talk()
	testkit.Eventually(t, func() error { _, err := store.CreateUpload(ctx, "k", filestore.CreateUploadOptions{}); return err })
	if told.Load() {
		t.Error("it is still told to be silent")
	}
}

// What one file does to its own answers makes no store silent that answers others meanwhile; the
// health check is always let through.
func TestSilentStoreIsAsked(t *testing.T) {
	backend := newMute()
	store := filestore.Observe(filestore.Config{}, backend, filestore.Observation{})
	defer store.Close()
	ctx, cancel := context.WithCancelCause(t.Context())
	hung := make(chan error)
	remove := backend.Inject(memory.Fault{Operation: memory.AbortUpload, Before: memory.Hang})
	defer remove()
	go func() { hung <- store.AbortUpload(ctx, filestore.UploadRef{Key: "k", UploadID: "id"}) }()
	testkit.Eventually(t, func() error {
		if backend.Calls(memory.AbortUpload) == 0 {
			return errors.New("the abort is not under way")
		}
		return nil
	})
	if _, err := store.Stat(t.Context(), "other"); !errors.Is(err, filestore.ErrNotFound) {
		t.Fatal(err)
	}
	cancel(filestore.ErrSilent) // as who watches the call says
	<-hung
	if _, err := store.Stat(t.Context(), "other"); !errors.Is(err, filestore.ErrNotFound) {
		t.Errorf("one hung call makes a store silent that has answered since: %v", err)
	}
	backend.silence()
	_, _ = store.Stat(t.Context(), "other")
	if _, err := store.Probe(t.Context()); err != nil {
		t.Fatalf("the health check is not let through: %v", err)
	}
	if _, err := store.CreateUpload(t.Context(), "k", filestore.CreateUploadOptions{}); err != nil {
		t.Errorf("the answer to the health check does not end the silence: %v", err)
	}
}

// Closing a Store ends its questions.
func TestSilentStoreCloses(t *testing.T) {
	backend := newMute()
	store := filestore.Observe(filestore.Config{}, backend, filestore.Observation{})
	backend.silence()
	_, _ = store.Stat(t.Context(), "k")
	store.Close()
	var asked int32
	testkit.Eventually(t, func() error {
		before := asked
		if asked = backend.asked.Load(); asked != before {
			return errors.New("it is still asked")
		}
		time.Sleep(time.Second) // longer than the first pause
		if backend.asked.Load() != asked {
			return errors.New("it is still asked")
		}
		return nil
	})
}
