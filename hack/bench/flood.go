package main

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// floodRest lies between two floods, so that the work that one has left does not count with the
// next.
const floodRest = 5 * time.Second

// tenant is a namespace with a token of its own.
type tenant struct {
	url    string // of its files
	header map[string]string
	client *http.Client
}

// quietTenant is somebody whose work is measured.
type quietTenant interface {
	// work goes on for a time, and returns when what it has begun has ended.
	work(ctx context.Context, length time.Duration) error
}

// floodPhase is what was measured of a quiet tenant while something else went on.
type floodPhase struct {
	name  string
	flood *flood // nil for none
	// One of them works.
	neighbour *neighbour
	public    *public
	// cores are how many of them the operator, its store and this program kept busy.
	cores [3]float64
}

// measureFlood has one tenant work steadily, alone and then while another one floods the operator
// in several ways.
func measureFlood(ctx context.Context, b *testbed, s settings) error {
	quiet, err := b.tenant(ctx, "quiet", 64)
	if err != nil {
		return err
	}
	loud, err := b.tenant(ctx, "loud", partConnections)
	if err != nil {
		return err
	}
	warm := &floodPhase{name: "warm-up", neighbour: newNeighbour(quiet, "warm-up")}
	if err := warm.run(ctx, b, warm.neighbour, floodRest); err != nil {
		return err
	}
	phases := floods(loud)
	phases = slices.Insert(phases, 1, &floodPhase{
		name: "beside parts straight to the store", flood: newFlood(loud, func(f *flood, ctx context.Context) ([]func(context.Context), error) {
			return f.straight(ctx, b.stores[0])
		}),
	})
	silent, err := b.newSilent(ctx)
	if err != nil {
		return err
	}
	phases = append(phases, &floodPhase{name: "beside a silent store", flood: silent})
	phases = slices.DeleteFunc(phases, func(p *floodPhase) bool { return p.flood != nil && !strings.Contains(p.name, s.only) })
	for _, p := range phases {
		p.neighbour = newNeighbour(quiet, strings.ReplaceAll(p.name, " ", "-"))
		if err := p.measure(ctx, b, p.neighbour, s.phase); err != nil {
			return err
		}
	}
	var public []*floodPhase
	if s.only == "" {
		if public, err = measurePublic(ctx, b, floods(loud), s); err != nil {
			return err
		}
	}
	fmt.Printf("\n%s; load average %s. %d files a second of two parts of 5 MiB; each phase %s. The floods: parts on %d connections, starts and aborts on %d, bodies of %d bytes a second on %d, %d uploads in a store that says nothing.\n",
		machine(), loadAverage(), neighbourRate, s.phase, partConnections, startConnections, slowBytes, slowConnections, silentUploads)
	printFlood(phases)
	printPublic(public)
	return nil
}

// floods are a phase without any, and one with each.
func floods(loud *tenant) []*floodPhase {
	return []*floodPhase{
		{name: "alone"},
		{name: "beside parts", flood: newFlood(loud, (*flood).parts)},
		{name: "beside starts and aborts", flood: newFlood(loud, (*flood).starts)},
		{name: "beside slow bodies", flood: newFlood(loud, (*flood).slowBodies)},
	}
}

// measure runs the phase, and has all rest after it.
func (p *floodPhase) measure(ctx context.Context, b *testbed, who quietTenant, length time.Duration) error {
	fmt.Fprintf(os.Stderr, "  %s: %s\n", p.name, length)
	if err := p.run(ctx, b, who, length); err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	return sleep(ctx, floodRest)
}

// tenant makes a namespace, and a token for it.
func (b *testbed) tenant(ctx context.Context, name string, connections int) (*tenant, error) {
	c, err := client.New(b.system.ControlPlane.RESTConfig(), client.Options{Scheme: b.scheme})
	if err != nil {
		return nil, err
	}
	return b.tenantOf(ctx, c, b.stores[0], name, connections)
}

// run has somebody work for a time, beside the flood if there is one. The flood goes on until all
// that was begun has ended.
func (p *floodPhase) run(ctx context.Context, b *testbed, who quietTenant, length time.Duration) error {
	pids := []int{b.system.Operator.PID(), b.stores[0].pid, os.Getpid()}
	var before [3]float64
	for i, pid := range pids {
		var err error
		if before[i], err = cpuOfProcess(pid); err != nil {
			return err
		}
	}
	began := time.Now()
	stop := func() error { return nil }
	if p.flood != nil {
		var err error
		if stop, err = p.flood.begin(ctx); err != nil {
			return err
		}
	}
	err := who.work(ctx, length)
	for i, pid := range pids {
		used, cpuErr := cpuOfProcess(pid)
		if err == nil {
			err = cpuErr
		}
		p.cores[i] = (used - before[i]) / time.Since(began).Seconds()
	}
	if stopErr := stop(); err == nil {
		err = stopErr
	}
	return err
}

// answers are those that the flood has got.
func (p *floodPhase) answers() string {
	if p.flood == nil {
		return "–"
	}
	var cells []string
	for _, class := range slices.Sorted(maps.Keys(p.flood.answers)) {
		cells = append(cells, fmt.Sprintf("%s: %d", class, p.flood.answers[class]))
	}
	return strings.Join(cells, ", ")
}

// printLine prints a row with a cell for each phase.
func printLine(phases []*floodPhase, name string, cell func(*floodPhase) string) {
	fmt.Printf("| %s |", name)
	for _, p := range phases {
		fmt.Printf(" %s |", cell(p))
	}
	fmt.Println()
}

// printFlood prints how long the neighbour's requests took, and what else went on.
func printFlood(phases []*floodPhase) {
	line := func(name string, cell func(*floodPhase) string) { printLine(phases, name, cell) }
	fmt.Println()
	line("p50 / p99 in ms", func(p *floodPhase) string { return p.name })
	fmt.Println("|---" + strings.Repeat("|--:", len(phases)) + "|")
	for _, kind := range neighbourKinds {
		line(kind, func(p *floodPhase) string {
			times := p.neighbour.times[kind]
			if len(times) == 0 {
				return "–"
			}
			return fmt.Sprintf("%.0f / %.0f", 1000*percentile(times, 50), 1000*percentile(times, 99))
		})
	}
	for _, kind := range neighbourKinds {
		line(kind+", times as long as alone", func(p *floodPhase) string { return p.ratio(phases[0], kind) })
	}
	line("files begun", func(p *floodPhase) string { return fmt.Sprint(p.neighbour.begun) })
	line("files that failed", func(p *floodPhase) string { return fmt.Sprint(len(p.neighbour.failures)) })
	line("requests sent again after 503 or 429", func(p *floodPhase) string { return fmt.Sprint(p.neighbour.again) })
	for i, process := range []string{"operator", "object store", "this program"} {
		line("cores busy: "+process, func(p *floodPhase) string { return fmt.Sprintf("%.2f", p.cores[i]) })
	}
	line("answers to the flood", (*floodPhase).answers)
	for _, p := range phases {
		if len(p.neighbour.failures) > 0 {
			fmt.Printf("\nThe first failure %s: %v\n", p.name, p.neighbour.failures[0])
		}
	}
}
