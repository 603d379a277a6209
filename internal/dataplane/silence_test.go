package dataplane_test

import (
	"context"
	"testing"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/memory"
)

// A part for a store that says nothing is answered as soon as that is known, and holds no waiting
// place until it talks again.
func TestSilentStoreIsNotWaitedFor(t *testing.T) {
	store := memory.New(memory.Options{MinPartSize: -1})
	s := newSystem(t, setup{store: store})
	part := s.started("x")
	silent := func(context.Context) error {
		return &filestore.Error{Op: "UploadPart", Kind: filestore.ErrSilent, Cause: context.DeadlineExceeded}
	}
	for _, fault := range []memory.Fault{
		{Operation: memory.PutPart, Before: silent, Times: 1}, // the body was not read
		{Operation: memory.PutPart, After: silent, Times: 1},  // it was
	} {
		remove := store.Inject(fault)
		tries, looks := store.Calls(memory.PutPart), store.Calls(memory.Stat)
		got := s.want(s.put(s.path("x?part=1"), part), 504)
		if got.header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
		if n := store.Calls(memory.PutPart) - tries; n != 1 {
			t.Errorf("it was tried %d times", n)
		}
		if n := store.Calls(memory.Stat) - looks; n != 0 {
			t.Errorf("the store was asked %d times while the request waited", n)
		}
		remove()
	}
	s.want(s.put(s.path("x?part=1"), part), 201)
	s.intact("x", part)
}
