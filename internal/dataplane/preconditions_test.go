package dataplane_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore/memory"
)

// Dates of before and after every file of a test.
const (
	longAgo = "Fri, 02 Jan 1970 03:04:06 GMT"
	farAway = "Fri, 02 Jan 2099 03:04:06 GMT"
)

// TestWritePreconditions: the conditions of RFC 9110, 13 hold for writes, too: 409, before a body
// is asked for, and nothing has changed.
func TestWritePreconditions(t *testing.T) {
	s := newSystem(t, setup{})
	s.want(s.put(s.path("x"), []byte("zero")), 201)
	s.want(s.put(s.path("x"), []byte("one"), "If-Match", "0"), 204) // from here on it is at 1
	modified := s.get(s.path("x")).header.Get("Last-Modified")
	match := []string{"If-Match", "1"}
	for _, tt := range []struct {
		method, path string
		headers      []string
	}{
		{"DELETE", "x", []string{"If-None-Match", "*"}},
		{"DELETE", "x", []string{"If-None-Match", "1"}},
		{"DELETE", "x", []string{"If-None-Match", `"7", W/"1"`}},
		{"DELETE", "x", []string{"If-Unmodified-Since", longAgo}},
		{"DELETE", "x", append(match, "If-None-Match", "*")},
		{"DELETE", "x", []string{"If-Match", "0", "If-Unmodified-Since", farAway}},
		{"PUT", "x", []string{"If-None-Match", "*"}},
		{"PUT", "x", append(match, "If-None-Match", "*")},
		{"PUT", "x", append(match, "If-None-Match", "1")},
		{"PUT", "x?upload=start", []string{"If-None-Match", "*"}},
		{"PUT", "x?upload=start", append(match, "If-None-Match", "*")},
		{"PUT", "x?upload=start", append(match, "If-None-Match", `"1"`)},
	} {
		if strings.HasSuffix(tt.path, "start") || tt.method == "DELETE" {
			s.want(s.do(tt.method, s.path(tt.path), nil, tt.headers...), 409)
		} else {
			s.refusedUnread(tt.method, s.path(tt.path), 409, "", tt.headers...)
		}
	}
	if got := s.want(s.get(s.path("x")), 200); string(got.body) != "one" || len(s.records()) != 0 {
		t.Fatalf("after refusals: %v, %d records", got, len(s.records()))
	}
	// What holds lets the write go on. If-Modified-Since is of reads alone, and a date that is none
	// does not count.
	version := 1
	for _, headers := range [][]string{
		{"If-None-Match", "0"}, {"If-None-Match", `"d41d8cd9"`}, {"If-Unmodified-Since", longAgo}, {"If-Modified-Since", farAway}, {"If-Unmodified-Since", "what"},
	} {
		etag := string(rune('0' + version))
		s.want(s.put(s.path("x"), []byte("next"), append(headers, "If-Match", etag)...), 204)
		version++
	}
	s.want(s.put(s.path("new"), []byte("x"), "If-None-Match", "*", "If-Unmodified-Since", longAgo), 201)
	s.want(s.put(s.path("newer?upload=start"), nil, "If-None-Match", "*"), 201)
	s.want(s.put(s.path("newer?upload=complete"), []byte("x"), "If-None-Match", "*"), 201)
	s.want(s.do(http.MethodDelete, s.path("none"), nil, "If-None-Match", "*"), 404)
	s.want(s.do(http.MethodDelete, s.path("none"), nil, "If-Unmodified-Since", longAgo), 404)
	s.want(s.do(http.MethodDelete, s.path("new"), nil, "If-Modified-Since", farAway, "If-None-Match", "7"), 204)
	s.want(s.do(http.MethodDelete, s.path("newer"), nil, "If-Unmodified-Since", farAway), 204)
	if modified == "" {
		t.Error("no Last-Modified")
	}
}

// TestPartPreconditions: a part compares with what its start has fixed, and asks object storage
// nothing about the file.
func TestPartPreconditions(t *testing.T) {
	store := memory.New(memory.Options{MinPartSize: -1})
	s := newSystem(t, setup{store: store})
	s.want(s.put(s.path("old"), []byte("zero")), 201)
	s.want(s.put(s.path("old?upload=start"), nil, "If-Match", "0"), 204)
	s.want(s.put(s.path("new?upload=start"), nil), 201)
	part, looks := randomBytes(2000), store.Calls(memory.Stat)
	for _, tt := range []struct {
		file    string
		headers []string
		status  int
	}{
		{"old", []string{"If-None-Match", "*"}, 409},
		{"old", []string{"If-None-Match", "0"}, 409},
		{"old", []string{"If-None-Match", `"5", "0"`}, 409},
		{"old", []string{"If-Match", "0", "If-None-Match", "0"}, 409},
		{"old", []string{"If-Unmodified-Since", farAway}, 400},
		{"new", []string{"If-Unmodified-Since", farAway}, 400},
		{"new", []string{"If-Match", "0"}, 409},
	} {
		s.refusedUnread(http.MethodPut, s.path(tt.file+"?part=1"), tt.status, "", tt.headers...)
	}
	s.want(s.put(s.path("old?part=1"), part, "If-Match", "0", "If-None-Match", "1", "If-Modified-Since", farAway), 204)
	s.want(s.put(s.path("new?part=1"), part, "If-None-Match", "*"), 201)
	s.want(s.put(s.path("new?part=2"), part, "If-None-Match", "0"), 201)
	if n := store.Calls(memory.Stat) - looks; n != 0 {
		t.Errorf("%d looks at files for parts", n)
	}
	// The completion looks at the file where it must, and at nothing but what the start has fixed
	// when it is repeated.
	s.refusedUnread(http.MethodPut, s.path("old?upload=complete"), 409, "", "If-None-Match", "*")
	s.refusedUnread(http.MethodPut, s.path("old?upload=complete"), 409, "", "If-Unmodified-Since", longAgo)
	s.want(s.put(s.path("old?upload=complete"), nil, "If-Unmodified-Since", farAway, "If-None-Match", "7"), 204)
	for range 2 {
		s.want(s.put(s.path("new?upload=complete"), nil, "If-None-Match", "*", "If-Unmodified-Since", longAgo), 201)
	}
	s.want(s.put(s.path("new?upload=start"), nil, "If-Match", "0"), 204)
	s.want(s.put(s.path("new?upload=abort"), nil, "If-None-Match", "*"), 400)
	s.want(s.put(s.path("new?upload=abort"), nil, "If-Unmodified-Since", longAgo), 400)
	s.want(s.put(s.path("new?upload=abort"), nil, "If-Match", "7"), 204)
}

// TestReplaysWithPreconditions: a request that is sent again because its answer was lost is not
// refused for what it has done itself.
func TestReplaysWithPreconditions(t *testing.T) {
	s := newSystem(t, setup{})
	headers := []string{"If-None-Match", "*", "If-Unmodified-Since", longAgo, "Idempotency-Key", "k"}
	for range 2 {
		s.want(s.put(s.path("put"), []byte("x"), headers...), 201)
		s.want(s.put(s.path("parts?upload=start"), nil, headers...), 201)
	}
	begin := time.Now()
	s.want(s.put(s.path("parts?upload=complete"), []byte("x")), 201)
	if took := time.Since(begin); took > time.Minute {
		t.Errorf("the completion took %v", took)
	}
}
