package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

func (s *suite) objects(t *testing.T) {
	t.Run("Metadata", s.metadata)
	t.Run("ContentHeaders", s.contentHeaders)
	t.Run("NotFound", s.notFound)
	t.Run("Ranges", s.ranges)
	t.Run("PinnedByETag", s.pinned)
	t.Run("CanceledRead", s.canceledRead)
	t.Run("ReplacedWhileRead", s.replacedWhileRead)
}

func (s *suite) metadata(t *testing.T) {
	for _, contentType := range []string{"image/png", "text/plain; charset=utf-8", "application/octet-stream"} {
		want := map[string]string{
			"version": "42", "owner-uid": "0f5a", "description": "two  blanks, \"quotes\", 100% + #1 & <x>; a=b",
			// Names of headers with a meaning of their own are plain metadata all the same.
			"expires": "never", "content-type": "mine", "content-encoding": "aws-chunked", "cache-control": "z", "x-amz-acl": "q",
		}
		ref := s.openWith(t, s.key(), filestore.CreateUploadOptions{ContentType: contentType, Metadata: want})
		s.put(t, ref, 1, []byte("x"))
		done := s.finish(t, ref, filestore.Condition{})
		if done.Metadata != nil {
			t.Errorf("CompleteUpload gave metadata %v", done.Metadata)
		}
		o, err := s.Store.Stat(t.Context(), ref.Key)
		if err != nil {
			t.Fatal(err)
		}
		if o.Key != ref.Key || o.ContentType != contentType || o.Modified.IsZero() || o.Size != 1 {
			t.Errorf("Stat gave %+v", o)
		}
		if !maps.Equal(o.Metadata, want) {
			t.Errorf("metadata\n%v became\n%v", want, o.Metadata)
		}
	}
}

// contentHeaders: those that an object is stored with come back, from an upload and from a
// PutObject, with each answer that tells of it; others have none.
func (s *suite) contentHeaders(t *testing.T) {
	for _, want := range []filestore.ContentHeaders{
		contentHeaders,
		{},
		{ContentEncoding: "gzip, br"},
		{ContentLanguage: strings.Repeat("x", 255)},
		{ContentDisposition: "inline; filename*=UTF-8''%C3%BC.bin; x=\"" + strings.Repeat("x", 980) + "\""},
		{CacheControl: "no-store"},
	} {
		opts := filestore.CreateUploadOptions{ContentType: "text/plain", ContentHeaders: want, Metadata: map[string]string{"version": "1"}}
		content := []byte("these bytes are as they are")
		ref, put := s.openWith(t, s.key(), opts), s.key()
		s.put(t, ref, 1, content)
		s.finish(t, ref, filestore.Condition{})
		s.putObjectWith(t, put, content, opts, filestore.Condition{})
		for _, key := range []string{ref.Key, put} {
			o, err := s.Store.Stat(t.Context(), key)
			if err != nil {
				t.Fatal(err)
			}
			if o.ContentHeaders != want {
				t.Errorf("%+v became %+v", want, o.ContentHeaders)
			}
			for _, rng := range []filestore.ByteRange{{Length: -1}, {Offset: 1, Length: 3}} {
				r, err := s.Store.Open(t.Context(), o, rng) // fails if the answer tells of others
				if err != nil {
					t.Errorf("Open(%+v) of %+v: %v", rng, want, err)
					continue
				}
				_ = r.Close()
			}
			s.wantObject(t, key, content)
		}
	}
}

func (s *suite) notFound(t *testing.T) {
	key := s.key()
	s.open(t, key) // an upload is no object
	_, err := s.Store.Stat(t.Context(), key)
	wantErr(t, err, filestore.ErrNotFound)
	_, err = s.Store.Open(t.Context(), filestore.Object{Key: key}, filestore.ByteRange{Length: -1})
	wantErr(t, err, filestore.ErrNotFound)
}

