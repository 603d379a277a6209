// Command operator is the whole of iotfile-operator in one binary: the data plane, which serves the
// REST API, and the reconcilers. --roles says which of the two a process is.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"

	"golang.org/x/sync/errgroup"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/iotfile-operator/iotfile-operator/internal/catalog"
	"github.com/iotfile-operator/iotfile-operator/internal/tracing"
	"github.com/iotfile-operator/iotfile-operator/internal/version"
)

func main() {
	o, err := parseFlags()
	if err == nil && o.version {
		fmt.Fprintln(os.Stdout, version.String())
		return
	}
	if err == nil {
		ctrl.SetLogger(newLogger(&o.log))
		ctrl.Log.Info("starting", "version", version.Number(), "revision", version.Revision())
		klog.SetLogger(ctrl.Log.WithName("kubernetes")) // what its libraries have to say, in the same form
		err = runTraced(ctrl.SetupSignalHandler(), o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "operator:", err)
		os.Exit(1)
	}
}

// runTraced is run, with traces if the environment asks for them.
func runTraced(ctx context.Context, o *options) (err error) {
	log := ctrl.Log.WithName("tracing")
	if o.tracing, err = tracing.Start(ctx, log); err != nil {
		return fmt.Errorf("tracing: %w", err)
	}
	defer func() {
		if err := o.tracing.Stop(ctx); err != nil {
			log.Error(err, "stop") // which is no failure of what was traced
		}
	}()
	return run(ctx, o)
}

// run builds everything and serves until ctx ends, or the lease is lost. Three things have lives of
// different lengths. The reconcilers stop, and the lease is released, at once. The data plane
// drains: requests in flight go on, and those that wait for a reconciler are served by the next
// leader. What both stand on, the cache and the servers of probes and metrics, ends last.
func run(ctx context.Context, o *options) error {
	certificate, err := o.security.certificate()
	if err != nil {
		return err
	}
	config, err := apiServer(o)
	if err != nil {
		return err
	}
	base, err := newCluster(config, o)
	if err != nil {
		return err
	}
	if err := catalog.SetupIndexes(ctx, base.GetFieldIndexer()); err != nil {
		return fmt.Errorf("index uploads: %w", err)
	}
	known := catalog.New(base.GetCache(), base.GetAPIReader())
	stores, err := newStores(base, o) //nolint:contextcheck // what it watches outlives any context of the start
	if err != nil {
		return err
	}
	defer stores.Close()

	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	foundation, failed := errgroup.WithContext(life)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(failed, stop)()
	work, working := errgroup.WithContext(ctx)

	keep := func(r manager.Runnable) { foundation.Go(func() error { return r.Start(life) }) }
	ready := func(*http.Request) error { return working.Err() }
	if o.has(roleDataPlane) {
		server, err := newDataPlane(base, known, o, stores, certificate, keep) //nolint:contextcheck // what it watches outlives any context of the start
		if err != nil {
			return err
		}
		ready = func(*http.Request) error { return server.Ready() }
		work.Go(func() error { return server.Start(working) })
	}
	if o.has(roleController) {
		work.Go(func() error { return control(working, base, known, o, stores, work) })
	}
	hooks, err := newWebhooks(base, known, o, keep) //nolint:contextcheck // what it watches outlives any context of the start
	if err != nil {
		return err
	}
	ready = allReady(ready, hooks)
	if err := serveProbes(life, base, o, certificate, ready, keep); err != nil {
		return err
	}
	keep(base)
	err = work.Wait()
	end()
	if err := errors.Join(err, foundation.Wait()); err != nil {
		return fmt.Errorf("run: %w", err)
	}
	return nil
}
