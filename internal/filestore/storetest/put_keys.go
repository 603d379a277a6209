package storetest

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

func (s *suite) putKey(t *testing.T, key string) {
	s.needsKey(t, key)
	content := []byte("content of " + key)
	s.putObject(t, key, content, s.absent())
	s.wantObject(t, key, content)
	if o, err := s.Store.Stat(t.Context(), key); err != nil || o.Key != key {
		t.Errorf("Stat gave %q, %v", o.Key, err)
	}
	if got := s.listed(t, key, ""); len(got) != 1 || got[0].Key != key || got[0].Size != int64(len(content)) {
		t.Errorf("ListObjects(%q) gave %+v", key, got)
	}
	if err := s.Store.DeleteObject(t.Context(), key); err != nil {
		t.Errorf("DeleteObject: %v", err)
	}
	s.wantNoObject(t, key)
}

func (s *suite) putInvalidKeys(t *testing.T) {
	for _, key := range []string{"", (s.Prefix + longName)[:1024] + "x", s.Prefix + "not\xffUTF-8"} {
		_, err := s.tryPut(t, key, "x", filestore.Condition{})
		wantErr(t, err, filestore.ErrInvalidKey)
		wantErr(t, s.Store.DeleteObject(t.Context(), key), filestore.ErrInvalidKey)
	}
	none := func(filestore.Object) bool { return true }
	wantErr(t, s.Store.ListObjects(t.Context(), s.Prefix+"not\xffUTF-8", "", none), filestore.ErrInvalidKey)
	wantErr(t, s.Store.ListObjects(t.Context(), s.Prefix, "not\xffUTF-8", none), filestore.ErrInvalidKey)
}

// putDifficultKeys are those that backends on a file system cannot store beside others. What is
// there stays.
func (s *suite) putDifficultKeys(t *testing.T) {
	try := func(key string) string {
		if _, err := s.tryPut(t, key, "x", filestore.Condition{}); err != nil {
			return kindOf(err)
		}
		s.wantPut(t, key, "x")
		return "OK"
	}
	s.observe(t, PutLongSegment, try(s.Prefix+"long/"+strings.Repeat("p", 256)))
	object, dir := s.key(), s.key()
	s.putObject(t, object, []byte("object"), filestore.Condition{})
	s.observe(t, PutBelowObject, try(object+"/below"))
	s.wantObject(t, object, []byte("object"))
	s.putObject(t, dir+"/a/below", []byte("below"), filestore.Condition{})
	s.observe(t, PutDirectory, try(dir))
	s.wantObject(t, dir+"/a/below", []byte("below"))

	emptied := s.key()
	s.putObject(t, emptied+"/a/below", []byte("below"), filestore.Condition{})
	if err := s.Store.DeleteObject(t.Context(), emptied+"/a/below"); err != nil {
		t.Fatal(err)
	}
	s.observe(t, PutWhereKeysWere, try(emptied))
}

// putWholeOrNothing: readers see the old or the new object, whole, with its own metadata.
func (s *suite) putWholeOrNothing(t *testing.T) {
	key := s.key()
	old, neu := random(94, 100_000), random(95, 6<<20)
	s.putObject(t, key, old, filestore.Condition{})
	done := make(chan error, 1)
	go func() {
		_, err := s.Store.PutObject(t.Context(), key, &dribble{rest: neu}, int64(len(neu)), filestore.CreateUploadOptions{}, filestore.Condition{})
		done <- err
	}()
	for finished := false; !finished; {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			finished = true
		default:
		}
		if got := s.read(t, key); !bytes.Equal(got, old) && !bytes.Equal(got, neu) {
			t.Fatalf("a reader sees %d bytes that are neither the old nor the new object", len(got))
		}
	}
	s.wantObject(t, key, neu)
}

// putWhileRead: as replacedWhileRead.
func (s *suite) putWhileRead(t *testing.T) {
	key := s.key()
	content := random(96, beyondBuffers)
	s.putObject(t, key, content, filestore.Condition{})
	r, err := s.Store.Open(t.Context(), filestore.Object{Key: key}, filestore.ByteRange{Length: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var got bytes.Buffer
	if _, err := io.CopyN(&got, r, 1000); err != nil {
		t.Fatal(err)
	}
	put := make(chan error, 1)
	go func() {
		_, err := s.tryPut(t, key, "new", filestore.Condition{})
		put <- err
	}()
	observed, putErr := "PutObject goes ahead", error(nil)
	waits := false
	select {
	case putErr = <-put:
	case <-time.After(10 * quiet):
		observed, waits = "PutObject **waits for the reader**", true
	}
	_, err = io.Copy(&got, r)
	if waits {
		putErr = <-put
	}
	if putErr != nil {
		t.Errorf("PutObject: %v", putErr)
	}
	s.observe(t, PutWhileRead, observed+oldOrCut(t, content, got.Bytes(), err))
	s.wantPut(t, key, "new")
}

func (s *suite) deletes(t *testing.T) {
	key := s.key()
	del := func(t *testing.T, key string) {
		t.Helper()
		if err := s.Store.DeleteObject(t.Context(), key); err != nil {
			t.Errorf("DeleteObject(%q): %v", key, err)
		}
	}
	t.Run("Idempotent", func(t *testing.T) {
		del(t, key)
		s.putObject(t, key, []byte("x"), filestore.Condition{})
		for range 2 {
			del(t, key)
			s.wantNoObject(t, key)
			if got := s.listed(t, key, ""); len(got) > 0 {
				t.Errorf("%+v is listed after it was deleted", got)
			}
		}
		s.putObject(t, key, []byte("again"), s.absent())
		s.wantObject(t, key, []byte("again"))
	})
	t.Run("ConditionalUpdateAfterwards", func(t *testing.T) {
		s.needs(t, ConditionalPut)
		key := s.key()
		o := s.putObject(t, key, []byte("x"), filestore.Condition{})
		del(t, key)
		_, err := s.tryPut(t, key, "y", filestore.Condition{ETag: o.ETag})
		wantErr(t, err, filestore.ErrPrecondition)
		s.wantNoObject(t, key)
	})
	t.Run("LeavesOthersAlone", func(t *testing.T) {
		dir := s.key()
		ref := s.open(t, dir)
		part := s.put(t, ref, 1, []byte("part"))
		for _, name := range []string{"/a", "/a.b", "/c/d"} {
			s.putObject(t, dir+name, []byte(name), filestore.Condition{})
		}
		for _, name := range []string{"", "/", "/a/b", "/c", "/c/", "/nothing", "/nothing/at/all"} {
			if err := s.Store.DeleteObject(t.Context(), dir+name); err != nil && !errors.Is(err, filestore.ErrInvalidKey) {
				t.Errorf("DeleteObject(%q): %v", dir+name, err)
			}
		}
		for _, name := range []string{"/a", "/a.b", "/c/d"} {
			s.wantObject(t, dir+name, []byte(name))
		}
		s.wantParts(t, ref, part)
	})
	t.Run("LongSegment", func(t *testing.T) {
		err := s.Store.DeleteObject(t.Context(), s.Prefix+strings.Repeat("d", 256))
		if err != nil && !errors.Is(err, filestore.ErrInvalidKey) {
			t.Errorf("DeleteObject: %v", err)
		}
	})
}