func (s *suite) ranges(t *testing.T) {
	const size = 100_000
	key, empty := s.key(), s.key()
	content := random(70, size)
	s.store(t, key, content, filestore.Condition{})
	emptyRef := s.open(t, empty)
	_, emptyErr := s.Store.PutPart(t.Context(), emptyRef, 1, bytes.NewReader(nil), 0)
	if emptyErr == nil {
		s.finish(t, emptyRef, filestore.Condition{})
	}
	for _, tc := range []struct {
		key    string
		rng    filestore.ByteRange
		want   []byte
		failed bool
	}{
		{key, filestore.ByteRange{Offset: 0, Length: -1}, content, false},
		{key, filestore.ByteRange{Offset: 0, Length: 1}, content[:1], false},
		{key, filestore.ByteRange{Offset: 0, Length: size}, content, false},
		{key, filestore.ByteRange{Offset: 0, Length: size + 1}, content, false},
		{key, filestore.ByteRange{Offset: 1, Length: -1}, content[1:], false},
		{key, filestore.ByteRange{Offset: 500, Length: 1500}, content[500:2000], false},
		{key, filestore.ByteRange{Offset: size - 1, Length: -1}, content[size-1:], false},
		{key, filestore.ByteRange{Offset: size - 1, Length: 10}, content[size-1:], false},
		{key, filestore.ByteRange{Offset: 5, Length: 0}, nil, false},
		{key, filestore.ByteRange{Offset: size, Length: 0}, nil, false},
		{key, filestore.ByteRange{Offset: size, Length: -1}, nil, true},
		{key, filestore.ByteRange{Offset: size, Length: 1}, nil, true},
		{key, filestore.ByteRange{Offset: size + 1, Length: 0}, nil, true},
		{key, filestore.ByteRange{Offset: -1, Length: 1}, nil, true},
		{empty, filestore.ByteRange{Offset: 0, Length: -1}, nil, false},
		{empty, filestore.ByteRange{Offset: 0, Length: 0}, nil, false},
		{empty, filestore.ByteRange{Offset: 1, Length: -1}, nil, true},
	} {
		if tc.key == empty && emptyErr != nil {
			continue
		}
		r, err := s.Store.Open(t.Context(), filestore.Object{Key: tc.key}, tc.rng)
		if tc.failed {
			if !errors.Is(err, filestore.ErrRange) {
				t.Errorf("Open(%+v): %v", tc.rng, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("Open(%+v): %v", tc.rng, err)
			continue
		}
		got, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(got, tc.want) {
			t.Errorf("Open(%+v) gave %d bytes, %v; want %d", tc.rng, len(got), err, len(tc.want))
		}
		if err := r.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
}

func (s *suite) pinned(t *testing.T) {
	key := s.key()
	s.store(t, key, []byte("old"), filestore.Condition{})
	old, err := s.Store.Stat(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	ranges := []filestore.ByteRange{{Length: -1}, {Offset: 1, Length: 1}, {Offset: 1}, {Length: 3}}
	for _, rng := range ranges {
		r, err := s.Store.Open(t.Context(), old, rng)
		if err != nil {
			t.Fatalf("Open(%+v) of the ETag that it has: %v", rng, err)
		}
		_ = r.Close()
	}
	for _, change := range []func(*filestore.Object){
		func(o *filestore.Object) { o.Metadata = map[string]string{"version": "1"} },
		func(o *filestore.Object) { o.ContentType = "image/png" },
		func(o *filestore.Object) { o.ContentEncoding = "br" },
		func(o *filestore.Object) { o.CacheControl = "no-store" },
		func(o *filestore.Object) { o.Modified = o.Modified.Add(-time.Second) },
		func(o *filestore.Object) { o.Size++ },
	} {
		mixed := old
		change(&mixed)
		_, err := s.Store.Open(t.Context(), mixed, filestore.ByteRange{Length: 2})
		wantErr(t, err, filestore.ErrPrecondition)
	}
	s.store(t, key, []byte("new"), filestore.Condition{})
	for _, rng := range ranges {
		_, err := s.Store.Open(t.Context(), old, rng)
		wantErr(t, err, filestore.ErrPrecondition)
	}
}

func (s *suite) canceledRead(t *testing.T) {
	key := s.key()
	s.store(t, key, random(71, 16<<20), filestore.Condition{})
	ctx, cancel := context.WithCancel(t.Context())
	r, err := s.Store.Open(ctx, filestore.Object{Key: key}, filestore.ByteRange{Length: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.ReadFull(r, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	cancel()
	_, err = io.Copy(io.Discard, r)
	wantErr(t, err, context.Canceled)
}

// replacedWhileRead: a reader gets the object that it has opened, or an error, and never a mixture.
func (s *suite) replacedWhileRead(t *testing.T) {
	key := s.key()
	content := random(72, beyondBuffers)
	s.store(t, key, content, filestore.Condition{})
	ref := s.open(t, key)
	s.put(t, ref, 1, random(73, beyondBuffers))
	r, err := s.Store.Open(t.Context(), filestore.Object{Key: key}, filestore.ByteRange{Length: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var got bytes.Buffer
	if _, err := io.CopyN(&got, r, 1000); err != nil {
		t.Fatal(err)
	}
	completed := make(chan struct{})
	go func() {
		defer close(completed)
		s.finish(t, ref, filestore.Condition{})
	}()
	observed := "Complete goes ahead"
	select {
	case <-completed:
	case <-time.After(40 * quiet): // the parts are large, and the race detector makes the in-memory store slow
		observed = "Complete **waits for the reader**"
	}
	_, err = io.Copy(&got, r)
	<-completed
	s.observe(t, ReplacedWhileRead, observed+oldOrCut(t, content, got.Bytes(), err))
	s.wantObject(t, key, random(73, beyondBuffers))
}

// oldOrCut holds what a reader got, of an object that was replaced meanwhile, against the old
// content: all of it, or an error and no byte of another. It says which.
func oldOrCut(t *testing.T, content, got []byte, err error) string {
	t.Helper()
	if !bytes.HasPrefix(content, got) {
		t.Error("the reader got bytes of another object")
	}
	switch {
	case err != nil:
		wantErr(t, err, io.ErrUnexpectedEOF)
		return ", reader fails"
	case len(got) != len(content):
		t.Errorf("the reader got %d bytes of %d and a clean end", len(got), len(content))
	}
	return ", reader gets the old object"
}

// oddNames are names of files that the contract allows, and that something on the way could take
// for something else.
var oddNames = []string{
	"plain", "with blank", "two  blanks", " leading blank", "trailing blank ", "percent%41%2F%", "plus+and-minus", "hash#and?query&a=b", "quote'\"`",
	"umlaut-äöü", "日本語/ファイル.bin", "emoji-🛰️", "e\u0301-decomposed", ".leading-dot", "..two-dots", "trailing-dot.", "a/.hidden/b",
	"back\\slash", "colon:semicolon;comma,", "angle<>brackets[]{}", "at@dollar$bang!star*paren()", "pipe|caret^tilde~", "UPPER/lower", "a=b",
}

// longName is a name of more than 1024 bytes.
var longName = strings.TrimSuffix(strings.Repeat(strings.Repeat("k", 199)+"/", 6), "/")

// keys: every key that the contract allows comes back as it was given.
func (s *suite) keys(t *testing.T) {
	for _, name := range oddNames {
		t.Run(name, func(t *testing.T) {
			s.roundTripKey(t, s.Prefix+"keys/"+name)
		})
	}
	t.Run("1024 bytes", func(t *testing.T) { s.roundTripKey(t, (s.Prefix + longName)[:1024]) })
	t.Run("invalid", func(t *testing.T) {
		for _, key := range []string{"", (s.Prefix + longName)[:1024] + "x", s.Prefix + "not\xffUTF-8"} {
			_, err := s.Store.CreateUpload(t.Context(), key, filestore.CreateUploadOptions{})
			wantErr(t, err, filestore.ErrInvalidKey)
			_, err = s.Store.Stat(t.Context(), key)
			wantErr(t, err, filestore.ErrInvalidKey)
		}
	})
	t.Run("difficult", s.difficultKeys)
}

// needsKey leaves out a key that the backend cannot hold, or takes for another, as its probe has
// found: the operator refuses it there.
func (s *suite) needsKey(t *testing.T, key string) {
	t.Helper()
	limits := s.Traits[KeyLimits]
	if strings.Contains(key, "\\") && strings.Contains(limits, "a backslash") {
		t.Skip("a backslash is a slash there")
	}
	most := 0
	if _, err := fmt.Sscanf(limits, overBytes, &most); err == nil && len(key) > most {
		t.Skipf("no key has over %d bytes there", most)
	}
}

func (s *suite) roundTripKey(t *testing.T, key string) {
	s.needsKey(t, key)
	content := []byte("content of " + key)
	ref := s.open(t, key)
	s.put(t, ref, 1, content)
	if err := s.Store.ListUploads(t.Context(), key, func(u filestore.Upload) bool {
		if u.UploadRef == ref {
			return false
		}
		t.Errorf("ListUploads(%q) gave %q", key, u.Key)
		return true
	}); err != nil && s.Traits[UploadListing] != string(v1alpha1.UploadListingNone) {
		t.Errorf("ListUploads: %v", err)
	}
	if o := s.finish(t, ref, filestore.Condition{Absent: true}); o.Key != key {
		t.Errorf("CompleteUpload gave the key %q", o.Key)
	}
	s.wantObject(t, key, content)
	if o, err := s.Store.Stat(t.Context(), key); err != nil || o.Key != key {
		t.Errorf("Stat gave %q, %v", o.Key, err)
	}
}

// difficultKeys are those that backends on a file system cannot store beside others.
func (s *suite) difficultKeys(t *testing.T) {
	try := func(key string) string {
		id, err := s.Store.CreateUpload(t.Context(), key, filestore.CreateUploadOptions{})
		if err != nil {
			return "CreateUpload: " + kindOf(err)
		}
		ref := filestore.UploadRef{Key: key, UploadID: id}
		defer func() { _ = s.Store.AbortUpload(context.WithoutCancel(t.Context()), ref) }()
		p, err := s.Store.PutPart(t.Context(), ref, 1, bytes.NewReader([]byte("x")), 1)
		if err != nil {
			return "PutPart: " + kindOf(err)
		}
		if _, err := s.Store.CompleteUpload(t.Context(), ref, []filestore.Part{p}, filestore.Condition{}); err != nil {
			return "CompleteUpload: " + kindOf(err)
		}
		if _, err := s.Store.Stat(t.Context(), key); err != nil {
			return fmt.Sprintf("stored, but Stat: %s", kindOf(err))
		}
		return "OK"
	}
	s.observe(t, LongSegment, try(s.Prefix+"long/"+strings.Repeat("s", 256)))
	object := s.key()
	s.store(t, object, []byte("x"), filestore.Condition{})
	s.observe(t, KeyBelowObject, try(object+"/below"))
	dir := s.key()
	s.store(t, dir+"/below", []byte("x"), filestore.Condition{})
	s.observe(t, KeyOfDirectory, try(dir))
	for _, key := range []string{object + "/nothing", dir} {
		if _, err := s.Store.Stat(t.Context(), key); err != nil && !errors.Is(err, filestore.ErrNotFound) {
			t.Errorf("Stat(%q): %v", key, err)
		}
	}
	_, err := s.Store.Stat(t.Context(), s.Prefix+strings.Repeat("s", 256))
	if !errors.Is(err, filestore.ErrNotFound) && !errors.Is(err, filestore.ErrInvalidKey) {
		t.Errorf("Stat of a long segment: %v", err)
	}
}
