package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/iotfile-operator/iotfile-operator/internal/version"
)

// Certificates, as the metric names them.
const (
	certificateREST    = "rest"
	certificateWebhook = "webhook"
)

// leading is 1 while the reconcilers run.
var leading = prometheus.NewGauge(prometheus.GaugeOpts{
	Name: "iotfile_leader",
	Help: "1 while this replica reconciles, because it holds the lease or is told not to ask for it, else 0. Only replicas with the role controller have it.",
})

// showLeading has leading report that this process reconciles, until ctx is done. It fits
// manager.RunnableFunc and returns nil.
func showLeading(ctx context.Context) error {
	leading.Set(1)
	defer leading.Set(0)
	<-ctx.Done()
	return nil
}

// showBuild registers the metric that has the version.
func showBuild(to prometheus.Registerer) error {
	info := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "iotfile_build_info",
		Help: "Always 1, by what this replica was built from: version, revision (the commit) and goversion.",
	}, []string{"version", "revision", "goversion"})
	if err := to.Register(info); err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	info.WithLabelValues(version.Number(), version.Revision(), runtime.Version()).Set(1)
	return nil
}

// source gives the certificate that a server shows now, as for a tls.Config.
type source func(*tls.ClientHelloInfo) (*tls.Certificate, error)

// expiry tells when the certificate of a source expires, at each scrape. Without a certificate
// there is no such metric.
type expiry struct {
	desc *prometheus.Desc
	from source
}

// watchExpiry registers the metric of a certificate. Each name is registered once.
func watchExpiry(certificate string, from source) error {
	desc := prometheus.NewDesc("iotfile_certificate_expiry_timestamp_seconds",
		"When the certificate expires that this replica shows, in seconds since 1970, by certificate: rest (REST API and metrics) or webhook.",
		nil, prometheus.Labels{"certificate": certificate})
	if err := metrics.Registry.Register(&expiry{desc: desc, from: from}); err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	return nil
}

// Describe implements prometheus.Collector.
func (e *expiry) Describe(out chan<- *prometheus.Desc) { out <- e.desc }

// Collect implements prometheus.Collector.
func (e *expiry) Collect(out chan<- prometheus.Metric) {
	shown, err := e.from(nil)
	if err != nil || shown == nil || len(shown.Certificate) == 0 {
		return
	}
	leaf := shown.Leaf
	if leaf == nil {
		if leaf, err = x509.ParseCertificate(shown.Certificate[0]); err != nil {
			return
		}
	}
	out <- prometheus.MustNewConstMetric(e.desc, prometheus.GaugeValue, float64(leaf.NotAfter.Unix()))
}
