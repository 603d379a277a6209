package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/iotfile-operator/iotfile-operator/controllers"
	"github.com/iotfile-operator/iotfile-operator/internal/catalog"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/leader"
)

// leaseName is the Lease of whoever reconciles.
const leaseName = "iotfile-operator"

// stopWithin is how long the reconcilers take to stop: the steps in hand, and some time for what is
// around them.
const stopWithin = controllers.StepGrace + 500*time.Millisecond

// control reconciles, in the terms in which this process holds the lease, until ctx is done. A lost
// lease ends the reconcilers and nothing else. The parts that this process is streaming do not
// depend on it: a part is admitted by the record, and object storage is the judge of its upload. To
// exit, as is usual, would cut them for nothing; and what a reconciler of an earlier term might
// still do is bounded by the time that it has to stop in, and made harmless by the versions that
// all its writes carry.
func control(ctx context.Context, base cluster.Cluster, o *options, stores *filestore.Provider) error {
	term := func(ctx context.Context) error {
		return inTerm(func() error { return reconcileFor(ctx, base, o, stores) })
	}
	if !base.GetCache().WaitForCacheSync(ctx) {
		return nil
	}
	state := controllers.NewStateCollector(catalog.New(base.GetCache(), base.GetAPIReader()), clock.RealClock{})
	if err := errors.Join(metrics.Registry.Register(leading), metrics.Registry.Register(state)); err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	if !o.leaderElect {
		return term(ctx)
	}
	return leader.Run(ctx, o.lease(base.GetConfig(), ctrl.Log.WithName("leader")), term)
}

// reconcileFor runs the reconcilers until ctx is done, with a manager of its own: one can be
// started once only. Its cache and client are the process's.
func reconcileFor(ctx context.Context, base cluster.Cluster, o *options, stores *filestore.Provider) error {
	shared := &termCache{Cache: base.GetCache()}
	defer shared.leave()
	mgr, err := ctrl.NewManager(base.GetConfig(), ctrl.Options{
		Scheme:                  base.GetScheme(),
		MapperProvider:          func(*rest.Config, *http.Client) (meta.RESTMapper, error) { return base.GetRESTMapper(), nil },
		NewCache:                func(*rest.Config, cache.Options) (cache.Cache, error) { return shared, nil },
		NewClient:               func(*rest.Config, client.Options) (client.Client, error) { return base.GetClient(), nil },
		Metrics:                 metricsserver.Options{BindAddress: "0"},
		GracefulShutdownTimeout: ptr.To(stopWithin),
		// A later term has controllers of the same names.
		Controller: config.Controller{SkipNameValidation: ptr.To(true)},
	})
	if err != nil {
		return fmt.Errorf("set up reconcilers: %w", err)
	}
	if err := addControllers(mgr, base, o, stores); err != nil {
		return err
	}
	if err := mgr.Start(ctx); err != nil {
		if ctx.Err() == nil {
			return fmt.Errorf("reconcilers: %w", err)
		}
		// The term is over all the same: what does not stop in time is no reason to end the
		// process, and to cut the parts that it streams.
		ctrl.Log.Error(err, "the reconcilers did not stop in an orderly way")
	}
	return nil
}

func addControllers(mgr ctrl.Manager, base cluster.Cluster, o *options, provider *filestore.Provider) error {
	// Who has seen a change of a FileStore must not probe the store of before.
	stores := narrowed[controllers.Store]{provider.Current}
	events := base.GetEventRecorder("iotfile-operator")
	orphans := &controllers.OrphanCounts{}
	ended := &controllers.EndedLog{Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Namespace: o.namespace, Clock: clock.RealClock{}}
	known := catalog.New(base.GetCache(), base.GetAPIReader())
	uploads := &controllers.MultipartUploadReconciler{
		Ended: ended, Orphans: orphans,
		Client: mgr.GetClient(), Catalog: known, Live: mgr.GetAPIReader(), Stores: stores, Clock: clock.RealClock{}, Events: controllers.LimitEvents(events, clock.RealClock{}),
		FinalizerTimeout: o.finalizerTimeout, Workers: o.workers, TidyRate: o.tidyRate, Tracer: o.tracing.Tracer(),
	}
	filestores := &controllers.FileStoreReconciler{
		Client: mgr.GetClient(), Catalog: known, Stores: stores, Clock: clock.RealClock{}, Events: events, ProbeInterval: o.probeInterval,
		Tracer: o.tracing.Tracer(),
	}
	sweep := &controllers.OrphanSweep{
		Client: mgr.GetClient(), Catalog: known, Stores: stores, Clock: clock.RealClock{}, Events: events,
		Interval: o.sweepInterval, Grace: o.orphanGrace, Counts: orphans, Tracer: o.tracing.Tracer(),
	}
	again := &controllers.AbortAgain{Log: ended, Client: mgr.GetClient(), Stores: stores, Clock: clock.RealClock{}}
	if err := errors.Join(uploads.SetupWithManager(mgr), filestores.SetupWithManager(mgr), sweep.SetupWithManager(mgr), mgr.Add(again)); err != nil {
		return fmt.Errorf("controllers: %w", err)
	}
	return addIssuer(mgr, o)
}
