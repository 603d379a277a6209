package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

func (s *suite) listObjects(t *testing.T) {
	t.Run("Order", s.listOrder)
	t.Run("Attributes", s.listAttributes)
	t.Run("Nothing", s.listNothing)
	t.Run("BelowAnObject", s.listBelow)
	t.Run("StopsWhenTold", s.listStops)
	t.Run("Canceled", s.listCanceled)
	t.Run("Pages", s.listPages)
}

// listed is a whole listing.
func (s *suite) listed(t *testing.T, prefix, after string) []filestore.Object {
	t.Helper()
	var list []filestore.Object
	if err := s.Store.ListObjects(t.Context(), prefix, after, func(o filestore.Object) bool {
		list = append(list, o)
		return true
	}); err != nil {
		t.Fatalf("ListObjects(%q, %q): %v", prefix, after, err)
	}
	return list
}

// wantListed fails unless the keys of a listing are these.
func (s *suite) wantListed(t *testing.T, prefix, after string, want []string) {
	t.Helper()
	got := s.listed(t, prefix, after)
	keys := make([]string, len(got))
	for i, o := range got {
		keys[i] = o.Key
	}
	if !slices.Equal(keys, want) {
		t.Errorf("ListObjects(%q, %q) gave %d keys:\n%q\nwant %d:\n%q", prefix, after, len(keys), keys, len(want), want)
	}
}

// listOrder: by the bytes of the whole key, which is neither that of a walk through directories nor
// that of UTF-16.
func (s *suite) listOrder(t *testing.T) {
	dir := s.Prefix + "order/"
	names := []string{
		"a!", "a+b", "a-b", "a-c/d", "a.b", "a/b", "a/b-c", "a/b.c/d", "a/c", "a/c0", "a0", "a1/x", "aa", "b c", "b%20c", "b&c", "b/ /c", "b<c>", "B", "Z/z", "_", "~",
		"é", "e\u0301", "ﾟ-halfwidth", "🛰️", "日本", "日本語/ファイル", "z/y/x/w", "z-",
	}
	want := make([]string, 0, len(names))
	for _, name := range names {
		s.putObject(t, dir+name, []byte(name), filestore.Condition{})
		want = append(want, dir+name)
	}
	slices.Sort(want)
	s.wantListed(t, dir, "", want)
	// After each of them, and after keys in between that are none.
	for i, key := range want {
		s.wantListed(t, dir, key, want[i+1:])
		after := key + "\x21"
		from, _ := slices.BinarySearch(want, after)
		if from < len(want) && want[from] == after {
			from++
		}
		s.wantListed(t, dir, after, want[from:])
	}
	s.wantListed(t, dir, s.Prefix+"order", want)
	s.wantListed(t, dir, s.Prefix+"zzz", nil)
	// Prefixes that end within a segment, and within a character's neighbours.
	for _, prefix := range []string{"a", "a-", "a/", "a/b", "a/b.", "日", "日本語/", "e", "b ", "b%", "nothing", "a/b/"} {
		var some []string
		for _, key := range want {
			if bytes.HasPrefix([]byte(key), []byte(dir+prefix)) {
				some = append(some, key)
			}
		}
		s.wantListed(t, dir+prefix, "", some)
		if len(some) > 1 {
			s.wantListed(t, dir+prefix, some[0], some[1:])
		}
	}
}

func (s *suite) listAttributes(t *testing.T) {
	dir := s.key() + "/"
	opts := filestore.CreateUploadOptions{ContentType: "text/plain; charset=utf-8", Metadata: map[string]string{
		"version": "7", "description": "two  blanks, \"quotes\", 100% + #1 & <x>; a=b", "content-type": "mine", "expires": "never",
	}}
	put := s.putObjectWith(t, dir+"put", []byte("put"), opts, filestore.Condition{})
	ref := s.openWith(t, dir+"uploaded", opts)
	s.put(t, ref, 1, []byte("uploaded"))
	uploaded := s.finish(t, ref, filestore.Condition{})
	plain := s.putObjectWith(t, dir+"plain", nil, filestore.CreateUploadOptions{}, filestore.Condition{})
	s.open(t, dir+"open") // an upload is no object
	got := s.listed(t, dir, "")
	for i, want := range []filestore.Object{plain, put, uploaded} {
		if len(got) != 3 {
			t.Fatalf("ListObjects gave %+v", got)
		}
		o := got[i]
		if o.Key != want.Key || o.Size != want.Size || o.ETag != want.ETag {
			t.Errorf("ListObjects gave %+v, want %+v", o, want)
		}
		if age := time.Since(o.Modified); age < -time.Hour || age > time.Hour {
			t.Errorf("%s was stored at %v", o.Key, o.Modified)
		}
		if s.Traits[ListingMetadata] != "true" {
			if o.Metadata != nil || o.ContentType != "" {
				t.Errorf("%s is listed with metadata %v of type %q, without that capability", o.Key, o.Metadata, o.ContentType)
			}
			continue
		}
		stat, err := s.Store.Stat(t.Context(), o.Key)
		if err != nil {
			t.Fatal(err)
		}
		if o.Metadata == nil || !maps.Equal(o.Metadata, stat.Metadata) || o.ContentType != stat.ContentType {
			t.Errorf("ListObjects gave metadata %v of type %q, Stat %v of type %q", o.Metadata, o.ContentType, stat.Metadata, stat.ContentType)
		}
	}
}

