package orphans

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

var orphansTotal = prometheus.NewCounterVec(prometheus.CounterOpts{
	Name: "iotfile_orphans_total",
	Help: "Uploads in object storage that no MultipartUpload owned, by store and what was done (Abort, Report).",
}, []string{"store", "action"})

func init() { //nolint:gochecknoinits // the registry of controller-runtime is a global, too
	metrics.Registry.MustRegister(orphansTotal)
}

// Total counts the orphans of a store that are dealt with by the policy that it has now.
func Total(fs *v1alpha1.FileStore) prometheus.Counter {
	return orphansTotal.WithLabelValues(fs.Name, string(PolicyOf(fs)))
}

// PolicyOf is the store's. What Auto comes to is found out when the store is probed.
func PolicyOf(fs *v1alpha1.FileStore) v1alpha1.OrphanPolicy {
	policy := fs.Spec.OrphanPolicy
	if policy == v1alpha1.OrphanPolicyAuto {
		policy = fs.Status.OrphanPolicy
	}
	if policy == v1alpha1.OrphanPolicyAbort {
		return v1alpha1.OrphanPolicyAbort
	}
	return v1alpha1.OrphanPolicyReport
}

// Counts are the orphans that the last sweep of each store has left, by namespace: a
// namespace that could have its uploads forgotten would else have no limit. A nil one counts
// nothing; the zero value is ready.
type Counts struct {
	mu     sync.Mutex
	counts map[string]map[string]int
}

func (c *Counts) set(store string, left map[string]int) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = map[string]map[string]int{}
	}
	c.counts[store] = left
}

// Of is how many orphans the namespace has in the store.
func (c *Counts) Of(store, namespace string) int {
	if c == nil {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts[store][namespace]
}
