package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

// puts tests ObjectWriter in the mode of the Store, and what it promises of the bytes in all other
// modes too.
func (s *suite) puts(t *testing.T) {
	s.putsInMode(t, s.mode(t))
	t.Run("Checksum", s.putChecksum)
	t.Run("Big", s.putBig)
	t.Run("Keys", func(t *testing.T) {
		for _, name := range oddNames {
			t.Run(name, func(t *testing.T) {
				s.putKey(t, s.Prefix+"put/"+name)
			})
		}
		t.Run("1024 bytes", func(t *testing.T) { s.putKey(t, (s.Prefix + "put/" + longName)[:1024]) })
		t.Run("invalid", s.putInvalidKeys)
		t.Run("difficult", s.putDifficultKeys)
	})
	t.Run("WholeOrNotAtAll", s.putWholeOrNothing)
	t.Run("ReplacedWhileRead", s.putWhileRead)
	if s.Reach == nil {
		return
	}
	t.Run("Network", s.putNetwork)
	for _, mode := range modes {
		if mode == s.mode(t) || s.Traits[ObjectInMode(mode, Whole)] != "OK; stored" {
			continue
		}
		t.Run(string(mode), func(t *testing.T) {
			s.over(s.Reach(t, s.Address, mode)).putsInMode(t, mode)
		})
	}
}

// over is the suite with another Store of the same backend.
func (s *suite) over(store filestore.Store) *suite {
	other := &suite{Backend: s.Backend, table: s.table}
	other.Store = store
	other.Prefix = fmt.Sprintf("%sover-%d/", s.Prefix, s.seq.Add(1))
	return other
}

func (s *suite) putsInMode(t *testing.T, mode v1alpha1.PayloadMode) {
	t.Run("RoundTrip", s.putRoundTrip)
	t.Run("InvalidSize", s.putInvalidSize)
	t.Run("BodyLongerThanSize", s.putLongBody)
	t.Run("Conditions", s.putConditions)
	t.Run("ConditionOfAnUpload", s.putOverUpload)
	t.Run("Racing", s.putRacing)
	if mode != v1alpha1.PayloadUnsigned { // what becomes of those in this mode is no promise; see RunModes
		t.Run("CutBodies", s.putCutBodies)
		t.Run("BodyStaysTheCallers", s.putBodyStays)
	}
}

// putObject stores an object, which must succeed.
func (s *suite) putObject(t *testing.T, key string, content []byte, cond filestore.Condition) filestore.Object {
	t.Helper()
	return s.putObjectWith(t, key, content, filestore.CreateUploadOptions{ContentType: "application/octet-stream"}, cond)
}

func (s *suite) putObjectWith(t *testing.T, key string, content []byte, opts filestore.CreateUploadOptions, cond filestore.Condition) filestore.Object {
	t.Helper()
	o, err := s.Store.PutObject(t.Context(), key, &dribble{rest: content}, int64(len(content)), opts, cond)
	if err != nil {
		t.Fatalf("PutObject(%q, %d bytes, %+v): %v", key, len(content), cond, err)
	}
	if o.Key != key || o.Size != int64(len(content)) || o.ETag == "" || o.Metadata != nil || !o.Modified.IsZero() {
		t.Fatalf("PutObject(%q, %d bytes) = %+v", key, len(content), o)
	}
	return o
}

