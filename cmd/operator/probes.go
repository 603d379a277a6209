package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
	"sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"

	"github.com/iotfile-operator/iotfile-operator/internal/connlimit"
)

// probeConnections is how many connections each of the ports for probes and metrics has open at
// most: a kubelet has one or two, and so has each Prometheus.
const probeConnections = 64

// serveProbes has keep serve health, readiness and metrics, the latter with certificate, if there
// is one. An address of "0" serves nothing.
func serveProbes(ctx context.Context, base cluster.Cluster, o *options, certificate *certwatcher.CertWatcher, ready healthz.Checker, keep func(manager.Runnable)) error {
	if certificate != nil {
		keep(certificate)
		if err := watchExpiry(certificateREST, certificate.GetCertificate); err != nil {
			return err
		}
	}
	if err := showBuild(metrics.Registry); err != nil {
		return err
	}
	measured, err := metricsHandler(base, certificate)
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	health := http.NewServeMux()
	for path, check := range map[string]healthz.Checker{"/healthz": healthz.Ping, "/readyz": ready} {
		handler := http.StripPrefix(path, &healthz.Handler{Checks: map[string]healthz.Checker{"ready": check}})
		health.Handle(path, handler)
		health.Handle(path+"/", handler)
	}
	for _, p := range []struct {
		name, address string
		handler       http.Handler
		certificate   *certwatcher.CertWatcher
	}{
		{"metrics", o.metricsAddress, measured, certificate},
		{"health probe", o.healthAddress, health, nil},
	} {
		if p.address == "0" {
			continue
		}
		server, err := probeServer(ctx, p.address, p.handler, p.certificate)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		server.Name = p.name
		keep(server)
	}
	return nil
}

// probeServer listens on address, with TLS where there is a certificate. Whoever keeps the server
// closes it.
func probeServer(ctx context.Context, address string, handler http.Handler, certificate *certwatcher.CertWatcher) (*manager.Server, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	listener = connlimit.Limit(listener, connlimit.Options{Max: probeConnections})
	if certificate != nil {
		listener = tls.NewListener(listener, &tls.Config{
			MinVersion: tls.VersionTLS12, GetCertificate: certificate.GetCertificate, NextProtos: []string{"http/1.1"},
		})
	}
	return &manager.Server{Listener: listener, Server: &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: time.Minute,
		IdleTimeout: time.Minute, MaxHeaderBytes: 8 << 10, ConnContext: connlimit.ConnContext, ConnState: connlimit.ConnState,
	}}, nil
}

// metricsHandler serves the metrics: with TLS to those who may get /metrics, else to everybody.
func metricsHandler(base cluster.Cluster, certificate *certwatcher.CertWatcher) (http.Handler, error) {
	exposed := promhttp.HandlerFor(metrics.Registry, promhttp.HandlerOpts{ErrorHandling: promhttp.HTTPErrorOnError})
	var handler http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		connlimit.Known(r.Context())
		exposed.ServeHTTP(w, r)
	})
	if certificate != nil {
		filter, err := filters.WithAuthenticationAndAuthorization(base.GetConfig(), base.GetHTTPClient())
		if err != nil {
			return nil, err
		}
		if handler, err = filter(ctrl.Log.WithName("metrics"), handler); err != nil {
			return nil, err
		}
	}
	mux := http.NewServeMux()
	mux.Handle("/metrics", handler)
	return mux, nil
}
