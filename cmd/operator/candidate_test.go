package main

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/controllers/multipartupload"
	"github.com/iotfile-operator/iotfile-operator/internal/catalog"
	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/kubesource"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/memory"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

// timeout is how long a state may take to be reached on a busy machine.
const timeout = time.Minute

const (
	// longLease does not run out while a test waits: what happens does not happen because of time.
	longLease = 10 * timeout
	// shortLease does, and leaves a leader on a busy machine several tries.
	shortLease = 12 * time.Second
)

// contest is a real control plane on which candidates compete for the lease.
type contest struct {
	t          *testing.T
	kubeconfig string
	admin      client.Client
	// acting counts the candidates whose reconcilers run.
	acting atomic.Int32
}

func newContest(t *testing.T) *contest {
	t.Helper()
	if testing.Short() {
		t.Skip("needs an API server")
	}
	ctrl.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard())
	root, err := devcluster.ModuleRoot()
	must(t, err)
	plane, err := devcluster.StartControlPlane(t.Context(), devcluster.ControlPlaneOptions{
		Dir: t.TempDir(), CRDDirs: []string{filepath.Join(root, "config", "crd", "bases")}, UnsafeNoFsync: true,
	})
	must(t, err)
	t.Cleanup(func() { must(t, plane.Stop()) })
	c := &contest{t: t}
	c.kubeconfig, err = plane.OperatorKubeconfig(t.Context())
	must(t, err)
	c.admin, err = client.New(plane.RESTConfig(), client.Options{Scheme: newScheme()})
	must(t, err)
	return c
}

// candidate is the half of an operator process that reconciles.
type candidate struct {
	contest *contest
	name    string
	// began and ended get a value each when the reconcilers begin and have ended.
	began, ended chan struct{}
	// slow is how long the reconcilers take to end.
	slow time.Duration
	// fail ends a reconciler with an error.
	fail chan error
	// down cuts the line to the API server.
	down atomic.Bool
	// late is how long writes are under way to the API server.
	late time.Duration
	// taken, if set, gets a value when the API server has been asked to write for the candidate,
	// which learns of it a moment later.
	taken chan struct{}
	// stall is how long a Store takes to be made, whatever its context says; stalled gets a value
	// each time.
	stall   time.Duration
	stalled chan struct{}
	stop    context.CancelFunc
	ran     chan error
}

func (c *contest) candidate(name string) *candidate {
	return &candidate{
		contest: c, name: name, began: make(chan struct{}, 1), ended: make(chan struct{}, 1), fail: make(chan error), ran: make(chan error, 1), stalled: make(chan struct{}, 100),
	}
}

// run has the candidate compete until it is stopped, or the test ends.
func (c *candidate) run(lease time.Duration) {
	t := c.contest.t
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", c.contest.kubeconfig)
	must(t, err)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return &line{next, &c.down, c.late, c.taken} })
	o := &options{
		namespace: devcluster.OperatorNamespace, webhookAddress: "0", leaderElect: true, leaseDuration: lease, workers: 4, sweepInterval: time.Hour,
		timing: timing{finalizerTimeout: time.Minute, probeInterval: time.Hour, orphanGrace: time.Hour},
	}
	base, err := newCluster(config, o)
	must(t, err)
	must(t, catalog.SetupIndexes(t.Context(), base.GetFieldIndexer()))
	backend := memory.New(memory.Options{})
	stores := filestore.NewProvider(kubesource.New(base.GetClient(), o.namespace), func(cfg filestore.Config) (filestore.Store, error) {
		if c.stall > 0 {
			c.stalled <- struct{}{}
			time.Sleep(c.stall)
		}
		return backend.Factory()(cfg)
	})
	lock, err := newLock(base, o)
	must(t, err)
	mgrOptions := managerOptions(base, o, lock)
	mgrOptions.Controller.SkipNameValidation = ptr.To(true) // a process has one manager, but this one
	mgr, err := ctrl.NewManager(config, mgrOptions)
	must(t, err)
	known := catalog.New(base.GetCache(), base.GetAPIReader())
	must(t, errors.Join(addControllers(mgr, base, known, o, stores, &multipartupload.Assemblies{}), mgr.Add(manager.RunnableFunc(c.act))))
	ctx, stop := context.WithCancel(t.Context())
	cached, end := context.WithCancel(t.Context())
	kept := make(chan error, 1)
	go func() { kept <- base.Start(cached) }()
	c.stop = stop
	go func() {
		defer stores.Close()
		base.GetCache().WaitForCacheSync(cached)
		err := runManager(ctx, mgr)
		end()
		c.ran <- errors.Join(err, <-kept)
	}()
	t.Cleanup(stop)
}

