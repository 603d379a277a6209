package dataplane_test

import (
	"net/http"
	"testing"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/memory"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// tear has another replica replace version 0 of the file with version 1 in the middle of the next
// look at it.
func (s *system) tear(file string) {
	store := s.store.(*memory.Store)
	store.TearStat(s.key(file), func() {
		store.SetObject(s.key(file), []byte("of another replica"), filestore.CreateUploadOptions{
			ContentType: "text/other", Metadata: upload.FileMetadata{Version: 1, Request: "of another replica"}.Encode(),
		})
	})
}

// TestTornLookWrite: a look that gives version 0 with the ETag of version 1 must not let a
// second writer make version 1.
func TestTornLookWrite(t *testing.T) {
	s := newSystem(t, setup{})
	s.want(s.put(s.path("x"), []byte("first")), 201)
	s.tear("x")
	s.want(s.put(s.path("x"), []byte("mine"), "If-Match", "0"), 409)
	if o, file := s.stored("x"); file.Request != "of another replica" || o.Size != int64(len("of another replica")) {
		t.Errorf("the winner's file was overwritten: %+v, %+v", o, file)
	}
	s.want(s.put(s.path("x"), []byte("mine"), "If-Match", "1"), 204)
}

// TestTornLookRead: what a reader is told of a file is of the version that it gets.
func TestTornLookRead(t *testing.T) {
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		s := newSystem(t, setup{})
		s.want(s.put(s.path("x"), []byte("first")), 201)
		s.tear("x")
		got := s.want(s.do(method, s.path("x"), nil), 200)
		if got.header.Get("ETag") != "1" || got.header.Get("Content-Length") != "18" || got.header.Get("Content-Type") != "text/other" {
			t.Errorf("%s: %v", method, got.header)
		}
		if method == http.MethodGet && string(got.body) != "of another replica" {
			t.Errorf("%s: %q", method, got.body)
		}
	}
}

// TestLooks: only a write that replaces something takes a second look.
func TestLooks(t *testing.T) {
	s := newSystem(t, setup{})
	store := s.store.(*memory.Store)
	for _, c := range []struct {
		status, looks int
		do            func() reply
	}{
		{201, 1, func() reply { return s.put(s.path("x"), []byte("first")) }},
		{409, 1, func() reply { return s.put(s.path("x"), []byte("x")) }},
		{409, 1, func() reply { return s.put(s.path("x"), []byte("x"), "If-Match", "7") }},
		{204, 2, func() reply { return s.put(s.path("x"), []byte("x"), "If-Match", "0") }},
		{200, 1, func() reply { return s.get(s.path("x")) }},
		{200, 2, func() reply { return s.do(http.MethodHead, s.path("x"), nil) }},
	} {
		before := store.Calls(memory.Stat)
		got := s.want(c.do(), c.status)
		if n := store.Calls(memory.Stat) - before; n != c.looks {
			t.Errorf("%d after %d looks, want %d", got.status, n, c.looks)
		}
	}
}
