// Command operator is the whole of iotfile-operator in one binary: the data plane, which serves the REST API, and the
// reconcilers. --roles says which of the two a process is.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/controllers"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/kubesource"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/s3"
)

func main() {
	o, err := parseFlags()
	if err == nil {
		ctrl.SetLogger(zap.New(zap.UseFlagOptions(&o.log)))
		err = run(ctrl.SetupSignalHandler(), o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "operator:", err)
		os.Exit(1)
	}
}

// run builds everything and serves until ctx ends.
func run(ctx context.Context, o *options) error {
	certificate, err := o.security.certificate()
	if err != nil {
		return err
	}
	mgr, err := newManager(o, certificate)
	if err != nil {
		return err
	}
	if err := dataplane.SetupIndexes(ctx, mgr.GetFieldIndexer()); err != nil {
		return fmt.Errorf("index uploads: %w", err)
	}
	if certificate != nil {
		if err := mgr.Add(certificate); err != nil {
			return fmt.Errorf("watch the certificate: %w", err)
		}
	}
	stores := filestore.NewProvider(kubesource.New(mgr.GetClient(), o.namespace), instrumented(s3.New))
	defer stores.Close()

	ready := healthz.Ping
	if o.has(roleDataPlane) {
		server, err := addDataPlane(mgr, o, stores, certificate) //nolint:contextcheck // what it watches outlives any context of the start
		if err != nil {
			return err
		}
		ready = func(*http.Request) error { return server.Ready() }
	}
	if o.has(roleController) {
		if err := addControllers(mgr, o, stores); err != nil {
			return err
		}
	}
	if err := errors.Join(mgr.AddHealthzCheck("ping", healthz.Ping), mgr.AddReadyzCheck("ready", ready)); err != nil {
		return fmt.Errorf("health checks: %w", err)
	}
	if err := mgr.Start(ctx); err != nil {
		return fmt.Errorf("run: %w", err)
	}
	return nil
}

func newManager(o *options, certificate *certwatcher.CertWatcher) (ctrl.Manager, error) {
	scheme := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(scheme))
	utilruntime.Must(v1alpha1.AddToScheme(scheme))
	config, err := ctrl.GetConfig()
	if err != nil {
		return nil, fmt.Errorf("find the API server: %w", err)
	}
	config.QPS = -1 // the API server's priority and fairness is the judge of how much is too much
	shutdown := o.drainDelay + o.gracePeriod + 10*time.Second
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:                        scheme,
		LeaderElection:                o.leaderElect && o.has(roleController),
		LeaderElectionID:              "iotfile-operator",
		LeaderElectionNamespace:       o.namespace,
		LeaderElectionReleaseOnCancel: true,
		HealthProbeBindAddress:        o.healthAddress,
		Metrics:                       metricsOptions(o.metricsAddress, certificate),
		GracefulShutdownTimeout:       &shutdown,
		Cache: cache.Options{
			DefaultTransform: cache.TransformStripManagedFields(),
			ByObject: map[client.Object]cache.ByObject{
				&corev1.Secret{}: {Namespaces: map[string]cache.Config{o.namespace: {}}},
			},
		},
	})
	if err != nil {
		return nil, fmt.Errorf("set up: %w", err)
	}
	return mgr, nil
}

// instrumented has every Store that the factory makes measured.
func instrumented(factory filestore.Factory) filestore.Factory {
	observe := filestore.NewMetrics(metrics.Registry)
	return func(c filestore.Config) (filestore.Store, error) {
		store, err := factory(c)
		if err != nil {
			return nil, err
		}
		return observe.Instrument(c.Name, store), nil
	}
}

func addDataPlane(mgr ctrl.Manager, o *options, stores *filestore.Provider, certificate *certwatcher.CertWatcher) (*dataplane.Server, error) {
	opts := dataplane.Options{
		BindAddress:      o.dataPlaneAddress,
		Client:           mgr.GetClient(),
		APIReader:        mgr.GetAPIReader(),
		Cache:            mgr.GetCache(),
		Stores:           narrowed[dataplane.Store]{stores},
		MaxPartsInFlight: o.maxPartsInFlight,
		DrainDelay:       o.drainDelay,
		GracePeriod:      o.gracePeriod,
		Clock:            clock.RealClock{},
		Log:              mgr.GetLogger().WithName("data-plane"),
		Registerer:       metrics.Registry,
	}
	reviewer, err := o.security.protect(&opts, mgr.GetConfig(), certificate)
	if err != nil {
		return nil, err
	}
	if reviewer != nil {
		if err := mgr.Add(reviewer); err != nil {
			return nil, fmt.Errorf("authentication: %w", err)
		}
	}
	server, err := dataplane.New(opts)
	if err != nil {
		return nil, fmt.Errorf("data plane: %w", err)
	}
	if err := mgr.Add(server); err != nil {
		return nil, fmt.Errorf("data plane: %w", err)
	}
	return server, nil
}

func addControllers(mgr ctrl.Manager, o *options, provider *filestore.Provider) error {
	stores := narrowed[controllers.Store]{provider}
	events := mgr.GetEventRecorder("iotfile-operator")
	uploads := &controllers.MultipartUploadReconciler{
		Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Stores: stores, Clock: clock.RealClock{}, Events: events,
		FinalizerTimeout: o.finalizerTimeout, Workers: o.workers,
	}
	filestores := &controllers.FileStoreReconciler{
		Client: mgr.GetClient(), Stores: stores, Clock: clock.RealClock{}, Events: events, ProbeInterval: o.probeInterval,
	}
	sweep := &controllers.OrphanSweep{
		Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Stores: stores, Clock: clock.RealClock{}, Events: events,
		Interval: o.sweepInterval, Grace: o.orphanGrace,
	}
	if err := errors.Join(uploads.SetupWithManager(mgr), filestores.SetupWithManager(mgr), sweep.SetupWithManager(mgr)); err != nil {
		return fmt.Errorf("controllers: %w", err)
	}
	return nil
}

// narrowed gives a consumer the part of a Store that it may use: S is an interface that filestore.Store includes.
type narrowed[S any] struct{ provider *filestore.Provider }

// Get finds the Store of a FileStore.
func (n narrowed[S]) Get(ctx context.Context, name string) (S, error) {
	var none S
	store, err := n.provider.Get(ctx, name)
	if err != nil {
		return none, fmt.Errorf("store %s: %w", name, err)
	}
	part, ok := store.(S)
	if !ok {
		return none, fmt.Errorf("store %s is no %T", name, part)
	}
	return part, nil
}
