package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"k8s.io/client-go/rest"
)

// calls counts requests, by what they are.
type calls map[string]float64

// calls reads how often the API server was asked for something that has to do with uploads, and
// object storage by the operator.
func (e *expiries) calls(ctx context.Context) (calls, error) {
	config := rest.CopyConfig(e.testbed.system.ControlPlane.RESTConfig())
	admin, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, err
	}
	out := calls{}
	err = out.add(ctx, admin, config.Host+"/metrics", "apiserver_request_total", func(label map[string]string) string {
		if label["resource"] != "multipartuploads" && label["resource"] != "events" && label["resource"] != "filestores" || label["verb"] == "WATCH" {
			return ""
		}
		return strings.TrimSuffix(fmt.Sprintf("API server: %s %s/%s", label["verb"], label["resource"], label["subresource"]), "/")
	})
	if err != nil {
		return nil, err
	}
	return out, out.add(ctx, http.DefaultClient, e.testbed.system.Operator.MetricsURL+"/metrics", "iotfile_store_request_duration_seconds", func(label map[string]string) string {
		return "object storage: " + label["operation"]
	})
}

// scrape reads metrics, by name.
func scrape(ctx context.Context, client *http.Client, url string) (map[string]*dto.MetricFamily, error) {
	text, err := get(ctx, client, url)
	if err != nil {
		return nil, err
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	return parser.TextToMetricFamilies(bytes.NewReader(text))
}

// add sums up a counter, or the count of a histogram, by name.
func (c calls) add(ctx context.Context, client *http.Client, url, metric string, name func(map[string]string) string) error {
	families, err := scrape(ctx, client, url)
	if err != nil {
		return err
	}
	for _, m := range families[metric].GetMetric() {
		labels := map[string]string{}
		for _, pair := range m.GetLabel() {
			labels[pair.GetName()] = pair.GetValue()
		}
		if key := name(labels); key != "" {
			c[key] += m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return nil
}

// tableOfCalls says what has been called between two looks, by so many uploads that expired and so
// many that were started and completed.
func tableOfCalls(before, after calls, expired, started int) string {
	var table strings.Builder
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if n := after[name] - before[name]; n >= 1 {
			fmt.Fprintf(&table, "| %s | %.0f | %.2f |\n", name, n, n/float64(expired))
		}
	}
	fmt.Fprintf(&table, "\n%d uploads that were started and completed meanwhile have their part in it.\n", started)
	return table.String()
}
