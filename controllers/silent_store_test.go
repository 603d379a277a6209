package controllers_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/memory"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/s3"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

// onSilentStore is how many uploads are in the store that says nothing.
const onSilentStore = 64

// twoStores runs the reconcilers with a FileStore beside that of the rig. Its backend is what
// factory makes.
func twoStores(t *testing.T, factory filestore.Factory) (m *managed, other string) {
	t.Helper()
	m = newManaged(t)
	other = m.ns + "-silent"
	healthy := m.factory
	m.factory = func(c filestore.Config) (filestore.Store, error) {
		if strings.HasPrefix(c.Name, other) {
			return factory(c)
		}
		return healthy(c)
	}
	m.start()
	m.createStore(testkit.Orphans(v1alpha1.OrphanPolicyReport)) // the sweep has no grace here
	m.createStoreNamed(other, testkit.Prefixed("other/"), testkit.Orphans(v1alpha1.OrphanPolicyReport))
	m.waitForStore("ready", storeReady)
	m.waitForStoreNamed(other, "ready", storeReady)
	return m, other
}

// Uploads in a store that says nothing hold a share of the workers, and no upload of another store
// waits for one of them to come back.
func TestSilentStoreHoldsNoOther(t *testing.T) {
	silent := memory.New(memory.Options{MinPartSize: -1})
	m, other := twoStores(t, silent.Factory())
	talks := make(chan struct{})
	var asked, over atomic.Int32
	for _, op := range []memory.Operation{memory.CreateUpload, memory.Stat, memory.ListUploads, memory.AbortUpload, memory.Probe} {
		silent.Inject(memory.Fault{Operation: op, Before: func(ctx context.Context) error {
			asked.Add(1)
			defer over.Add(1)
			return memory.WaitFor(talks)(ctx)
		}})
	}
	for i := range onSilentStore {
		m.create(fmt.Sprintf("silent-%d", i), testkit.InStore(other), testkit.ForFile(testkit.Entity, fmt.Sprintf("silent-%d", i)))
	}
	testkit.Eventually(t, func() error {
		if n := asked.Load(); n < 3 {
			return fmt.Errorf("%d calls wait for the silent store", n)
		}
		return nil
	})
	for i := range 8 {
		name := fmt.Sprintf("healthy-%d", i)
		m.create(name, testkit.ForFile(testkit.Entity, name))
		m.waitFor(name, v1alpha1.ReasonUploading)
	}
	if n := over.Load(); n > 0 {
		t.Errorf("%d of the calls to the silent store had come back by then: it proves nothing", n)
	}
	close(talks)
	for i := range onSilentStore {
		m.waitFor(fmt.Sprintf("silent-%d", i), v1alpha1.ReasonUploading)
	}
}

// muted is a backend that turns into an address which accepts connections and says nothing, and
// back.
type muted struct {
	filestore.Store
	nobody filestore.Store
	silent atomic.Bool
}

func (m *muted) now() filestore.Store {
	if m.silent.Load() {
		return m.nobody
	}
	return m.Store
}

func (m *muted) Stat(ctx context.Context, key string) (filestore.Object, error) {
	return m.now().Stat(ctx, key)
}

func (m *muted) CreateUpload(ctx context.Context, key string, opts filestore.CreateUploadOptions) (string, error) {
	return m.now().CreateUpload(ctx, key, opts)
}

func (m *muted) AbortUpload(ctx context.Context, ref filestore.UploadRef) error {
	return m.now().AbortUpload(ctx, ref)
}

func (m *muted) ListParts(ctx context.Context, ref filestore.UploadRef) ([]filestore.Part, error) {
	return m.now().ListParts(ctx, ref)
}

func (m *muted) ListUploads(ctx context.Context, prefix string, yield func(filestore.Upload) bool) error {
	return m.now().ListUploads(ctx, prefix, yield)
}

func (m *muted) Probe(ctx context.Context) (v1alpha1.FileStoreCapabilities, error) {
	return m.now().Probe(ctx)
}

