package filestore_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

// source is a Source of one changeable Config.
type source struct {
	mu     sync.Mutex
	config filestore.Config
	err    error
	// changed is told of each change, as of an event; nil for nobody.
	changed func()
	reads   int
}

func (s *source) StoreConfig(_ context.Context, name string) (filestore.Config, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	c := s.config
	c.Name = name
	if c.Credentials != nil {
		keys := *c.Credentials
		c.Credentials = &keys // as a Secret that is read anew
	}
	return c, s.err
}

func (s *source) set(change func(*source)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
	if s.changed != nil {
		s.changed()
	}
}

type fakeStore struct {
	filestore.Store
	config filestore.Config
	closed *int
}

func (f *fakeStore) Close() { *f.closed++ }

func TestProvider(t *testing.T) {
	src := &source{config: filestore.Config{Endpoint: "http://a", Credentials: &filestore.Credentials{AccessKeyID: "k", SecretAccessKey: "1"}}}
	made, closed := 0, 0
	var makeErr error
	p := filestore.NewProvider(src, func(c filestore.Config) (filestore.Store, error) {
		made++
		return &fakeStore{config: c, closed: &closed}, makeErr
	})
	src.changed = p.Changed
	get := func(wantMade, wantClosed int) filestore.Store {
		t.Helper()
		s, err := p.Get(t.Context(), "main")
		if err != nil {
			t.Fatal(err)
		}
		if made != wantMade || closed != wantClosed {
			t.Fatalf("made %d stores and closed %d, want %d and %d", made, closed, wantMade, wantClosed)
		}
		return s
	}
	first := get(1, 0)
	if again := get(1, 0); again != first {
		t.Fatal("the same Config gave another Store")
	}
	if src.reads != 1 {
		t.Errorf("without a change the Config was read %d times", src.reads)
	}
	src.set(func(*source) {})
	if same := get(1, 0); same != first {
		t.Error("a change of nothing gave another Store")
	}
	src.set(func(s *source) { s.config.Credentials = &filestore.Credentials{AccessKeyID: "k", SecretAccessKey: "2"} })
	get(2, 1)
	src.set(func(s *source) { s.config.CABundle = []byte("x") })
	get(3, 2)
	src.set(func(s *source) { s.config.Credentials = nil })
	get(4, 3)
	src.set(func(s *source) { s.config.PayloadMode = "TrailingCRC32C" })
	get(5, 4)

	src.set(func(s *source) { s.config.Endpoint = "http://b" })
	makeErr = filestore.ErrInvalidConfig
	if _, err := p.Get(t.Context(), "main"); !errors.Is(err, filestore.ErrInvalidConfig) || closed != 4 {
		t.Fatalf("a Config that cannot be used gave %v and closed %d stores", err, closed)
	}
	makeErr = nil
	get(7, 5)

	src.set(func(s *source) { s.err = filestore.ErrStoreNotFound })
	if _, err := p.Get(t.Context(), "main"); !errors.Is(err, filestore.ErrStoreNotFound) || closed != 6 {
		t.Fatalf("a deleted FileStore gave %v and closed %d stores", err, closed)
	}
	src.set(func(s *source) { s.err = nil })
	get(8, 6)
	p.Close()
	p.Close()
	if _, err := p.Get(t.Context(), "main"); !errors.Is(err, filestore.ErrUnavailable) || closed != 7 {
		t.Fatalf("after Close, Get gave %v and %d stores were closed", err, closed)
	}
}

// TestProviderCurrent: who has seen a change that no event has told of yet gets the Store of what
// is now, and so does everybody from then on.
func TestProviderCurrent(t *testing.T) {
	src := &source{config: filestore.Config{Endpoint: "http://a"}}
	closed := 0
	p := filestore.NewProvider(src, func(c filestore.Config) (filestore.Store, error) {
		return &fakeStore{config: c, closed: &closed}, nil
	})
	endpoint := func(get func(context.Context, string) (filestore.Store, error), want string) {
		t.Helper()
		s, err := get(t.Context(), "main")
		if err != nil || s.(*fakeStore).config.Endpoint != want {
			t.Errorf("it gave %v, %v, want %s", s, err, want)
		}
	}
	endpoint(p.Get, "http://a")
	src.set(func(s *source) { s.config.Endpoint = "http://b" })
	endpoint(p.Get, "http://a")
	endpoint(p.Current, "http://b")
	endpoint(p.Get, "http://b")
	src.set(func(s *source) { s.err = filestore.ErrSecretNotFound })
	if _, err := p.Current(t.Context(), "main"); !errors.Is(err, filestore.ErrSecretNotFound) {
		t.Error(err)
	}
	if _, err := p.Get(t.Context(), "main"); !errors.Is(err, filestore.ErrSecretNotFound) {
		t.Errorf("what was refused is given: %v", err)
	}
}

// TestProviderConcurrent: many callers during a change of the Config get a Store of the old or the
// new one, and one Store is made of each.
func TestProviderConcurrent(t *testing.T) {
	src := &source{config: filestore.Config{Endpoint: "http://a"}}
	made, closed := 0, 0 // the Provider makes and closes under its lock
	p := filestore.NewProvider(src, func(c filestore.Config) (filestore.Store, error) {
		made++
		return &fakeStore{config: c, closed: &closed}, nil
	})
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 200 {
				if _, err := p.Get(t.Context(), "main"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if made != 1 {
		t.Fatalf("one Config made %d stores", made)
	}
	src.changed = p.Changed
	src.set(func(s *source) { s.config.Endpoint = "http://b" })
	for range 16 {
		wg.Go(func() {
			s, err := p.Get(t.Context(), "main")
			if err != nil || s.(*fakeStore).config.Endpoint != "http://b" {
				t.Errorf("after the change Get gave %v, %v", s, err)
			}
		})
	}
	wg.Wait()
	p.Close()
	if made != 2 || closed != 2 {
		t.Fatalf("two Configs made %d stores, %d were closed", made, closed)
	}
}

func BenchmarkProviderGet(b *testing.B) {
	src := &source{config: filestore.Config{Endpoint: "http://a"}}
	closed := 0
	p := filestore.NewProvider(src, func(c filestore.Config) (filestore.Store, error) { return &fakeStore{config: c, closed: &closed}, nil })
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := p.Get(b.Context(), "main"); err != nil {
				b.Error(err)
			}
		}
	})
}
