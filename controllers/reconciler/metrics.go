package reconciler

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

var reapedTotal = prometheus.NewCounterVec(prometheus.CounterOpts{
	Name: "iotfile_backend_reaped_total",
	Help: "Open uploads that object storage no longer knew although nobody had ended them here, by store.",
}, []string{"store"})

func init() { //nolint:gochecknoinits // the registry of controller-runtime is a global, too
	metrics.Registry.MustRegister(reapedTotal)
}

// ReapedTotal counts the open uploads that object storage has deleted on its own. Who sees the
// store first makes the counter, or its first increase would be none.
func ReapedTotal(store string) prometheus.Counter { return reapedTotal.WithLabelValues(store) }
