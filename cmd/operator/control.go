package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/iotfile-operator/iotfile-operator/controllers/abortagain"
	filestorecontroller "github.com/iotfile-operator/iotfile-operator/controllers/filestore"
	"github.com/iotfile-operator/iotfile-operator/controllers/multipartupload"
	"github.com/iotfile-operator/iotfile-operator/controllers/orphans"
	"github.com/iotfile-operator/iotfile-operator/controllers/reconciler"
	"github.com/iotfile-operator/iotfile-operator/controllers/statemetrics"
	"github.com/iotfile-operator/iotfile-operator/internal/catalog"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

// leaseName is the Lease of whoever reconciles.
const leaseName = "iotfile-operator"

// stopWithin is how long the reconcilers take to stop: the steps in hand, and some time for what is
// around them.
const stopWithin = reconciler.StepGrace + 500*time.Millisecond

// settleWithin is how long requests to assemble a file may go on after that. It is less than a pod
// has that only reconciles.
const settleWithin = 20 * time.Second

// control runs the reconcilers, while this process holds the lease, until ctx is done. A lost lease
// is an error, as with any manager. What they are assembling then goes on in the group of the
// process's work, beside the requests in flight.
func control(ctx context.Context, base cluster.Cluster, known *catalog.Catalog, o *options, stores *filestore.Provider, work *errgroup.Group) error {
	// A manager that is told to stop while its caches fill does not stop before they are filled.
	if !base.GetCache().WaitForCacheSync(ctx) {
		return nil
	}
	state := statemetrics.New(known, clock.RealClock{})
	if err := errors.Join(metrics.Registry.Register(leading), metrics.Registry.Register(state)); err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	assemblies := &multipartupload.Assemblies{}
	mgr, err := newManager(base, known, o, stores, assemblies)
	if err != nil {
		return err
	}
	err = runManager(ctx, mgr)
	work.Go(func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleWithin)
		defer cancel()
		assemblies.Wait(ctx)
		return nil
	})
	return err
}

// newManager makes the manager of the reconcilers.
func newManager(base cluster.Cluster, known *catalog.Catalog, o *options, stores *filestore.Provider, assemblies *multipartupload.Assemblies) (ctrl.Manager, error) {
	lock, err := newLock(base, o)
	if err != nil {
		return nil, err
	}
	mgr, err := ctrl.NewManager(base.GetConfig(), managerOptions(base, o, lock))
	if err != nil {
		return nil, fmt.Errorf("set up reconcilers: %w", err)
	}
	if err := addControllers(mgr, base, known, o, stores, assemblies); err != nil {
		return nil, err
	}
	return mgr, nil
}

// managerOptions are those of a manager that runs the reconcilers and nothing else: its own order
// would drain the data plane first and release the lease last. Its cache and client are the
// process's.
func managerOptions(base cluster.Cluster, o *options, lock resourcelock.Interface) ctrl.Options {
	return ctrl.Options{
		Scheme:         base.GetScheme(),
		MapperProvider: func(*rest.Config, *http.Client) (meta.RESTMapper, error) { return base.GetRESTMapper(), nil },
		NewCache:       func(*rest.Config, cache.Options) (cache.Cache, error) { return startedCache{base.GetCache()}, nil },
		NewClient:      func(*rest.Config, client.Options) (client.Client, error) { return base.GetClient(), nil },
		Metrics:        metricsserver.Options{BindAddress: "0"},

		LeaderElection:                      o.leaderElect,
		LeaderElectionID:                    leaseName,
		LeaderElectionResourceLockInterface: lock,
		LeaderElectionReleaseOnCancel:       true,
		LeaseDuration:                       &o.leaseDuration,
		RenewDeadline:                       ptr.To(renewDeadline(o.leaseDuration)),
		RetryPeriod:                         ptr.To(retryPeriod),
		GracefulShutdownTimeout:             ptr.To(stopWithin),
	}
}

// runManager runs the manager until ctx is done, or it ends by itself.
func runManager(ctx context.Context, mgr ctrl.Manager) error {
	err := mgr.Start(ctx)
	switch {
	case err == nil:
		return nil
	case ctx.Err() == nil:
		ctrl.Log.Error(err, "the reconcilers have ended: requests in flight go on, and the process ends with them")
		return fmt.Errorf("reconcilers: %w", err)
	}
	// What does not stop in time is no reason to cut requests in flight.
	ctrl.Log.Error(err, "the reconcilers did not stop in an orderly way")
	return nil
}

// startedCache is the process's cache as the manager sees it: somebody else starts it.
type startedCache struct{ cache.Cache }

// Start implements manager.Runnable.
func (startedCache) Start(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// readsItsWrites is a client whose reads wait until the cache shows what it has written: while an
// API server is so busy that its events come seconds late, a pass over what was there before would
// be refused, and so make it busier still.
func readsItsWrites(base cluster.Cluster) (client.Client, error) {
	c, err := client.New(base.GetConfig(), client.Options{
		HTTPClient: base.GetHTTPClient(), Scheme: base.GetScheme(), Mapper: base.GetRESTMapper(),
		Cache: &client.CacheOptions{Reader: base.GetCache(), EnableReadYourWritesConsistency: ptr.To(true)},
	})
	if err != nil {
		return nil, fmt.Errorf("client of the reconcilers: %w", err)
	}
	return c, nil
}

func addControllers(mgr ctrl.Manager, base cluster.Cluster, known *catalog.Catalog, o *options, provider *filestore.Provider, assemblies *multipartupload.Assemblies) error {
	// Who has seen a change of a FileStore must not probe the store of before.
	stores := narrowed[reconciler.Store]{provider.Current}
	events := base.GetEventRecorder("iotfile-operator")
	uploadClient, err := readsItsWrites(base)
	if err != nil {
		return err
	}
	counts := &orphans.Counts{}
	ended := &abortagain.Log{Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Namespace: o.namespace, Clock: clock.RealClock{}}
	uploads := &multipartupload.Reconciler{
		Assemblies: assemblies, Ended: ended, Orphans: counts,
		Client: uploadClient, Catalog: known, Live: mgr.GetAPIReader(), Stores: stores, Clock: clock.RealClock{}, Events: multipartupload.LimitEvents(events, clock.RealClock{}),
		FinalizerTimeout: o.timing.finalizerTimeout, Workers: o.workers, Tracer: o.tracing.Tracer(),
	}
	filestores := &filestorecontroller.Reconciler{
		Client: mgr.GetClient(), Catalog: known, Stores: stores, Clock: clock.RealClock{}, Events: events, ProbeInterval: o.timing.probeInterval,
		Tracer: o.tracing.Tracer(),
	}
	sweep := &orphans.Sweep{
		Client: mgr.GetClient(), Catalog: known, Stores: stores, Clock: clock.RealClock{}, Events: events,
		Interval: o.sweepInterval, Grace: o.timing.orphanGrace, Counts: counts, Tracer: o.tracing.Tracer(),
	}
	again := &abortagain.Runner{Log: ended, Client: mgr.GetClient(), Stores: stores, Clock: clock.RealClock{}}
	if err := errors.Join(uploads.SetupWithManager(mgr), filestores.SetupWithManager(mgr), sweep.SetupWithManager(mgr),
		mgr.Add(again), mgr.Add(manager.RunnableFunc(showLeading))); err != nil {
		return fmt.Errorf("controllers: %w", err)
	}
	return errors.Join(addIssuer(mgr, o), addPublisher(mgr, o))
}
