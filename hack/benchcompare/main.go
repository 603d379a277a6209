// Command benchcompare tells whether the hot functions have become slower since another commit. It
// builds the test binaries of both, the other's in a temporary worktree, runs their benchmarks in
// turn on this machine, and has benchstat compare them. It fails if time or allocations of a
// benchmark that both have rose by the threshold or more, and the difference is significant.
//
//	go run ./hack/benchcompare -base=main
package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// settings are the flags.
type settings struct {
	base, pattern, benchtime string
	packages                 []string
	rounds                   int
	threshold                float64 // percent
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "benchcompare:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var s settings
	var packages string
	flag.StringVar(&s.base, "base", "HEAD^", "commit to compare with")
	flag.StringVar(&s.pattern, "bench", "^Benchmark(ChunkedReader|PartOverhead|Body|Ranges|ProviderGet)|^BenchmarkPutPart/memory/TrailingCRC64NVME", "benchmarks to run, as go test -bench has it")
	flag.StringVar(&s.benchtime, "benchtime", "300ms", "time of one measurement")
	flag.StringVar(&packages, "packages", "./internal/dataplane,./internal/dataplane/transfer,./internal/dataplane/precondition,./internal/filestore,./internal/filestore/s3", "packages whose benchmarks run, on the side that has them")
	flag.IntVar(&s.rounds, "rounds", 8, "measurements of each side, in turn; with fewer than six, benchstat finds little significant")
	flag.Float64Var(&s.threshold, "threshold", 10, "percent from which on a significant rise is a failure")
	flag.Parse()
	s.packages = strings.Split(packages, ",")
	benchstat, err := devcluster.FindTool(ctx, os.Stderr, devcluster.Benchstat)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "iotfile-benchcompare-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := s.measure(ctx, dir); err != nil {
		return err
	}
	table, err := output(ctx, dir, benchstat, "base", "head")
	if err != nil {
		return err
	}
	fmt.Printf("%s", table)
	table, err = output(ctx, dir, benchstat, "-format=csv", "base", "head")
	if err != nil {
		return err
	}
	worse, compared, err := regressions(bytes.NewReader(table), s.threshold)
	switch {
	case err != nil:
		return err
	case compared == 0:
		return fmt.Errorf("%s and this checkout have no benchmark in common that matches %s", s.base, s.pattern)
	case len(worse) > 0:
		return fmt.Errorf("worse than %s by %g %% or more:\n  %s", s.base, s.threshold, strings.Join(worse, "\n  "))
	}
	fmt.Printf("\nNothing is significantly worse than %s by %g %% or more, in %d comparisons.\n", s.base, s.threshold, compared)
	return nil
}

// measure writes the results of both sides to the files base and head in dir.
func (s settings) measure(ctx context.Context, dir string) error {
	root, err := devcluster.ModuleRoot()
	if err != nil {
		return err
	}
	tree := filepath.Join(dir, "tree")
	if _, err := output(ctx, root, "git", "worktree", "add", "--detach", tree, s.base); err != nil {
		return err
	}
	defer func() { // also when ctx is over
		_, _ = output(context.WithoutCancel(ctx), root, "git", "worktree", "remove", "--force", tree)
	}()
	sides := []side{{"base", tree}, {"head", root}}
	for _, side := range sides {
		if err := s.build(ctx, dir, side); err != nil {
			return err
		}
	}
	for round := range s.rounds {
		for _, side := range sides {
			if err := s.runOnce(ctx, dir, side); err != nil {
				return err
			}
		}
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, s.rounds)
	}
	return nil
}

// side is one of the two commits, checked out at root.
type side struct{ name, root string }

func (d side) binary(dir string, i int) string {
	return filepath.Join(dir, fmt.Sprint(d.name, i, ".test"))
}

// has reports whether the side has a package: it may have come, or gone, in between.
func (d side) has(pkg string) bool {
	info, err := os.Stat(filepath.Join(d.root, pkg))
	return err == nil && info.IsDir()
}

func (s settings) build(ctx context.Context, dir string, d side) error {
	for i, pkg := range s.packages {
		if !d.has(pkg) {
			continue
		}
		if _, err := output(ctx, d.root, "go", "test", "-trimpath", "-c", "-o", d.binary(dir, i), pkg); err != nil {
			return err
		}
	}
	return nil
}

func (s settings) runOnce(ctx context.Context, dir string, d side) error {
	for i, pkg := range s.packages {
		if !d.has(pkg) {
			continue
		}
		out, err := output(ctx, filepath.Join(d.root, pkg), d.binary(dir, i),
			"-test.run=^$", "-test.bench="+s.pattern, "-test.benchtime="+s.benchtime, "-test.benchmem", "-test.short")
		if err != nil {
			return err
		}
		if err := appendTo(filepath.Join(dir, d.name), out); err != nil {
			return err
		}
	}
	return nil
}

func appendTo(path string, data []byte) error {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	return errors.Join(err, file.Close())
}

func output(ctx context.Context, dir, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w\n%s%s", filepath.Base(name), strings.Join(args, " "), err, out, stderr.Bytes())
	}
	return out, nil
}

// regressions reads benchstat's CSV: tables of one unit each, whose header has the columns "vs
// base" and "P". A difference that is not significant is "~".
func regressions(table io.Reader, threshold float64) (worse []string, compared int, err error) {
	reader := csv.NewReader(table)
	reader.FieldsPerRecord = -1
	records, err := reader.ReadAll()
	if err != nil {
		return nil, 0, fmt.Errorf("read benchstat's table: %w", err)
	}
	unit, delta := "", -1
	for _, fields := range records {
		if len(fields) > 2 && fields[0] == "" { // a header
			unit, delta = fields[1], slices.Index(fields, "vs base")
			continue
		}
		if delta < 0 || len(fields) <= delta || fields[0] == "geomean" || fields[delta] == "" || !lowerIsBetter(unit) {
			continue
		}
		compared++
		if rise(fields[delta]) >= threshold {
			worse = append(worse, fmt.Sprintf("%s: %s %s", fields[0], unit, fields[delta]))
		}
	}
	return worse, compared, nil
}

// rise is a change in percent as benchstat writes it; 0 for "~", which is none that is significant,
// and "?", which none can be told of.
func rise(change string) float64 {
	percent, err := strconv.ParseFloat(strings.TrimSuffix(change, "%"), 64)
	if err != nil {
		return 0
	}
	return percent
}

func lowerIsBetter(unit string) bool {
	return slices.Contains([]string{"sec/op", "allocs/op", "B/op", "cpu-s/GiB", "cpu-sec/op"}, unit)
}
