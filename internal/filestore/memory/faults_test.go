package memory_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/memory"
)

var errInjected = errors.New("injected")

// TestLostAnswer: After fails a call whose effect has happened, Before one that has had none.
func TestLostAnswer(t *testing.T) {
	for _, tc := range []struct {
		name  string
		fault memory.Fault
		open  int
	}{
		{"before", memory.Fault{Operation: memory.CreateUpload, Before: memory.Fail(errInjected)}, 0},
		{"after", memory.Fault{Operation: memory.CreateUpload, After: memory.Fail(errInjected)}, 1},
	} {
		s := memory.New(memory.Options{})
		s.Inject(tc.fault)
		if _, err := s.CreateUpload(t.Context(), "k", filestore.CreateUploadOptions{}); !errors.Is(err, errInjected) {
			t.Errorf("%s: %v", tc.name, err)
		}
		if open := s.OpenUploads(); len(open) != tc.open {
			t.Errorf("%s: uploads %v", tc.name, open)
		}
	}
	s := memory.New(memory.Options{})
	id, _ := s.CreateUpload(t.Context(), "k", filestore.CreateUploadOptions{})
	ref := filestore.UploadRef{Key: "k", UploadID: id}
	part, err := s.PutPart(t.Context(), ref, 1, bytes.NewReader([]byte("x")), 1)
	if err != nil {
		t.Fatal(err)
	}
	s.Inject(memory.Fault{Operation: memory.CompleteUpload, Times: 1, After: memory.Fail(errInjected)})
	if _, err := s.CompleteUpload(t.Context(), ref, []filestore.Part{part}, filestore.Condition{}); !errors.Is(err, errInjected) {
		t.Errorf("CompleteUpload: %v", err)
	}
	if o, err := s.Stat(t.Context(), "k"); err != nil || o.Size != 1 {
		t.Errorf("the object is %+v, %v", o, err)
	}
}

func TestFaultsStrikeWhereAndAsOftenAsTold(t *testing.T) {
	s := memory.New(memory.Options{})
	s.SetObject("a", []byte("a"), filestore.CreateUploadOptions{})
	s.SetObject("b", []byte("b"), filestore.CreateUploadOptions{})
	remove := s.Inject(memory.Fault{Operation: memory.Stat, Key: "a", Times: 2, Before: memory.Fail(errInjected)})
	for i, want := range []error{errInjected, errInjected, nil} {
		if _, err := s.Stat(t.Context(), "a"); !errors.Is(err, want) {
			t.Errorf("call %d: %v, want %v", i, err, want)
		}
		if _, err := s.Stat(t.Context(), "b"); err != nil {
			t.Errorf("another key: %v", err)
		}
	}
	remove()
	remove = s.Inject(memory.Fault{Operation: memory.Stat, Before: memory.Fail(errInjected)})
	if _, err := s.Stat(t.Context(), "b"); !errors.Is(err, errInjected) {
		t.Errorf("any key: %v", err)
	}
	remove()
	if _, err := s.Stat(t.Context(), "b"); err != nil {
		t.Errorf("removed: %v", err)
	}
	if n := s.Calls(memory.Stat); n != 8 {
		t.Errorf("%d calls were counted of 8", n)
	}
}

func TestHangAndWait(t *testing.T) {
	s := memory.New(memory.Options{})
	remove := s.Inject(memory.Fault{Operation: memory.Probe, Before: memory.Hang})
	late, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := s.Probe(late); !errors.Is(err, filestore.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("hung until the deadline: %v", err)
	}
	remove()
	goOn := make(chan struct{})
	s.Inject(memory.Fault{Operation: memory.Probe, Before: memory.WaitFor(goOn)})
	done := make(chan error, 1)
	go func() {
		_, err := s.Probe(t.Context())
		done <- err
	}()
	select {
	case err := <-done:
		t.Fatalf("a delayed call returned early: %v", err)
	case <-time.After(10 * time.Millisecond):
	}
	close(goOn)
	if err := <-done; err != nil {
		t.Errorf("a delayed call: %v", err)
	}
}
