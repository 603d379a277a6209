package main

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/client-go/rest"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

const (
	// scaleLimit bounds the wait for a started operator to have looked at everything.
	scaleLimit = 20 * time.Minute
	// scaleQuiet is how long its queue has to have been empty. Then it is left alone for a while:
	// the collector gives memory back slowly.
	scaleQuiet = 5 * time.Second
)

// atRest is an operator that has nothing to do.
type atRest struct {
	rss, heap float64 // MiB
}

// halt ends the operator, if there is one.
func (c *scale) halt() error {
	if c.operator == nil {
		return nil
	}
	defer func() { c.operator = nil }()
	return c.operator.Stop()
}

// restart ends the operator, starts it anew, waits until it has looked at all records and rests,
// and prints a row.
func (c *scale) restart(ctx context.Context, name string, records int) (atRest, error) {
	if err := c.halt(); err != nil {
		return atRest{}, err
	}
	before, err := c.testbed.apiRequests(ctx, everyVerb)
	if err != nil {
		return atRest{}, err
	}
	began := time.Now()
	if c.operator, err = devcluster.StartOperator(ctx, c.options[0]); err != nil {
		return atRest{}, err
	}
	c.adopt(c.operator)
	ready := time.Since(began)
	quiet, err := c.quiesce(ctx, records, began)
	if err != nil {
		return atRest{}, err
	}
	cpu, err := cpuOfProcess(c.operator.PID())
	if err != nil {
		return atRest{}, err
	}
	after, err := c.testbed.requests(ctx, everyVerb)
	if err != nil {
		return atRest{}, err
	}
	peak, err := memoryOf(c.operator.PID(), "VmHWM")
	if err != nil {
		return atRest{}, err
	}
	say("%s: ready after %s, all reconciled after %s; at rest for %s", name, ready.Round(10*time.Millisecond), quiet.Round(10*time.Millisecond), c.settings.phase)
	now, err := c.readAtRest(ctx)
	if err != nil {
		return now, err
	}
	stored, err := c.testbed.etcdSize(ctx)
	fmt.Printf("| %s | %.1f s | %.1f s | %.0f | %.0f | %.0f | %s | %.1f | %.0f |\n", name, ready.Seconds(), quiet.Seconds(), peak, now.rss, now.heap, callsBetween(before, after), cpu, stored)
	return now, err
}

// adopt has the tenants send to the operator.
func (c *scale) adopt(o *devcluster.Operator) {
	for i, t := range c.tenants {
		t.url = fmt.Sprintf("%s/namespaces/%s/api/iotfile/v3/files/%s", o.URL, scaleNamespace(i), entity)
	}
	c.testbed.system.Operator = o
}

// quiesce waits until the operator has reconciled every record once and its queue is empty, and
// returns when that was, after began. Its queue does not stay empty: with a hundred thousand open
// uploads the hourly comparison of 28 falls due each second.
func (c *scale) quiesce(ctx context.Context, records int, began time.Time) (time.Duration, error) {
	var done float64
	since, pause := time.Time{}, 100*time.Millisecond
	for time.Since(began) < scaleLimit {
		var err error
		if done, err = c.sumOfQueues(ctx, "controller_runtime_reconcile_total"); err != nil {
			return 0, err
		}
		waiting, err := c.sumOfQueues(ctx, "workqueue_depth")
		if err != nil {
			return 0, err
		}
		switch {
		case done < float64(records) || waiting > c.alwaysDue():
			since = time.Time{}
		case since.IsZero():
			since = time.Now()
		case time.Since(since) > scaleQuiet:
			return since.Sub(began), nil
		}
		if err := sleep(ctx, pause); err != nil {
			return 0, err
		}
		pause = min(pause*5/4, 2*time.Second) // the metrics of a hundred thousand records take a tenth of a second each time
	}
	return 0, fmt.Errorf("%.0f of %d records were reconciled after %s", done, records, scaleLimit)
}

