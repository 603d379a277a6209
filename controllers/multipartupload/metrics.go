package multipartupload

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

var (
	stepsTotal = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "iotfile_reconcile_steps_total",
		Help: "Steps that the reconciler took for uploads, by step.",
	}, []string{"step"})
	endedTotal = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "iotfile_uploads_ended_total",
		Help: "Uploads that reached an end, by store and outcome (Completed, Aborted, Expired, UploadLost).",
	}, []string{"store", "outcome"})
	lifetimeSeconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "iotfile_upload_lifetime_seconds",
		Help:    "Time from the start of an upload to its end, by outcome.",
		Buckets: []float64{1, 5, 30, 120, 600, 3600, 6 * 3600, 24 * 3600, 48 * 3600, 96 * 3600},
	}, []string{"outcome"})
	expiryDelaySeconds = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    "iotfile_expiry_delay_seconds",
		Help:    "Time from the expiration of an upload until its parts were seen to be gone from object storage.",
		Buckets: []float64{0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 20, 30, 60, 120, 300, 900, 3600},
	})
	abandonedTotal = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "iotfile_cleanups_abandoned_total",
		Help: "Deleted uploads whose parts may still be in object storage, since it could not be reached for too long.",
	})
	eventsDroppedTotal = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "iotfile_events_dropped_total",
		Help: "Events about uploads that were not written since there were too many of their reason, by reason.",
	}, []string{"reason"})
	parkedPasses = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "iotfile_reconcile_parked",
		Help: "Uploads that are to be looked at and wait because their FileStore, or their namespace, has its share of the workers. They are not in the queue.",
	})
)

func init() { //nolint:gochecknoinits // the registry of controller-runtime is a global, too
	for reason := range actions {
		eventsDroppedTotal.WithLabelValues(reason) // from the start, or the first one would be no increase
	}
	metrics.Registry.MustRegister(stepsTotal, endedTotal, lifetimeSeconds, expiryDelaySeconds, abandonedTotal, eventsDroppedTotal, parkedPasses)
}
