package controllers_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	filestorecontroller "github.com/iotfile-operator/iotfile-operator/controllers/filestore"
	"github.com/iotfile-operator/iotfile-operator/controllers/multipartupload"
	"github.com/iotfile-operator/iotfile-operator/controllers/orphans"
	"github.com/iotfile-operator/iotfile-operator/internal/catalog"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/kubesource"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/memory"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

// awake is how soon an upload must go on that an event wakes: sooner than it would look again by
// itself, and late enough for a busy machine.
const awake = 40 * time.Second

// managed is a rig whose reconcilers run in a manager, as in cmd/operator, on one namespace and one
// FileStore. Its clock is the real one.
type managed struct {
	*rig
	workers int
	// neighbour is another namespace, in the same FileStore; empty for none.
	neighbour string
	// factory makes the Stores.
	factory filestore.Factory
}

// startManager makes a namespace and runs the reconcilers on it. The FileStore is left to the test.
func startManager(t *testing.T) *managed {
	t.Helper()
	m := newManaged(t)
	m.start()
	return m
}

// newManaged makes a namespace. Its reconcilers do not run yet.
func newManaged(t *testing.T) *managed {
	t.Helper()
	ns := newNamespace(t)
	m := &managed{
		rig:     &rig{t: t, ctx: t.Context(), ns: ns, store: ns, backend: memory.New(memory.Options{MinPartSize: -1}), direct: apiServer(t), faults: &apiFaults{}},
		workers: 4,
	}
	m.factory = m.backend.Factory()
	t.Cleanup(m.removeRecords)
	return m
}

// start runs the reconcilers, as a process that gets the lease does, until stop is called or the
// test ends.
func (m *managed) start() (stop func()) {
	m.t.Helper()
	ns := m.ns
	namespaces := map[string]cache.Config{ns: {}}
	if m.neighbour != "" {
		namespaces[m.neighbour] = cache.Config{}
	}
	mgr, err := ctrl.NewManager(plane.config, ctrl.Options{
		Scheme:     scheme,
		Metrics:    metricsserver.Options{BindAddress: "0"},
		Controller: config.Controller{SkipNameValidation: ptr.To(true)},
		Cache: cache.Options{
			DefaultNamespaces: namespaces,
			ByObject:          map[client.Object]cache.ByObject{&v1alpha1.FileStore{}: {Label: labels.SelectorFromSet(storeLabels(ns))}},
		},
	})
	m.must(err)
	m.must(catalog.SetupIndexes(m.ctx, mgr.GetFieldIndexer()))
	provider := filestore.NewProvider(kubesource.New(mgr.GetClient(), ns), m.factory)
	m.t.Cleanup(provider.Close)
	stores, events := storesOf{provider}, mgr.GetEventRecorder("iotfile-operator")
	known := catalog.New(mgr.GetCache(), mgr.GetAPIReader())
	uploads := &multipartupload.Reconciler{
		Assemblies: &multipartupload.Assemblies{},
		Client:     mgr.GetClient(), Catalog: known, Live: mgr.GetAPIReader(), Stores: stores, Clock: clock.RealClock{}, Events: multipartupload.LimitEvents(events, clock.RealClock{}),
		FinalizerTimeout: time.Hour, Workers: m.workers,
	}
	filestores := &filestorecontroller.Reconciler{Client: mgr.GetClient(), Catalog: known, Stores: stores, Clock: clock.RealClock{}, Events: events, ProbeInterval: time.Hour}
	sweep := &orphans.Sweep{
		Client: mgr.GetClient(), Catalog: known, Stores: stores, Clock: clock.RealClock{}, Events: events, Interval: time.Second, Grace: -time.Hour,
	}
	m.must(errors.Join(uploads.SetupWithManager(mgr), filestores.SetupWithManager(mgr), sweep.SetupWithManager(mgr)))
	return m.run(mgr)
}

func (m *managed) run(mgr ctrl.Manager) (stop func()) {
	m.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var stopped sync.WaitGroup
	stopped.Go(func() {
		if err := mgr.Start(ctx); err != nil {
			m.t.Errorf("manager: %v", err)
		}
	})
	stop = func() {
		cancel()
		stopped.Wait()
	}
	m.t.Cleanup(stop)
	if !mgr.GetCache().WaitForCacheSync(ctx) {
		m.t.Fatal("the cache does not fill")
	}
	return stop
}

