package dataplane_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/memory"
)

// TestPutBesideUnconditionalCompletion: where object storage compares nothing when it assembles a
// file, a file that was stored in one request between the reconciler's look and the assembly is
// overwritten. Its writer is told that it has lost.
func TestPutBesideUnconditionalCompletion(t *testing.T) {
	store := memory.New(memory.Options{Capabilities: v1alpha1.FileStoreCapabilities{
		PayloadMode: v1alpha1.PayloadTrailingCRC64NVME, ConditionalComplete: new(false), ConditionalPut: new(true), UploadListing: v1alpha1.UploadListingPrefix,
	}})
	s := newSystem(t, setup{store: store})
	for name, before := range map[string][]byte{"new": nil, "update": []byte("before")} {
		t.Run(name, func(t *testing.T) {
			path, key := s.path(name), s.key(name)
			var match []string
			status := 201
			if before != nil {
				s.want(s.put(path, before), 201)
				match, status = []string{"If-Match", "0"}, 204
			}
			s.want(s.put(path+"?upload=start", nil, match...), status)
			sending, assembling := make(chan struct{}), make(chan struct{})
			defer store.Inject(memory.Fault{Operation: memory.PutObject, Key: key, Times: 1, Before: func(ctx context.Context) error {
				close(sending)
				return memory.WaitFor(assembling)(ctx)
			}})()
			put := make(chan reply, 1)
			go func() { put <- s.put(path, []byte("in one request"), match...) }()
			<-sending
			defer store.Inject(memory.Fault{Operation: memory.CompleteUpload, Key: key, Times: 1, Before: func(ctx context.Context) error {
				close(assembling)
				s.eventually("stored", func() error {
					if o, err := store.Stat(ctx, key); err != nil || o.Size != int64(len("in one request")) {
						return errors.New("not yet")
					}
					return nil
				})
				return nil
			}})()
			s.want(s.put(path+"?upload=complete", []byte("in parts"), match...), status)
			s.want(<-put, 409)
			if got := s.want(s.get(path), 200); !bytes.Equal(got.body, []byte("in parts")) {
				t.Errorf("the file is %q", got.body)
			}
		})
	}
}

// TestPutWaitsForCompletion: of a completion that is recorded already, the end is awaited before
// the file is stored, so that nobody reads what is about to be overwritten.
func TestPutWaitsForCompletion(t *testing.T) {
	store := memory.New(memory.Options{Capabilities: v1alpha1.FileStoreCapabilities{
		PayloadMode: v1alpha1.PayloadTrailingCRC64NVME, ConditionalComplete: new(false), ConditionalPut: new(true), UploadListing: v1alpha1.UploadListingPrefix,
	}})
	s := newSystem(t, setup{store: store})
	path, key := s.path("x"), s.key("x")
	s.want(s.put(path+"?upload=start", nil), 201)
	assembling, goOn := make(chan struct{}), make(chan struct{})
	defer store.Inject(memory.Fault{Operation: memory.CompleteUpload, Key: key, Times: 1, Before: func(ctx context.Context) error {
		close(assembling)
		return memory.WaitFor(goOn)(ctx)
	}})()
	stored := store.Calls(memory.PutObject)
	completed, put := make(chan reply, 1), make(chan reply, 1)
	go func() { completed <- s.put(path+"?upload=complete", []byte("in parts")) }()
	<-assembling
	reads := store.Calls(memory.Stat)
	go func() { put <- s.put(path, []byte("in one request")) }()
	s.eventually("compared", func() error {
		if store.Calls(memory.Stat) == reads {
			return errors.New("not yet")
		}
		return nil
	})
	close(goOn)
	s.want(<-completed, 201)
	s.want(<-put, 409)
	if n := store.Calls(memory.PutObject) - stored; n > 1 {
		t.Errorf("object storage was sent the file %d times", n)
	}
	if got := s.want(s.get(path), 200); string(got.body) != "in parts" {
		t.Errorf("the file is %q", got.body)
	}
}
