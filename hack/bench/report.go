package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// report is what `bench peers` has found out.
type report struct {
	settings settings
	rows     []*row
	began    time.Time
	load     string // before the first measurement
}

func newReport(s settings) *report {
	return &report{settings: s, began: time.Now(), load: loadAverage()}
}

// write prints the tables, and brings the documentation up to date if it was asked for.
func (r *report) write(w io.Writer) error {
	var text bytes.Buffer
	r.tables(&text)
	if _, err := w.Write(text.Bytes()); err != nil || r.settings.out == "" {
		return err
	}
	if err := replaceBetweenMarkers(filepath.Join(r.settings.out, "benchmarks.md"), text.Bytes()); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.settings.out, "benchmarks.svg"), r.chart(), 0o600)
}

func (r *report) tables(w io.Writer) {
	s := r.settings
	fmt.Fprintf(w, "%s. Each measurement: %d MiB\nin parts of %d MiB, at least one of each sender, or whole files; %d rounds, all ways in turn in each, medians; percentiles\nover the parts of all rounds.\n",
		machine(), s.mebibyte/s.part*s.part, s.part, s.rounds)
	fmt.Fprintf(w, "Load average %s before and %s after, %s.\n", r.load, loadAverage(), time.Since(r.began).Round(time.Second))
	for i, row := range r.rows {
		if i == 0 || r.rows[i-1].traffic.name != row.traffic.name {
			fmt.Fprintf(w, "\n### %s%s\n", strings.ToUpper(row.traffic.label[:1]), row.traffic.label[1:])
		}
		if i == 0 || r.rows[i-1].traffic.name != row.traffic.name || r.rows[i-1].store != row.store || r.rows[i-1].parallel != row.parallel {
			fmt.Fprintf(w, "\n**%s, %d at once**\n\n", row.store, row.parallel)
			fmt.Fprintf(w, "| way | MB/s | × straight | CPU-s/GiB | × floor | store CPU-s/GiB | peak RSS, MiB | to disk, MiB/GiB | part p50, ms | p99, ms |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n")
		}
		fmt.Fprintf(w, "| %s | %.0f | %s | %.2f | %s | %.2f | %.0f | %.0f | %.0f | %.0f |\n", row.way.label,
			median(row.rate), ratio(median(row.rate), r.rate(row, base)), median(row.cpu), ratio(median(row.cpu), r.cpu(row, "splice")),
			median(row.storeCPU), median(row.peak), median(row.disk), 1000*percentile(row.parts, 50), 1000*percentile(row.parts, 99))
	}
}

// find is the row of another way beside this one; nil if that was not measured.
func (r *report) find(beside *row, name string) *row {
	for _, row := range r.rows {
		if row.traffic.name == beside.traffic.name && row.store == beside.store && row.parallel == beside.parallel && row.way.name == name {
			return row
		}
	}
	return nil
}

func (r *report) rate(beside *row, name string) float64 {
	if other := r.find(beside, name); other != nil {
		return median(other.rate)
	}
	return 0
}

func (r *report) cpu(beside *row, name string) float64 {
	if other := r.find(beside, name); other != nil && beside.way.start != nil { // a sender's CPU is not a forwarder's
		return median(other.cpu)
	}
	return 0
}

func ratio(value, of float64) string {
	if of == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f", value/of)
}

// machine describes this one.
func machine() string {
	model := runtime.GOARCH
	if file, err := os.Open("/proc/cpuinfo"); err == nil {
		defer func() { _ = file.Close() }()
		for lines := bufio.NewScanner(file); lines.Scan(); {
			if name, value, _ := strings.Cut(lines.Text(), ":"); strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	kernel := "Linux"
	var u syscall.Utsname
	if syscall.Uname(&u) == nil {
		var release []byte
		for _, c := range u.Release {
			if c == 0 {
				break
			}
			release = append(release, byte(c)) //nolint:gosec // text
		}
		kernel += " " + string(release)
	}
	return fmt.Sprintf("%s, %d cores, %s, %s, loopback", model, runtime.NumCPU(), kernel, runtime.Version())
}

func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	one, _, _ := strings.Cut(string(text), " ")
	return one
}

// replaceBetweenMarkers puts text between the lines of a file that say where it goes.
func replaceBetweenMarkers(path string, text []byte) error {
	const begin, end = "<!-- bench-peers -->\n", "<!-- /bench-peers -->\n"
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	head, rest, ok := bytes.Cut(old, []byte(begin))
	_, tail, closed := bytes.Cut(rest, []byte(end))
	if !ok || !closed {
		return fmt.Errorf("the lines %q and %q are missing in %s", begin, end, path)
	}
	return os.WriteFile(path, bytes.Join([][]byte{head, []byte(begin), text, []byte(end), tail}, nil), 0o600)
}