// sumOfQueues adds up a metric of the controllers of uploads.
func (c *scale) sumOfQueues(ctx context.Context, metric string) (sum float64, err error) {
	for _, controller := range []string{"multipartupload", "expiration", "collection"} {
		n, err := c.sum(ctx, fmt.Sprintf("%s{controller=%q", metric, controller))
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

// alwaysDue is how many uploads may be in the queue of an operator that is quiet: those that
// fall due in a second.
func (c *scale) alwaysDue() float64 { return max(1, float64(c.settings.open)/3600) }

// readAtRest reads the memory of an operator that has long had nothing to do. The live heap is the
// smallest that was seen: what a collection has left.
func (c *scale) readAtRest(ctx context.Context) (atRest, error) {
	const looks = 30
	var now atRest
	for i := range looks {
		if err := sleep(ctx, c.settings.phase/looks); err != nil {
			return now, err
		}
		heap, err := c.sum(ctx, "go_memstats_alloc_bytes ")
		if err != nil {
			return now, err
		}
		if heap /= 1 << 20; i == 0 || heap < now.heap {
			now.heap = heap
		}
	}
	var err error
	now.rss, err = memoryOf(c.operator.PID(), "VmRSS")
	return now, err
}

// sum adds up the series of the operator's metrics whose lines begin like this.
func (c *scale) sum(ctx context.Context, prefix string) (float64, error) {
	return sumOf(ctx, http.DefaultClient, c.operator.MetricsURL+"/metrics", prefix)
}

// etcdSize is the size of etcd's database in MiB, as the API server tells it: with what was written
// in the last minutes and is not compacted yet.
func (b *testbed) etcdSize(ctx context.Context) (float64, error) {
	config := rest.CopyConfig(b.system.ControlPlane.RESTConfig())
	admin, err := rest.HTTPClientFor(config)
	if err != nil {
		return 0, err
	}
	bytes, err := sumOf(ctx, admin, config.Host+"/metrics", "apiserver_storage_size_bytes")
	return bytes / (1 << 20), err
}

// sumOf adds up the series of a page of metrics whose lines begin like this.
func sumOf(ctx context.Context, client *http.Client, url, prefix string) (float64, error) {
	text, err := get(ctx, client, url)
	if err != nil {
		return 0, err
	}
	sum := 0.0
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, prefix) {
			continue
		}
		value, err := strconv.ParseFloat(strings.TrimSpace(line[strings.LastIndexByte(line, ' ')+1:]), 64)
		if err != nil {
			return 0, err
		}
		sum += value
	}
	return sum, nil
}

// callsBetween are two cells: the calls to the API server between two looks, and those to object
// storage of the process that was started after the first.
func callsBetween(before, after calls) string {
	api, stored := "", ""
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if operation, ok := strings.CutPrefix(name, storeCall); ok {
			if after[name] >= 1 {
				stored += fmt.Sprintf("%.0f %s, ", after[name], operation)
			}
		} else if n := after[name] - before[name]; n >= 1 && !strings.Contains(name, "leases") {
			api += fmt.Sprintf("%.0f %s, ", n, name)
		}
	}
	return strings.TrimSuffix(api, ", ") + " | " + strings.TrimSuffix(stored, ", ")
}

// sweepCost prints how long the reconcilers of FileStores take, which look at all records.
func (c *scale) sweepCost(ctx context.Context) error {
	fmt.Print("\n| with all of them | mean time of a pass | passes |\n|---|--:|--:|\n")
	for _, controller := range [][2]string{{"filestore", "probe of a FileStore, or count of its uploads"}, {"orphan-sweep", "search for orphans in a FileStore"}} {
		seconds, err := c.sum(ctx, fmt.Sprintf("controller_runtime_reconcile_time_seconds_sum{controller=%q}", controller[0]))
		if err != nil {
			return err
		}
		passes, err := c.sum(ctx, fmt.Sprintf("controller_runtime_reconcile_time_seconds_count{controller=%q}", controller[0]))
		if err != nil {
			return err
		}
		fmt.Printf("| %s | %.2f s | %.0f |\n", controller[1], seconds/max(passes, 1), passes)
	}
	return nil
}