func (s *suite) listNothing(t *testing.T) {
	s.wantListed(t, s.key(), "", nil)
	s.wantListed(t, s.key()+"/", "", nil)
	object := s.key()
	s.putObject(t, object, []byte("x"), filestore.Condition{})
	s.wantListed(t, object+"/", "", nil)
	s.wantListed(t, object, object, nil)
	s.wantListed(t, s.Prefix+"nothing/"+longName[:800], "", nil)
	emptied := s.key()
	s.putObject(t, emptied+"/a/b", []byte("x"), filestore.Condition{})
	if err := s.Store.DeleteObject(t.Context(), emptied+"/a/b"); err != nil {
		t.Fatal(err)
	}
	s.wantListed(t, emptied, "", nil)
}

// listBelow: where an object can be stored below another one, it may be found by its key only.
func (s *suite) listBelow(t *testing.T) {
	object := s.key()
	s.putObject(t, object, []byte("x"), filestore.Condition{})
	if _, err := s.tryPut(t, object+"/below", "x", filestore.Condition{}); err != nil {
		s.observe(t, ListBelowObject, "cannot be stored")
		return
	}
	observed := "**not listed**"
	if got := s.listed(t, object, ""); len(got) == 2 && got[1].Key == object+"/below" {
		observed = "listed"
	}
	s.observe(t, ListBelowObject, observed)
}

func (s *suite) listStops(t *testing.T) {
	dir := s.key() + "/"
	for i := range 3 {
		s.putObject(t, fmt.Sprint(dir, i), []byte("x"), filestore.Condition{})
	}
	n := 0
	if err := s.Store.ListObjects(t.Context(), dir, "", func(filestore.Object) bool {
		n++
		return n < 2
	}); err != nil || n != 2 {
		t.Errorf("yield was called %d times, and said false the second time: %v", n, err)
	}
}

// listCanceled: a listing that was not finished does not look as if it were.
func (s *suite) listCanceled(t *testing.T) {
	dir := s.key() + "/"
	s.putObject(t, dir+"a", []byte("x"), filestore.Condition{})
	why := errors.New("nobody waits any more")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	err := s.Store.ListObjects(ctx, dir, "", func(filestore.Object) bool { return true })
	wantErr(t, err, why)
	wantErr(t, err, context.Canceled)
	late, stop := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer stop()
	err = s.Store.ListObjects(late, dir, "", func(filestore.Object) bool { return true })
	wantErr(t, err, filestore.ErrUnavailable)
	wantErr(t, err, context.DeadlineExceeded)
}

// listPages: more than one page, and each key once, wherever it begins. The Store can be used
// meanwhile.
func (s *suite) listPages(t *testing.T) {
	const count = 2100
	dir := s.key() + "/"
	names := make(chan string)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for name := range names {
				if _, err := s.Store.PutObject(t.Context(), name, bytes.NewReader(nil), 0, filestore.CreateUploadOptions{}, filestore.Condition{}); err != nil {
					t.Errorf("PutObject(%q): %v", name, err)
				}
			}
		})
	}
	want := make([]string, 0, count)
	for i := range count {
		// Directories and files that sort between them, so that pages end in, before and behind
		// directories.
		name := fmt.Sprintf("%sd%02d%s%04d", dir, i/50, []string{"/", "-", "/é/"}[i%3], i)
		want = append(want, name)
		names <- name
	}
	close(names)
	wg.Wait()
	slices.Sort(want)
	s.wantListed(t, dir, "", want)
	for _, from := range []int{0, 99, 999, 1000, 1001, 1099, 1100, 1999, count - 1} {
		s.wantListed(t, dir, want[from], want[from+1:])
	}
	// What is deleted while it is listed may or may not come; what stays comes once.
	seen := map[string]int{}
	if err := s.Store.ListObjects(t.Context(), dir, "", func(o filestore.Object) bool {
		seen[o.Key]++
		if len(seen)%7 == 0 {
			if err := s.Store.DeleteObject(t.Context(), o.Key); err != nil {
				t.Errorf("DeleteObject: %v", err)
			}
		}
		return true
	}); err != nil {
		t.Fatal(err)
	}
	for _, key := range want {
		if seen[key] != 1 {
			t.Errorf("%q came %d times", key, seen[key])
		}
	}
}
