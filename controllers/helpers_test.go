package controllers_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/iotfile-operator/iotfile-operator/controllers/reconciler"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/memory"
)

var errNotYet = errors.New("not yet")

// slowBody is a body whose bytes are on their way: started is closed when somebody waits for them.
type slowBody struct {
	started chan struct{}
	once    sync.Once
	bytes   chan string
	rest    io.Reader
}

func newSlowBody() (*slowBody, chan<- string) {
	b := &slowBody{started: make(chan struct{}), bytes: make(chan string)}
	return b, b.bytes
}

func (b *slowBody) Read(p []byte) (int, error) {
	b.once.Do(func() { close(b.started) })
	if b.rest == nil {
		b.rest = strings.NewReader(<-b.bytes)
	}
	return b.rest.Read(p)
}

// does makes a fault that fails nothing, and has something else happen at that moment.
func does(something func()) func(context.Context) error {
	return func(context.Context) error {
		something()
		return nil
	}
}

func containsAny(s string, parts ...string) bool {
	return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(s, part) })
}

// lyingStores give a backend that answers Yes to an abort and does nothing.
type lyingStores struct{ *memory.Store }

func (l lyingStores) Get(context.Context, string) (reconciler.Store, error) { return l, nil }

func (lyingStores) AbortUpload(context.Context, filestore.UploadRef) error { return nil }