// When a store that said nothing talks again, all that waited for it goes on: what was to be opened
// is opened, and what was to end ends.
func TestSilentStoreTalksAgain(t *testing.T) {
	var connections atomic.Int32
	address := testkit.ListenTCP(t, func(net.Conn) { connections.Add(1) })
	backend := &muted{Store: memory.New(memory.Options{MinPartSize: -1})}
	var told atomic.Bool
	m, other := twoStores(t, func(c filestore.Config) (filestore.Store, error) {
		c.Endpoint, c.Credentials = "http://"+address, &filestore.Credentials{AccessKeyID: "id", SecretAccessKey: "key"}
		var err error
		backend.nobody, err = s3.New(c)
		return filestore.Observe(c, backend, filestore.Observation{Silent: told.Store}), err
	})
	named := func(kind string, i int) string { return fmt.Sprintf("%s-%d", kind, i) }
	make64 := func(kind string) {
		for i := range onSilentStore / 2 {
			name := named(kind, i)
			m.create(name, testkit.InStore(other), testkit.ForFile(testkit.Entity, name))
		}
	}
	make64("ending")
	for i := range onSilentStore / 2 {
		m.waitFor(named("ending", i), v1alpha1.ReasonUploading)
	}
	backend.silent.Store(true)
	make64("new")
	for i := range onSilentStore / 2 {
		m.edit(named("ending", i), aborted)
	}
	testkit.Eventually(t, func() error {
		if !told.Load() {
			return errors.New("the silence was not noticed")
		}
		return nil
	})
	m.create("healthy", testkit.ForFile(testkit.Entity, "healthy"))
	m.waitFor("healthy", v1alpha1.ReasonUploading)
	if n := connections.Load(); n > 16 {
		t.Errorf("%d connections to a store that says nothing", n)
	}
	backend.silent.Store(false)
	for i := range onSilentStore / 2 {
		m.waitFor(named("new", i), v1alpha1.ReasonUploading)
		m.waitFor(named("ending", i), v1alpha1.ReasonAborted)
	}
}

// An assembly, or an abort, that takes long holds no place that others need, also those of the same
// namespace and store.
func TestLongCallsHoldNoWorker(t *testing.T) {
	for name, op := range map[string]memory.Operation{"assemblies": memory.CompleteUpload, "aborts": memory.AbortUpload} {
		t.Run(name, func(t *testing.T) {
			m := startManager(t)
			m.createStore(testkit.Orphans(v1alpha1.OrphanPolicyReport))
			m.waitForStore("ready", storeReady)
			const long = 6
			for i := range long {
				name := fmt.Sprintf("long-%d", i)
				m.create(name, testkit.ForFile(testkit.Entity, name))
				m.part(m.waitFor(name, v1alpha1.ReasonUploading), 1, "ab")
			}
			done := make(chan struct{})
			var under atomic.Int32
			m.backend.Inject(memory.Fault{Operation: op, Before: func(ctx context.Context) error {
				under.Add(1)
				defer under.Add(-1)
				return memory.WaitFor(done)(ctx)
			}})
			for i := range long {
				if op == memory.CompleteUpload {
					m.edit(fmt.Sprintf("long-%d", i), completed)
				} else {
					m.edit(fmt.Sprintf("long-%d", i), aborted)
				}
			}
			testkit.Eventually(t, func() error {
				if n := under.Load(); n != long {
					return fmt.Errorf("%d are under way at once", n)
				}
				return nil
			})
			m.create("short")
			m.waitFor("short", v1alpha1.ReasonUploading)
			close(done)
			for i := range long {
				want := v1alpha1.ReasonCompleted
				if op == memory.AbortUpload {
					want = v1alpha1.ReasonAborted
				}
				m.waitFor(fmt.Sprintf("long-%d", i), want)
			}
		})
	}
}

// eventuallyCalls waits until an operation was called so often.
func eventuallyCalls(t *testing.T, backend *memory.Store, op memory.Operation, want int) {
	t.Helper()
	testkit.Eventually(t, func() error {
		if n := backend.Calls(op); n < want {
			return fmt.Errorf("%s was called %d times, want %d", op, n, want)
		}
		return nil
	})
}

// Stores that say nothing hold up neither the health check nor the orphan search of another.
func TestSilentStoresHoldUpNoCare(t *testing.T) {
	silent := memory.New(memory.Options{MinPartSize: -1})
	m, other := twoStores(t, silent.Factory())
	talks := make(chan struct{})
	defer close(talks)
	for _, op := range []memory.Operation{memory.ListUploads, memory.Probe} {
		silent.Inject(memory.Fault{Operation: op, Before: memory.WaitFor(talks)})
	}
	listed := silent.Calls(memory.ListUploads)
	eventuallyCalls(t, silent, memory.ListUploads, listed+1) // by the search, which hangs now
	orphan := m.leak(m.key())
	before := m.fileStore()
	aborting := before.DeepCopy()
	aborting.Spec.OrphanPolicy = v1alpha1.OrphanPolicyAbort
	m.must(m.direct.Patch(m.ctx, aborting, client.MergeFrom(before)))
	testkit.Eventually(t, func() error {
		if m.isOpen(orphan) {
			return errors.New("the orphan is still there")
		}
		return nil
	})
	for i := range 12 {
		m.createStoreNamed(fmt.Sprintf("%s-%d", other, i), testkit.Prefixed(fmt.Sprintf("other-%d/", i)))
	}
	eventuallyCalls(t, silent, memory.Probe, 13)
	m.createStoreNamed(m.ns+"-next", testkit.Prefixed("next/"))
	m.waitForStoreNamed(m.ns+"-next", "ready", storeReady)
}