func (s *suite) putRoundTrip(t *testing.T) {
	for _, size := range []int{0, 1, 4095, 1<<20 - 1, 1 << 20, 1<<20 + 1, 3<<20 + 17} {
		content := random(uint64(size), size)
		opts := filestore.CreateUploadOptions{ContentType: "text/plain; charset=utf-8", Metadata: map[string]string{
			"version": "42", "owner-uid": fmt.Sprint(size), "description": "two  blanks, \"quotes\", 100% + #1 & <x>; a=b",
			"expires": "never", "content-type": "mine", "content-encoding": "aws-chunked", "content-length": "7", "x-amz-acl": "q",
		}}
		key := s.key()
		put := s.putObjectWith(t, key, content, opts, s.absent())
		o, err := s.Store.Stat(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		if o.Key != key || o.Size != int64(size) || o.ETag != put.ETag || o.ContentType != opts.ContentType || !maps.Equal(o.Metadata, opts.Metadata) {
			t.Errorf("PutObject(%d bytes) gave %+v, Stat %+v", size, put, o)
		}
		if age := time.Since(o.Modified); age < -time.Hour || age > time.Hour {
			t.Errorf("the object was stored at %v", o.Modified)
		}
		s.wantObject(t, key, content)
	}
}

// putChecksum: the checksum that the file is served and compared with is there as it is after
// CompleteUpload.
func (s *suite) putChecksum(t *testing.T) {
	key, content := s.key(), random(90, 2<<20+5)
	put := s.putObject(t, key, content, filestore.Condition{})
	stat, err := s.Store.Stat(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	observed := "none"
	if stat.Checksum != "" {
		observed = "wrong"
		if stat.Checksum == "crc64nvme:"+crc64nvme(content) {
			observed = "CRC64NVME of all bytes"
		}
	}
	if put.Checksum != "" && put.Checksum != stat.Checksum {
		t.Errorf("PutObject gave the checksum %s, Stat %s", put.Checksum, stat.Checksum)
	}
	s.observe(t, PutChecksum, observed)
}

func (s *suite) putBig(t *testing.T) {
	if testing.Short() {
		t.Skip("64 MiB")
	}
	key, content := s.key(), random(91, 64<<20)
	if _, err := s.Store.PutObject(t.Context(), key, bytes.NewReader(content), int64(len(content)), filestore.CreateUploadOptions{}, s.absent()); err != nil {
		t.Fatal(err)
	}
	s.wantObject(t, key, content)
}

func (s *suite) putInvalidSize(t *testing.T) {
	key := s.key()
	for _, size := range []int64{-1, 5<<30 + 1} {
		_, err := s.Store.PutObject(t.Context(), key, bytes.NewReader(nil), size, filestore.CreateUploadOptions{}, filestore.Condition{})
		wantErr(t, err, filestore.ErrPartSize)
	}
	s.wantNoObject(t, key)
}

func (s *suite) putLongBody(t *testing.T) {
	key, body := s.key(), bytes.NewReader(random(92, 100_000))
	if _, err := s.Store.PutObject(t.Context(), key, body, 70_000, filestore.CreateUploadOptions{}, filestore.Condition{}); err != nil {
		t.Fatal(err)
	}
	if body.Len() != 30_000 {
		t.Errorf("%d bytes of the body were left, want 30000", body.Len())
	}
	s.wantObject(t, key, random(92, 100_000)[:70_000])
}

// tryPut stores a few bytes with metadata that tells whether it was done.
func (s *suite) tryPut(t *testing.T, key, content string, cond filestore.Condition) (filestore.Object, error) {
	opts := filestore.CreateUploadOptions{ContentType: "text/plain", Metadata: map[string]string{"content": content}}
	return s.Store.PutObject(t.Context(), key, strings.NewReader(content), int64(len(content)), opts, cond)
}

// wantPut fails unless the object is what tryPut has stored, with its own metadata.
func (s *suite) wantPut(t *testing.T, key, content string) {
	t.Helper()
	s.wantObject(t, key, []byte(content))
	if o, err := s.Store.Stat(t.Context(), key); err != nil || o.Metadata["content"] != content {
		t.Errorf("the object of %q has the metadata %v, %v", content, o.Metadata, err)
	}
}

func (s *suite) wantNoObject(t *testing.T, key string) {
	t.Helper()
	_, err := s.Store.Stat(t.Context(), key)
	wantErr(t, err, filestore.ErrNotFound)
}

func (s *suite) putConditions(t *testing.T) {
	s.needs(t, ConditionalPut, ConditionalCreate)
	key := s.key()
	_, err := s.tryPut(t, key, "update of nothing", filestore.Condition{ETag: "d41d8cd98f00b204e9800998ecf8427e"})
	wantErr(t, err, filestore.ErrPrecondition)
	s.wantNoObject(t, key)
	first, err := s.tryPut(t, key, "version 0", filestore.Condition{Absent: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, cond := range []filestore.Condition{{Absent: true}, {ETag: "d41d8cd98f00b204e9800998ecf8427e"}} {
		_, err := s.tryPut(t, key, "refused", cond)
		wantErr(t, err, filestore.ErrPrecondition)
		s.wantPut(t, key, "version 0")
	}
	second, err := s.tryPut(t, key, "version 1, which is longer", filestore.Condition{ETag: first.ETag})
	if err != nil || second.ETag == first.ETag {
		t.Fatalf("update of %s: %+v, %v", first.ETag, second, err)
	}
	s.wantPut(t, key, "version 1, which is longer")
	if _, err := s.tryPut(t, key, "whatever is there", filestore.Condition{}); err != nil {
		t.Fatal(err)
	}
	s.wantPut(t, key, "whatever is there")
	_, err = s.tryPut(t, key, "stale", filestore.Condition{ETag: second.ETag})
	wantErr(t, err, filestore.ErrPrecondition)
	s.wantPut(t, key, "whatever is there")

	large := random(93, 8<<20)
	for range 5 {
		_, err = s.Store.PutObject(t.Context(), key, bytes.NewReader(large), int64(len(large)), filestore.CreateUploadOptions{}, filestore.Condition{Absent: true})
		if !errors.Is(err, filestore.ErrUnavailable) { // an answer that comes while the body is being sent can be lost to a reset
			wantErr(t, err, filestore.ErrPrecondition)
		}
		s.wantPut(t, key, "whatever is there")
	}
}

// putOverUpload: objects of uploads and of puts replace each other, under conditions too.
func (s *suite) putOverUpload(t *testing.T) {
	s.needs(t, ConditionalPut)
	key := s.key()
	uploaded := s.store(t, key, []byte("uploaded"), filestore.Condition{Absent: true})
	put, err := s.tryPut(t, key, "put", filestore.Condition{ETag: uploaded.ETag})
	if err != nil {
		t.Fatal(err)
	}
	s.wantPut(t, key, "put")
	s.store(t, key, []byte("uploaded again"), filestore.Condition{ETag: put.ETag})
	s.wantObject(t, key, []byte("uploaded again"))

	ref := s.open(t, key)
	part := s.put(t, ref, 1, []byte("later"))
	if _, err := s.tryPut(t, key, "meanwhile", filestore.Condition{}); err != nil {
		t.Fatal(err)
	}
	s.wantParts(t, ref, part) // an upload does not mind
	s.finish(t, ref, filestore.Condition{})
	s.wantObject(t, key, []byte("later"))
}

// putRacing: of several that race under one condition, exactly one wins.
func (s *suite) putRacing(t *testing.T) {
	s.needs(t, ConditionalPut, ConditionalCreate)
	key := s.key()
	var cond filestore.Condition
	for i := range 10 {
		if cond.Absent = i == 0; !cond.Absent {
			o, err := s.Store.Stat(t.Context(), key)
			if err != nil {
				t.Fatal(err)
			}
			cond.ETag = o.ETag
		}
		var errs [4]error
		var wg sync.WaitGroup
		for racer := range errs {
			wg.Go(func() { _, errs[racer] = s.tryPut(t, key, fmt.Sprintf("race %d, racer %d", i, racer), cond) })
		}
		wg.Wait()
		winner := -1
		for racer, err := range errs {
			switch {
			case err == nil && winner >= 0:
				t.Fatalf("race %d: %d and %d have both won", i, winner, racer)
			case err == nil:
				winner = racer
			default:
				wantErr(t, err, filestore.ErrPrecondition)
			}
		}
		if winner < 0 {
			t.Fatalf("race %d: nobody has won: %v", i, errs)
		}
		s.wantPut(t, key, fmt.Sprintf("race %d, racer %d", i, winner))
	}
}