// waitFor waits as `kubectl wait --for=condition=Ready` and kstatus do: for a reason of the
// condition Ready that speaks of the current spec.
func (m *managed) waitFor(name, reason string) *v1alpha1.MultipartUpload {
	m.t.Helper()
	var u *v1alpha1.MultipartUpload
	testkit.Eventually(m.t, func() error {
		if u = m.get(name); u == nil {
			return errors.New("the record is gone")
		}
		if fault := testkit.CheckStatus(u); fault != nil {
			m.t.Fatal(fault)
		}
		ready := meta.FindStatusCondition(u.Status.Conditions, v1alpha1.ConditionReady)
		if ready == nil || ready.Reason != reason || ready.ObservedGeneration != u.Generation {
			return fmt.Errorf("condition Ready of %s is %+v, want reason %s", name, ready, reason)
		}
		return nil
	})
	return u
}

// waitForStore waits for a state of the FileStore.
func (m *managed) waitForStore(what string, is func(*v1alpha1.FileStore) bool) {
	m.t.Helper()
	testkit.Eventually(m.t, func() error {
		if fs := m.fileStore(); !is(fs) {
			return fmt.Errorf("the store is not %s: %+v", what, fs.Status)
		}
		return nil
	})
}

// waitForStoreNamed is waitForStore for another FileStore than that of the rig.
func (m *managed) waitForStoreNamed(name, what string, is func(*v1alpha1.FileStore) bool) {
	m.t.Helper()
	testkit.Eventually(m.t, func() error {
		fs := &v1alpha1.FileStore{}
		m.must(m.direct.Get(m.ctx, client.ObjectKey{Name: name}, fs))
		if !is(fs) {
			return fmt.Errorf("the store %s is not %s: %+v", name, what, fs.Status)
		}
		return nil
	})
}

func storeReady(fs *v1alpha1.FileStore) bool {
	return meta.IsStatusConditionTrue(fs.Status.Conditions, v1alpha1.ConditionReady)
}

// soon checks that what has come to pass since began was not waited for, but woken.
func (m *managed) soon(began time.Time) {
	m.t.Helper()
	if took := time.Since(began); took > awake {
		m.t.Errorf("it took %s: nobody was woken", took)
	}
}

func TestManagedLife(t *testing.T) {
	m := startManager(t)
	m.createStore(testkit.FinishedTTL(0))
	m.waitForStore("ready", storeReady)
	for _, name := range []string{"completed", "aborted", "expired", "deleted", "rest"} {
		options := []testkit.UploadOption{testkit.ForFile(testkit.Entity, name)}
		switch name {
		case "expired":
			options = append(options, testkit.TTL(2*time.Second))
		case "rest":
			options = append(options, testkit.OverREST())
		}
		m.create(name, options...)
	}
	for _, name := range []string{"completed", "aborted", "deleted", "rest"} {
		u := m.waitFor(name, v1alpha1.ReasonUploading)
		m.part(u, 1, "ab")
	}
	m.edit("completed", completed)
	m.edit("aborted", aborted)
	m.delete("deleted")
	m.edit("rest", completed)
	m.waitFor("completed", v1alpha1.ReasonCompleted)
	m.waitFor("aborted", v1alpha1.ReasonAborted)
	m.waitFor("expired", v1alpha1.ReasonExpired)
	testkit.Eventually(t, func() error {
		if m.get("deleted") != nil || m.get("rest") != nil {
			return errors.New("records stay that should go")
		}
		return nil
	})
	m.waitForOpen(0)
	m.expectWritten("completed", "Initiated", "Completed")
	m.expectWritten("aborted", "Initiated", "Aborted")
	m.expectWritten("expired", "Initiated", "Expired")
	m.expectWritten("deleted", "Initiated", "Aborted")
	m.expectWritten("rest", "Initiated", "Completed")
	m.waitForStore("counted", func(fs *v1alpha1.FileStore) bool { return ptr.Deref(fs.Status.OpenUploads, -1) == 0 })
}

// expectWritten checks the reasons of all events of an upload, each of them written once.
func (m *managed) expectWritten(name string, want ...string) {
	m.t.Helper()
	slices.Sort(want)
	testkit.Eventually(m.t, func() error {
		var all eventsv1.EventList
		m.must(m.direct.List(m.ctx, &all, client.InNamespace(m.ns)))
		var got []string
		for _, e := range all.Items {
			if e.Regarding.Name != name {
				continue
			}
			got = append(got, e.Reason)
			if e.Series != nil {
				return fmt.Errorf("event %s of %s was written %d times", e.Reason, name, e.Series.Count)
			}
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			return fmt.Errorf("events of %s are %v, want %v", name, got, want)
		}
		return nil
	})
}

