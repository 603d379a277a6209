package statemetrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/catalog"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// scrapeTimeout bounds the look into the cache at a scrape.
const scrapeTimeout = 5 * time.Second

var (
	storeReadyDesc = prometheus.NewDesc("iotfile_store_ready",
		"1 if the FileStore's bucket was reached with its credentials when it was last probed, else 0. Every replica that can hold the lease tells all: take the maximum.",
		[]string{"store"}, nil)
	storeProtectedDesc = prometheus.NewDesc("iotfile_store_protected",
		"1 if the FileStore's object storage was seen to do all that keeps files safe, 0 if not: its condition Protected says what is missing. "+
			"Absent while it is not known. Every replica that can hold the lease tells all: take the maximum.",
		[]string{"store"}, nil)
	openUploadsDesc = prometheus.NewDesc("iotfile_open_uploads",
		"Uploads that are open, by store. Every replica that can hold the lease tells all: take the maximum.", []string{"store"}, nil)
	incompleteBytesDesc = prometheus.NewDesc("iotfile_incomplete_bytes",
		"Bytes of the parts of open uploads, by store, as their progress tells. Every replica that can hold the lease tells all: take the maximum.", []string{"store"}, nil)
	oldestOpenDesc = prometheus.NewDesc("iotfile_oldest_open_upload_age_seconds",
		"Time since the oldest open upload was started, by store; 0 if none is open. Every replica that can hold the lease tells all: take the maximum.", []string{"store"}, nil)
	orphansDesc = prometheus.NewDesc("iotfile_orphan_uploads",
		"Uploads in object storage that no MultipartUpload owns and that were left there, as the last search found them, by store. Every replica that can hold the lease tells all: take the maximum.",
		[]string{"store"}, nil)
	stalledDesc = prometheus.NewDesc("iotfile_stalled_uploads",
		"Uploads that have not ended and cannot go on by themselves, by store (empty where none was found) and reason of the condition Stalled. Every replica that can hold the lease tells all: take the maximum.",
		[]string{"store", "reason"}, nil)
	lagDesc = prometheus.NewDesc("iotfile_reconcile_lag_seconds",
		"Time that the upload waits that waits longest for the reconciler: to be opened, to end when its time was over, to go when it was deleted; 0 if none does. "+
			"Those that wait for object storage or for their owner do not count. Every replica that can hold the lease tells all: take the maximum.", nil, nil)
)

// stateCollector tells of stores and of what is open in them at the moment of the scrape.
type stateCollector struct {
	catalog *catalog.Catalog
	clock   clock.PassiveClock
}

// New returns the metrics of what there is: iotfile_store_ready, iotfile_store_protected,
// iotfile_open_uploads, iotfile_incomplete_bytes, iotfile_oldest_open_upload_age_seconds,
// iotfile_orphan_uploads, iotfile_stalled_uploads and iotfile_reconcile_lag_seconds. They are
// counted at each scrape in the informer cache, which every replica has: none is stale because
// another one holds the lease.
func New(catalog *catalog.Catalog, clock clock.PassiveClock) prometheus.Collector {
	return &stateCollector{catalog: catalog, clock: clock}
}

// Describe implements prometheus.Collector.
func (*stateCollector) Describe(out chan<- *prometheus.Desc) {
	out <- storeReadyDesc
	out <- storeProtectedDesc
	out <- openUploadsDesc
	out <- incompleteBytesDesc
	out <- oldestOpenDesc
	out <- orphansDesc
	out <- stalledDesc
	out <- lagDesc
}

// Collect implements prometheus.Collector. While the cache cannot be read there are no such
// metrics, rather than wrong ones.
func (c *stateCollector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	stores, err := c.catalog.FileStores(ctx)
	if err != nil {
		return
	}
	sums := map[string]*storeState{}
	for _, fs := range stores {
		if c := meta.FindStatusCondition(fs.Status.Conditions, v1alpha1.ConditionProtected); c != nil {
			out <- prometheus.MustNewConstMetric(storeProtectedDesc, prometheus.GaugeValue, map[bool]float64{true: 1}[c.Status == metav1.ConditionTrue], fs.Name)
		}
		s := &storeState{}
		if meta.IsStatusConditionTrue(fs.Status.Conditions, v1alpha1.ConditionReady) {
			s.ready = 1
		}
		if n := fs.Status.Orphans; n != nil {
			s.orphans = float64(*n)
		}
		sums[fs.Name] = s
	}
	now, waited := c.clock.Now(), waiting{stalled: map[stalledKey]float64{}}
	err = c.catalog.EachUpload(ctx, func(u *v1alpha1.MultipartUpload) {
		s := sums[upload.OpenedIn(u)] // of a store that is gone nothing is told: its label would never go
		if s != nil && !upload.Ended(u) {
			s.add(u, now)
		}
		waited.add(u, s != nil, now)
	})
	if err != nil {
		return
	}
	waited.tell(out)
	for store, s := range sums {
		for desc, value := range map[*prometheus.Desc]float64{storeReadyDesc: s.ready, openUploadsDesc: s.open, incompleteBytesDesc: s.bytes, oldestOpenDesc: s.oldest, orphansDesc: s.orphans} {
			out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, store)
		}
	}
}

// storeState is what is told of a FileStore, in the units of the metrics.
type storeState struct{ ready, open, bytes, oldest, orphans float64 }

// add counts an open upload.
func (s *storeState) add(u *v1alpha1.MultipartUpload, now time.Time) {
	s.open++
	if p := u.Status.Progress; p != nil && p.Bytes != nil {
		s.bytes += float64(*p.Bytes)
	}
	if started := u.Status.StartTime; started != nil {
		s.oldest = max(s.oldest, now.Sub(started.Time).Seconds())
	}
}
