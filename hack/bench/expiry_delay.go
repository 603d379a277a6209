package main

import (
	"context"
	"fmt"
	"math"
	"net/http"

	dto "github.com/prometheus/client_model/go"
)

// delays is the operator's histogram of how late the parts of expired uploads were gone.
type delays struct{ histogram *dto.Histogram }

func (e *expiries) delays(ctx context.Context) (delays, error) {
	const name = "iotfile_expiry_delay_seconds"
	families, err := scrape(ctx, http.DefaultClient, e.testbed.system.Operator.MetricsURL+"/metrics")
	if err != nil {
		return delays{}, err
	}
	for _, m := range families[name].GetMetric() {
		return delays{m.GetHistogram()}, nil
	}
	return delays{}, fmt.Errorf("the operator has no %s", name)
}

// within is the bound of the bucket in which a share of the delays lies.
func (d delays) within(share float64) string {
	need := uint64(math.Ceil(share * float64(d.histogram.GetSampleCount())))
	for _, b := range d.histogram.GetBucket() {
		if b.GetCumulativeCount() >= need && !math.IsInf(b.GetUpperBound(), 1) {
			return fmt.Sprintf("≤ %g s", b.GetUpperBound())
		}
	}
	return "more"
}

// report prints a row below those of expiryWatch.report.
func (d delays) report() {
	fmt.Printf("| parts gone, of %d | – | %s | %s | %s |\n", d.histogram.GetSampleCount(), d.within(0.5), d.within(0.99), d.within(1))
}

// reportAll prints how many were how late.
func (d delays) reportAll() {
	head, line, row := "| parts gone after at most |", "|---|", "| of the uploads |"
	for _, b := range d.histogram.GetBucket() {
		if bound := b.GetUpperBound(); !math.IsInf(bound, 1) {
			head += fmt.Sprintf(" %g s |", bound)
			line += "--:|"
			row += fmt.Sprintf(" %.1f %% |", 100*float64(b.GetCumulativeCount())/float64(max(d.histogram.GetSampleCount(), 1)))
		}
		if b.GetCumulativeCount() == d.histogram.GetSampleCount() {
			break
		}
	}
	fmt.Printf("\n%s\n%s\n%s\n", head, line, row)
}
