package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/api/meta"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/cluster"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/catalog"
	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/kubesource"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/memory"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

// termPatience is how long a state may take to be reached on a busy machine.
const termPatience = 2 * time.Minute

// process is what outlives the terms of an operator, on a real control plane.
type process struct {
	cluster.Cluster
	o      *options
	stores *filestore.Provider
	// stall is how long, in nanoseconds, a reconciler is held up that needs a Store, whatever its
	// context says.
	stall atomic.Int64
	// stalled gets a value each time.
	stalled chan struct{}
}

func newProcess(t *testing.T) *process {
	t.Helper()
	ctrl.SetLogger(logr.Discard())
	root, err := devcluster.ModuleRoot()
	must(t, err)
	plane, err := devcluster.StartControlPlane(t.Context(), devcluster.ControlPlaneOptions{
		Dir: t.TempDir(), CRDDirs: []string{filepath.Join(root, "config", "crd", "bases")}, UnsafeNoFsync: true,
	})
	must(t, err)
	t.Cleanup(func() { must(t, plane.Stop()) })
	kubeconfig, err := plane.OperatorKubeconfig(t.Context())
	must(t, err)
	t.Setenv("KUBECONFIG", kubeconfig)
	p := &process{stalled: make(chan struct{}, 100), o: &options{
		namespace: devcluster.OperatorNamespace, webhookAddress: "0", workers: 4,
		finalizerTimeout: time.Minute, probeInterval: time.Hour, sweepInterval: time.Hour, orphanGrace: time.Hour,
	}}
	p.Cluster, err = newCluster(p.o)
	must(t, err)
	must(t, catalog.SetupIndexes(t.Context(), p.GetFieldIndexer()))
	backend := memory.New(memory.Options{})
	p.stores = filestore.NewProvider(kubesource.New(p.GetClient(), p.o.namespace), func(c filestore.Config) (filestore.Store, error) {
		if d := p.stall.Load(); d > 0 {
			p.stalled <- struct{}{}
			time.Sleep(time.Duration(d))
		}
		return backend.Factory()(c)
	})
	t.Cleanup(p.stores.Close)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Start(ctx) }()
	t.Cleanup(func() {
		stop()
		must(t, <-ended)
	})
	if !p.GetCache().WaitForCacheSync(ctx) {
		t.Fatal("the caches were not filled")
	}
	admin, err := client.New(plane.RESTConfig(), client.Options{Scheme: p.GetScheme()})
	must(t, err)
	p.Cluster = asAdmin{p.Cluster, admin}
	return p
}

// asAdmin adds who makes FileStores: the operator may not.
type asAdmin struct {
	cluster.Cluster
	admin client.Client
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// makeStore makes a FileStore that no term has seen.
func (p *process) makeStore(t *testing.T, name string) {
	t.Helper()
	must(t, p.Cluster.(asAdmin).admin.Create(t.Context(), testkit.Store(name, func(fs *v1alpha1.FileStore) {
		fs.ResourceVersion, fs.Generation = "", 0
		fs.Spec.Bucket = "of-" + name // FileStores of one bucket get in each other's way
	})))
}

// begin begins a term. end ends it and waits until nothing of it goes on.
func (p *process) begin(t *testing.T) (end func() error) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- reconcileFor(ctx, p.Cluster, p.o, p.stores) }()
	return func() error {
		stop()
		select {
		case err := <-ended:
			return err
		case <-time.After(termPatience):
			return errors.New("the term does not end")
		}
	}
}

func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	deadline := time.Now().Add(termPatience)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// TestTerms: a process leads any number of times, each time in earnest, and nothing of an earlier
// term is left; however short a term is, and however slowly it ends, its end is no error, which
// would end the process and cut the parts that it is streaming.
func TestTerms(t *testing.T) {
	if testing.Short() {
		t.Skip("needs an API server")
	}
	p := newProcess(t)
	t.Run("one after the other", p.testTerms)
	t.Run("ended while they begin", func(t *testing.T) {
		for i := range 40 {
			end := p.begin(t)
			time.Sleep(time.Duration(i) * time.Millisecond)
			if err := end(); err != nil {
				t.Errorf("after %d ms: %v", i, err)
			}
		}
	})
	t.Run("ended while something is stuck", func(t *testing.T) {
		p.stall.Store(int64(2 * stopWithin))
		defer p.stall.Store(0)
		end := p.begin(t)
		p.makeStore(t, "stuck")
		select {
		case <-p.stalled:
		case <-time.After(termPatience):
			t.Fatal("nothing asks for the Store")
		}
		if err := end(); err != nil {
			t.Error(err)
		}
	})
}

func (p *process) testTerms(t *testing.T) {
	serves := func(name string) {
		end := p.begin(t)
		p.makeStore(t, name)
		eventually(t, name+" becomes ready", func() error {
			fs := &v1alpha1.FileStore{}
			if err := p.GetClient().Get(t.Context(), client.ObjectKey{Name: name}, fs); err != nil {
				return err
			}
			if !meta.IsStatusConditionTrue(fs.Status.Conditions, v1alpha1.ConditionReady) {
				return fmt.Errorf("its conditions are %+v", fs.Status.Conditions)
			}
			return nil
		})
		must(t, end())
	}
	serves("first") // what is made once is made now
	rest := runtime.NumGoroutine()
	for i := range 5 {
		serves(fmt.Sprintf("store-%d", i))
	}
	eventually(t, "what the terms have started ends", func() error {
		if now := runtime.NumGoroutine(); now > rest+1 {
			var all bytes.Buffer
			_ = pprof.Lookup("goroutine").WriteTo(&all, 1)
			return fmt.Errorf("%d goroutines, %d after the first term:\n%s", now, rest, all.String())
		}
		return nil
	})
}
