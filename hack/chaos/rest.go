package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// How much more a replica may hold at rest than each of them did after the start, when it had seen
// a few requests.
const (
	goroutinesMore = 40
	heapMore       = 48 << 20
)

// scrape reads an operator's metrics, summed over their labels.
func scrape(ctx context.Context, o *devcluster.Operator) (map[string]float64, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, o.MetricsURL+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(res.Body)
	if err != nil {
		return nil, err
	}
	out := map[string]float64{}
	for name, family := range families {
		for _, m := range family.GetMetric() {
			out[name] += m.GetGauge().GetValue() + m.GetCounter().GetValue() + m.GetUntyped().GetValue()
		}
	}
	return out, nil
}

// holding is what a replica has in memory.
type holding struct{ goroutines, heap, inFlight float64 }

func (w *world) holdings(ctx context.Context) ([]holding, error) {
	var out []holding
	for _, r := range w.replicas {
		m, err := scrape(ctx, r.current())
		if err != nil {
			return nil, err
		}
		out = append(out, holding{m["go_goroutines"], m["go_memstats_heap_inuse_bytes"], m["iotfile_parts_in_flight"]})
	}
	return out, nil
}

// checkRest waits until no replica holds much more than the most that one held before the faults:
// any of them may be the leader by now.
func (w *world) checkRest(ctx context.Context, before []holding) error {
	var most holding
	for _, h := range before {
		most.goroutines, most.heap = max(most.goroutines, h.goroutines), max(most.heap, h.heap)
	}
	return w.until(ctx, 3*time.Minute, func() error {
		now, err := w.holdings(ctx)
		if err != nil {
			return err
		}
		var lines []string
		restless := false
		for i, h := range now {
			lines = append(lines, fmt.Sprintf("%d: %.0f goroutines, %.0f MiB", i, h.goroutines, h.heap/(1<<20)))
			restless = restless || h.goroutines > most.goroutines+goroutinesMore || h.heap > most.heap+heapMore || h.inFlight != 0
		}
		w.atRest = fmt.Sprintf("%s; before the faults at most %.0f goroutines, %.0f MiB", strings.Join(lines, "; "), most.goroutines, most.heap/(1<<20))
		if restless {
			return fmt.Errorf("the operators do not come to rest: %s", w.atRest)
		}
		return nil
	})
}
