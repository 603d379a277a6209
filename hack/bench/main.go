// Command bench measures the operator beside the same bytes sent straight to the same object store, in one run on one machine: CPU-seconds per
// GiB in the process that sends or forwards them, throughput, and memory. It prints ratios; absolute values say more about the machine.
//
//	go run ./hack/bench cpu      CPU and throughput: minio-go straight to the store, and HTTP through the operator
//	go run ./hack/bench memory   the operator's memory while many large parts stream at once
//	go run ./hack/bench          both
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// settings are the flags.
type settings struct {
	store    devcluster.StoreKind
	mebibyte int // of the whole transfer
	part     int // MiB of a part
	parallel int
	rounds   int
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == senderCommand {
		if err := runSender(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "sender:", err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	benchmarks := map[string]func(context.Context, *devcluster.System, settings) error{"cpu": measureCPU, "memory": measureMemory}
	names := []string{"cpu", "memory"}
	args := os.Args[1:]
	if len(args) > 0 && benchmarks[args[0]] != nil {
		names, args = args[:1], args[1:]
	}
	var s settings
	store := ""
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&store, "store", "both", "versitygw, minio or both")
	flags.IntVar(&s.mebibyte, "mib", 1024, "MiB to send in each measurement of CPU")
	flags.IntVar(&s.part, "part", 16, "MiB of a part")
	flags.IntVar(&s.parallel, "parallel", 4, "parts sent at once")
	flags.IntVar(&s.rounds, "rounds", 3, "measurements of each kind, in turn; the median counts")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unknown benchmark %q: choose cpu or memory", flags.Arg(0))
	}
	kinds := []devcluster.StoreKind{devcluster.StoreVersityGW, devcluster.StoreMinIO}
	if store != "both" {
		kinds = []devcluster.StoreKind{devcluster.StoreKind(store)}
	}
	dir, err := os.MkdirTemp("", "iotfile-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	for _, s.store = range kinds {
		if err := onSystem(ctx, filepath.Join(dir, string(s.store)), s, names, benchmarks); err != nil {
			return err
		}
	}
	return nil
}

func onSystem(ctx context.Context, dir string, s settings, names []string, benchmarks map[string]func(context.Context, *devcluster.System, settings) error) (err error) {
	system, err := devcluster.Up(ctx, devcluster.Options{
		Dir: dir, Store: s.store, Log: os.Stderr,
		OperatorArgs: []string{"--auth=none"}, // the bytes alone
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, system.Stop()) }()
	for _, name := range names {
		if err := benchmarks[name](ctx, system, s); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}
