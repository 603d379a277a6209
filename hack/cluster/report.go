package main

import (
	"fmt"
	"io"
	"time"
)

// report prints what is done while it is done, and the tables at the end.
type report struct {
	out     io.Writer
	rows    []row
	figures []figure
}

// row is a line of the table of steps.
type row struct {
	Step, Result string
	Took         time.Duration
}

func newReport(out io.Writer) *report { return &report{out: out} }

// step does something, and prints its name before and what came of it after.
func (r *report) step(name string, do func() (string, error)) error {
	fmt.Fprintf(r.out, "%s  %s\n", time.Now().Format("15:04:05"), name)
	began := time.Now()
	result, err := do()
	took := time.Since(began)
	if err != nil {
		r.rows = append(r.rows, row{name, "FAILED", took})
		return fmt.Errorf("%s: %w", name, err)
	}
	r.rows = append(r.rows, row{name, result, took})
	fmt.Fprintf(r.out, "%16.1fs %s\n", took.Seconds(), result)
	return nil
}

// tables prints all steps, and what the load has seen.
func (r *report) tables() {
	fmt.Fprintf(r.out, "\n| step | result | time |\n|---|---|--:|\n")
	var total time.Duration
	for _, row := range r.rows {
		fmt.Fprintf(r.out, "| %s | %s | %.1f s |\n", row.Step, row.Result, row.Took.Seconds())
		total += row.Took
	}
	fmt.Fprintf(r.out, "| together | | %.0f s |\n", total.Seconds())
	if len(r.figures) == 0 {
		return
	}
	fmt.Fprintf(r.out, "\n| under load | requests | failed | of these in flight on the killed pod | no connection | failed again | slowest |\n|---|--:|--:|--:|--:|--:|--:|\n")
	for _, f := range r.figures {
		fmt.Fprintf(r.out, "| %s | %d | %d | %d | %d | %d | %.1f s |\n", f.what, f.requests, f.failed, f.inFlight, f.refused, f.lost, f.slowest.Seconds())
	}
}