// act is what the reconcilers do.
func (c *candidate) act(ctx context.Context) error {
	if n := c.contest.acting.Add(1); n != 1 {
		c.contest.t.Errorf("%d lead at once", n)
	}
	c.began <- struct{}{}
	var err error
	select {
	case <-ctx.Done():
		time.Sleep(c.slow)
	case err = <-c.fail:
	}
	c.contest.acting.Add(-1)
	c.ended <- struct{}{}
	return err
}

// leads waits until the candidate leads.
func (c *candidate) leads() {
	c.contest.t.Helper()
	await(c.contest.t, c.name+" leads", c.began)
}

// stops ends the candidate, and waits until it has ended without an error.
func (c *candidate) stops() {
	c.contest.t.Helper()
	c.stop()
	if err := await(c.contest.t, c.name+" ends", c.ran); err != nil {
		c.contest.t.Errorf("%s: %v", c.name, err)
	}
}

// holder is who holds the lease, empty for nobody.
func (c *contest) holder() string { return ptr.Deref(c.lease().Spec.HolderIdentity, "") }

func (c *contest) lease() *coordinationv1.Lease {
	c.t.Helper()
	lease := &coordinationv1.Lease{}
	must(c.t, c.admin.Get(c.t.Context(), client.ObjectKey{Namespace: devcluster.OperatorNamespace, Name: leaseName}, lease))
	return lease
}

// makeStore makes a FileStore that no candidate has seen.
func (c *contest) makeStore(name string) {
	c.t.Helper()
	must(c.t, c.admin.Create(c.t.Context(), testkit.Store(name, func(fs *v1alpha1.FileStore) {
		fs.ResourceVersion, fs.Generation = "", 0
		fs.Spec.Bucket = "of-" + name // FileStores of one bucket get in each other's way
	})))
}

// line is the way to the API server. While it is down nothing comes through, not even what a watch
// has to say.
type line struct {
	next  http.RoundTripper
	down  *atomic.Bool
	late  time.Duration
	taken chan struct{}
}

// RoundTrip implements http.RoundTripper.
func (l *line) RoundTrip(r *http.Request) (*http.Response, error) {
	if l.down.Load() {
		return nil, errors.New("the line is down")
	}
	if l.late > 0 && r.Method == http.MethodPut {
		time.Sleep(l.late)
	}
	if l.taken != nil && r.Method != http.MethodGet {
		return l.answerLate(r)
	}
	if r.URL.Query().Get("watch") == "" {
		return l.next.RoundTrip(r)
	}
	ctx, cut := context.WithCancel(r.Context())
	go func() {
		for ctx.Err() == nil && !l.down.Load() {
			time.Sleep(20 * time.Millisecond)
		}
		cut()
	}()
	return l.next.RoundTrip(r.WithContext(ctx))
}

// answerLate sends a request, and lets its answer through a moment later, unless somebody who does
// not wait for it has gone by then.
func (l *line) answerLate(r *http.Request) (*http.Response, error) {
	response, err := l.next.RoundTrip(r.WithContext(context.WithoutCancel(r.Context())))
	select {
	case l.taken <- struct{}{}:
	default:
	}
	select {
	case <-r.Context().Done():
		if err == nil {
			err = errors.Join(r.Context().Err(), response.Body.Close())
		}
		return nil, err
	case <-time.After(200 * time.Millisecond):
		return response, err
	}
}

func await[T any](t *testing.T, what string, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(timeout):
		t.Fatalf("not within %s: %s", timeout, what)
		panic("not reached")
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
