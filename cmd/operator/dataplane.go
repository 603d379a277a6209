package main

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/trace"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
	"sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/iotfile-operator/iotfile-operator/internal/catalog"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/kubesource"
	"github.com/iotfile-operator/iotfile-operator/internal/version"
)

// newDataPlane makes the server; what has to run beside it, also while it drains, is given to keep.
func newDataPlane(base cluster.Cluster, known *catalog.Catalog, o *options, stores *filestore.Provider, certificate *certwatcher.CertWatcher, keep func(manager.Runnable)) (*dataplane.Server, error) {
	opts := dataplane.Options{
		BindAddress:      o.dataPlaneAddress,
		Version:          version.Number(),
		Client:           base.GetClient(),
		Catalog:          known,
		Cache:            base.GetCache(),
		Stores:           narrowed[dataplane.Store]{stores.Get},
		MaxPartsInFlight: o.maxPartsInFlight,
		DrainDelay:       o.drainDelay,
		GracePeriod:      o.gracePeriod,
		Clock:            clock.RealClock{},
		Log:              ctrl.Log.WithName("data-plane"),
		Registerer:       metrics.Registry,
		Tracer:           o.tracing.Tracer(),
	}
	o.setTimeouts(&opts)
	reviewer, err := o.security.protect(&opts, base.GetConfig(), certificate)
	if err != nil {
		return nil, err
	}
	if reviewer != nil {
		keep(reviewer)
	}
	server, err := dataplane.New(opts)
	if err != nil {
		return nil, fmt.Errorf("data plane: %w", err)
	}
	return server, nil
}

// newStores makes the stores of the process. A store is made anew after an event of its FileStore,
// or of a Secret. The caller closes them.
func newStores(base cluster.Cluster, o *options) (*filestore.Provider, error) {
	stores := filestore.NewProvider(kubesource.New(base.GetClient(), o.namespace), observed(guardStores(o, base.GetConfig().Host).New, o.tracing.Tracer()))
	if err := kubesource.Watch(base.GetCache(), stores.Changed); err != nil {
		stores.Close()
		return nil, fmt.Errorf("stores: %w", err)
	}
	return stores, nil
}

// setTimeouts bounds how long a client is kept waiting, and how old progress gets.
func (o *options) setTimeouts(opts *dataplane.Options) {
	opts.ProgressInterval = o.progressInterval
	opts.StartTimeout = min(o.waitTimeout, dataplane.DefaultStartTimeout)
	opts.CompleteTimeout, opts.AbortTimeout, opts.SearchTimeout = o.waitTimeout, o.waitTimeout, o.waitTimeout
}

// observed observes every Store that the factory makes. tracer may be nil.
func observed(factory filestore.Factory, tracer trace.Tracer) filestore.Factory {
	to := filestore.Observation{Metrics: filestore.NewMetrics(metrics.Registry), Tracer: tracer}
	return func(c filestore.Config) (filestore.Store, error) {
		store, err := factory(c)
		if err != nil {
			return nil, err
		}
		return filestore.Observe(c, seeded(store), to), nil
	}
}

// narrowed gives a consumer the part of a Store that it may use: S is an interface that
// filestore.Store includes.
type narrowed[S any] struct {
	get func(ctx context.Context, name string) (filestore.Store, error)
}

// Get finds the Store of a FileStore.
func (n narrowed[S]) Get(ctx context.Context, name string) (S, error) {
	var none S
	store, err := n.get(ctx, name)
	if err != nil {
		return none, fmt.Errorf("store %s: %w", name, err)
	}
	part, ok := store.(S)
	if !ok {
		return none, fmt.Errorf("store %s is no %T", name, part)
	}
	return part, nil
}
