package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
)

// row is what was measured of one way to one store with so many parts at once, by rounds.
type row struct {
	traffic  traffic
	store    string
	parallel int
	way      way
	// MB/s; CPU-seconds per GiB in the process that sends (straight to the store) or forwards, and
	// in the store; MiB of resident memory at the peak in the former; MiB that it wrote to files
	// per GiB.
	rate, cpu, storeCPU, peak, disk []float64
	parts                           []float64 // seconds of every part
}

// runner is a way with what stands in front of its store.
type runner struct {
	way
	front *forwarder // nil for nothing
}

// measurePeers sends the same bytes by all ways, in turn, to one store after the other, as each
// traffic has it.
func measurePeers(ctx context.Context, s settings) error {
	report := newReport(s)
	measure := on(func(ctx context.Context, b *testbed, s settings) error {
		for _, st := range b.stores {
			if err := measureStore(ctx, b, s, st, report); err != nil {
				return fmt.Errorf("%s, %s: %w", s.traffic.name, st.name, err)
			}
		}
		return nil
	})
	for _, s.traffic = range s.traffics {
		if err := measure(ctx, s); err != nil {
			report.tables(os.Stdout) // of what took long to measure
			return err
		}
	}
	return report.write(os.Stdout)
}

func measureStore(ctx context.Context, b *testbed, s settings, st *store, report *report) (err error) {
	runners, err := startRunners(ctx, b, s, st)
	defer func() {
		for _, r := range runners {
			err = errors.Join(err, r.stop())
		}
	}()
	if err != nil {
		return err
	}
	parallels := s.parallel
	if s.traffic.parallel != nil {
		parallels = s.traffic.parallel
	}
	warmUp := s
	warmUp.mebibyte = min(s.mebibyte, 8*s.part)
	for _, r := range runners {
		if err := r.measure(ctx, warmUp, st, &row{parallel: parallels[0]}); err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
	}
	for _, parallel := range parallels {
		rows, err := measureRounds(ctx, s, st, runners, parallel)
		if err != nil {
			return err
		}
		report.rows = append(report.rows, rows...)
	}
	return nil
}

// startRunners starts what stands in front of the store. What it returns is to be stopped, also
// with an error.
func startRunners(ctx context.Context, b *testbed, s settings, st *store) ([]runner, error) {
	var runners []runner
	for _, w := range ways {
		if !slices.Contains(s.ways, w.name) || !w.carries(s.traffic) {
			continue
		}
		r := runner{way: w}
		if w.start != nil {
			var err error
			if r.front, err = w.start(ctx, b, st); err != nil {
				return runners, fmt.Errorf("%s: %w", w.name, err)
			}
		}
		runners = append(runners, r)
	}
	return runners, nil
}

func (r runner) stop() error {
	if r.front == nil {
		return nil
	}
	return r.front.stop()
}

// measureRounds measures all ways with so many parts at once.
func measureRounds(ctx context.Context, s settings, st *store, runners []runner, parallel int) ([]*row, error) {
	rows := make([]*row, len(runners))
	for i, r := range runners {
		rows[i] = &row{traffic: s.traffic, store: st.name, parallel: parallel, way: r.way}
	}
	for round := range s.rounds {
		for i := range runners {
			i = (i + round) % len(runners) // so that none always comes after the same
			if err := runners[i].measure(ctx, s, st, rows[i]); err != nil {
				return nil, fmt.Errorf("%s: %w", runners[i].name, err)
			}
		}
		fmt.Fprintf(os.Stderr, "%s, %s, %d at once: round %d of %d\n", s.traffic.name, st.name, parallel, round+1, s.rounds)
	}
	return rows, nil
}

// amount is how many parts of how many bytes so many senders send: as many each. A download is of a
// whole file.
func (s settings) amount(parallel int) (parts, size int) {
	if s.traffic.down {
		return parallel, max(1, s.mebibyte/parallel) << 20
	}
	return (s.mebibyte/s.part + parallel - 1) / parallel * parallel, s.part << 20
}

// measure sends parts and adds what it took to the row.
func (r runner) measure(ctx context.Context, s settings, st *store, to *row) error {
	parts, size := s.amount(to.parallel)
	uploads, err := r.open(ctx, st, r.front, s.traffic, to.parallel, size, size*parts)
	if err != nil {
		return fmt.Errorf("open an upload: %w", err)
	}
	defer uploads.abort(ctx)
	uploads.Parts, uploads.Size = parts, size
	storeBefore, err := cpuOfProcess(st.pid)
	if err != nil {
		return err
	}
	var before usage
	if r.front != nil {
		if before, err = usageOf(r.front.pid); err == nil {
			err = resetPeak(r.front.pid)
		}
		if err != nil {
			return err
		}
	}
	result, err := uploads.run(ctx)
	if err != nil {
		return err
	}
	storeAfter, err := cpuOfProcess(st.pid)
	if err != nil {
		return err
	}
	cpu, peak, disk := result.CPUSeconds, result.PeakMiB, 0.0
	if r.front != nil {
		after, err := usageOf(r.front.pid)
		if err == nil {
			peak, err = memoryOf(r.front.pid, "VmHWM")
		}
		if err != nil {
			return err
		}
		cpu, disk = after.cpu-before.cpu, after.written-before.written
	}
	gib := float64(size) * float64(parts) / (1 << 30)
	to.rate = append(to.rate, gib*1073.741824/result.Seconds)
	to.cpu, to.storeCPU = append(to.cpu, cpu/gib), append(to.storeCPU, (storeAfter-storeBefore)/gib)
	to.peak, to.disk = append(to.peak, peak), append(to.disk, disk/gib)
	to.parts = append(to.parts, result.Parts...)
	return nil
}

// run has a process of its own send the parts.
func (j *job) run(ctx context.Context) (sent, error) {
	var result sent
	self, err := os.Executable()
	if err != nil {
		return result, err
	}
	in, err := json.Marshal(j)
	if err != nil {
		return result, err
	}
	cmd := exec.CommandContext(ctx, self, senderCommand)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return result, err
	}
	return result, json.Unmarshal(out, &result)
}

func median(values []float64) float64 { return percentile(values, 50) }

// percentile of values, of which there is at least one.
func percentile(values []float64, p int) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(len(sorted)*p/100, len(sorted)-1)]
}
