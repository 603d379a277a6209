package storetest

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

func (s *suite) abort(t *testing.T) {
	t.Run("DeletesEverything", s.abortDeletes)
	t.Run("KeepsTheObject", s.abortKeepsObject)
	t.Run("IDOfAnotherKey", s.idOfAnotherKey)
	t.Run("PartInFlight", s.partDuringAbort)
}

func (s *suite) abortDeletes(t *testing.T) {
	ref := s.open(t, s.key())
	s.put(t, ref, 1, []byte("x"))
	for range 2 {
		if err := s.Store.AbortUpload(t.Context(), ref); err != nil {
			t.Errorf("AbortUpload: %v", err)
		}
		_, err := s.Store.ListParts(t.Context(), ref)
		wantErr(t, err, filestore.ErrNoSuchUpload)
	}
	_, err := s.Store.PutPart(t.Context(), ref, 1, bytes.NewReader([]byte("x")), 1)
	wantErr(t, err, filestore.ErrNoSuchUpload)
	_, err = s.Store.Stat(t.Context(), ref.Key)
	wantErr(t, err, filestore.ErrNotFound)
}

func (s *suite) abortKeepsObject(t *testing.T) {
	key := s.key()
	s.store(t, key, []byte("kept"), filestore.Condition{})
	ref, other := s.open(t, key), s.open(t, key)
	s.put(t, ref, 1, []byte("x"))
	kept := s.put(t, other, 1, []byte("y"))
	if err := s.Store.AbortUpload(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	s.wantObject(t, key, []byte("kept"))
	s.wantParts(t, other, kept)
}

// idOfAnotherKey: an id names an upload of its own key alone. What a record says of its id can be
// forged, its key cannot.
func (s *suite) idOfAnotherKey(t *testing.T) {
	ref := s.open(t, s.key())
	part := s.put(t, ref, 1, []byte("theirs"))
	forged := filestore.UploadRef{Key: s.key(), UploadID: ref.UploadID}
	_, err := s.Store.ListParts(t.Context(), forged)
	wantErr(t, err, filestore.ErrNoSuchUpload)
	_, err = s.Store.PutPart(t.Context(), forged, 1, bytes.NewReader([]byte("forged")), 6)
	wantErr(t, err, filestore.ErrNoSuchUpload)
	if _, err := s.Store.CompleteUpload(t.Context(), forged, []filestore.Part{part}, filestore.Condition{}); err == nil {
		t.Error("an upload of another key is completed")
	}
	if err := s.Store.AbortUpload(t.Context(), forged); err != nil {
		t.Errorf("AbortUpload: %v", err)
	}
	s.wantParts(t, ref, part)
	for _, key := range []string{ref.Key, forged.Key} {
		_, err = s.Store.Stat(t.Context(), key)
		wantErr(t, err, filestore.ErrNotFound)
	}
}

// partDuringAbort: whatever the backend does with the late part, a second abort ends it.
func (s *suite) partDuringAbort(t *testing.T) {
	ref := s.open(t, s.key())
	s.observe(t, PartDuringAbort, s.inFlight(t, ref, func() {
		if err := s.Store.AbortUpload(t.Context(), ref); err != nil {
			t.Error(err)
		}
	}))
	if err := s.Store.AbortUpload(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	_, err := s.Store.ListParts(t.Context(), ref)
	wantErr(t, err, filestore.ErrNoSuchUpload)
}

// inFlight ends the upload while a part is half way, and says what became of the part.
func (s *suite) inFlight(t *testing.T, ref filestore.UploadRef, end func()) string {
	t.Helper()
	content := random(60, 2<<20)
	arrived, goOn := make(chan struct{}), make(chan struct{})
	body := io.MultiReader(bytes.NewReader(content[:1<<20]), calling(func() {
		close(arrived)
		<-goOn
	}), bytes.NewReader(content[1<<20:]))
	result := make(chan error, 1)
	go func() {
		_, err := s.Store.PutPart(t.Context(), ref, 2, body, int64(len(content)))
		result <- err
	}()
	<-arrived
	time.Sleep(quiet) // the first half is on its way through buffers that nobody can look into
	end()
	close(goOn)
	err := <-result
	observed := kindOf(err)
	if errors.Is(err, filestore.ErrUnavailable) {
		observed = "NoSuchUpload" // the answer can be lost to a reset
	}
	if parts, err := s.Store.ListParts(t.Context(), ref); err == nil {
		if len(parts) == 1 && parts[0].Number == 2 {
			return observed + ", **the upload is back with this part**"
		}
		return observed + ", **the upload is back**"
	}
	return observed
}
