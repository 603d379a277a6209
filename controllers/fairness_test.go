package controllers_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

// heldIn opens no upload of a namespace before it is released.
type heldIn struct {
	filestore.Store
	prefix   string
	released chan struct{}
	waiting  atomic.Int32
}

func (h *heldIn) CreateUpload(ctx context.Context, key string, opts filestore.CreateUploadOptions) (string, error) {
	if strings.HasPrefix(key, h.prefix) {
		h.waiting.Add(1)
		defer h.waiting.Add(-1)
		select {
		case <-h.released:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	return h.Store.CreateUpload(ctx, key, opts)
}

// However many starts of one tenant wait, those of another in the same store do not wait for them.
func TestStartsOfOneTenantHoldNoOther(t *testing.T) {
	m := newManaged(t)
	m.workers, m.neighbour = 16, newNamespace(t)
	store := &heldIn{Store: m.backend, prefix: m.ns + "/", released: make(chan struct{})}
	m.factory = func(filestore.Config) (filestore.Store, error) { return store, nil }
	m.start()
	m.createStore(testkit.Orphans(v1alpha1.OrphanPolicyReport))
	m.waitForStore("ready", storeReady)
	const starts = 300
	for i := range starts {
		name := fmt.Sprintf("loud-%d", i)
		m.create(name, testkit.ForFile(testkit.Entity, name))
	}
	testkit.Eventually(t, func() error {
		if n := store.waiting.Load(); n != 9 {
			return fmt.Errorf("%d of 16 workers are with one tenant, want 9", n)
		}
		return nil
	})
	for i := range 8 {
		quiet := m.create(fmt.Sprintf("quiet-%d", i), testkit.Named(m.neighbour, fmt.Sprintf("quiet-%d", i)), testkit.ForFile(testkit.Entity, fmt.Sprint(i)))
		testkit.Eventually(t, func() error {
			m.must(m.direct.Get(m.ctx, client.ObjectKeyFromObject(quiet), quiet))
			if quiet.Status.UploadID == "" {
				return errors.New("the neighbour's upload is not opened")
			}
			return nil
		})
	}
	if n := store.waiting.Load(); n != 9 {
		t.Errorf("%d of the tenant's starts are held by then, want 9: it proves nothing", n)
	}
	close(store.released)
	for i := range starts {
		m.waitFor(fmt.Sprintf("loud-%d", i), v1alpha1.ReasonUploading)
	}
}