func TestStoreWakesWhatWaitsForIt(t *testing.T) {
	m := startManager(t)
	m.create("up")
	m.waitFor("up", v1alpha1.ReasonStoreNotFound)
	began := time.Now()
	m.createStore(testkit.WithSecret("keys"))
	m.waitFor("up", v1alpha1.ReasonStoreUnavailable)
	m.soon(began)
	m.waitForStore("without its Secret", func(fs *v1alpha1.FileStore) bool {
		c := meta.FindStatusCondition(fs.Status.Conditions, v1alpha1.ConditionReady)
		return c != nil && c.Reason == v1alpha1.ReasonSecretNotFound
	})
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: m.ns, Name: "keys", Annotations: map[string]string{v1alpha1.AnnotationStores: "*"}},
		StringData: map[string]string{v1alpha1.SecretKeyAccessKeyID: "id", v1alpha1.SecretKeySecretAccessKey: "key"},
	}
	m.must(m.direct.Create(m.ctx, secret))
	m.waitForStore("ready", storeReady)
	m.waitFor("up", v1alpha1.ReasonUploading)
	m.waitForStore("counted", func(fs *v1alpha1.FileStore) bool { return ptr.Deref(fs.Status.OpenUploads, 0) == 1 })

	probes := m.backend.Calls(memory.Probe)
	secret.StringData = map[string]string{v1alpha1.SecretKeySecretAccessKey: "rotated"}
	m.must(m.direct.Update(m.ctx, secret))
	testkit.Eventually(t, func() error {
		if m.backend.Calls(memory.Probe) == probes {
			return errors.New("the rotated Secret was not probed")
		}
		return nil
	})
}

func TestEndWakesWhatWaitsForTheFile(t *testing.T) {
	m := startManager(t)
	m.createStore(testkit.Orphans(v1alpha1.OrphanPolicyReport)) // the sweep has no grace here
	m.waitForStore("ready", storeReady)
	m.create("first")
	m.waitFor("first", v1alpha1.ReasonUploading)
	m.create("second")
	m.waitFor("second", v1alpha1.ReasonFileBusy)
	began := time.Now()
	m.edit("first", aborted)
	m.waitFor("second", v1alpha1.ReasonUploading)
	m.soon(began)
	m.create("third")
	m.waitFor("third", v1alpha1.ReasonFileBusy)
	began = time.Now()
	m.delete("second")
	m.waitFor("third", v1alpha1.ReasonUploading)
	m.soon(began)
	m.waitForOpen(1)
}

// waitForOpen waits for a number of uploads in the backend: a pass whose cache is behind may open
// another one, and closes it at once.
func (m *managed) waitForOpen(want int) {
	m.t.Helper()
	testkit.Eventually(m.t, func() error {
		if open := m.backend.OpenUploads(); len(open) != want {
			return fmt.Errorf("%d uploads are open, want %d: %+v", len(open), want, open)
		}
		return nil
	})
}

func TestManagedSweep(t *testing.T) {
	m := startManager(t)
	m.createStore(testkit.Orphans(v1alpha1.OrphanPolicyAbort))
	m.waitForStore("ready", storeReady)
	foreign := m.leak("backups/x")
	orphan := m.leak(m.key())
	testkit.Eventually(t, func() error {
		if m.isOpen(orphan) {
			return errors.New("the orphan is still there")
		}
		return nil
	})
	if !m.isOpen(foreign) {
		t.Error("the upload of somebody else was aborted")
	}
}

// Many uploads of one file at once, reconciled side by side: one is opened, the others wait, and
// each gets its turn.
func TestManyOfOneFile(t *testing.T) {
	m := startManager(t)
	m.createStore(testkit.Orphans(v1alpha1.OrphanPolicyReport))
	m.waitForStore("ready", storeReady)
	var waiting []string
	for i := range 6 {
		waiting = append(waiting, fmt.Sprintf("up-%d", i))
		m.create(waiting[i])
	}
	for len(waiting) > 0 {
		var holder string
		testkit.Eventually(t, func() error {
			for _, name := range waiting {
				if u := m.get(name); u.Status.UploadID != "" {
					holder = name
					return nil
				}
			}
			return errors.New("none is opened")
		})
		m.edit(holder, aborted)
		m.waitFor(holder, v1alpha1.ReasonAborted)
		waiting = slices.DeleteFunc(waiting, func(name string) bool { return name == holder })
	}
	m.waitForOpen(0)
}

// A record that is kept for longer than the store says by now goes at once.
func TestFinishedTTLMayBeChanged(t *testing.T) {
	m := startManager(t)
	m.createStore(testkit.FinishedTTL(time.Hour))
	m.create("up", testkit.OverREST())
	m.waitFor("up", v1alpha1.ReasonUploading)
	m.edit("up", aborted)
	m.waitFor("up", v1alpha1.ReasonAborted)
	fs := m.fileStore()
	changed := fs.DeepCopy()
	changed.Spec.FinishedTTL = &metav1.Duration{}
	m.must(m.direct.Patch(m.ctx, changed, client.MergeFrom(fs)))
	testkit.Eventually(t, func() error {
		if u := m.get("up"); u != nil {
			return errors.New("the record stays")
		}
		return nil
	})
}
