// Command bench measures the operator beside the same bytes sent by other ways to the same object
// store, in one run on one machine: throughput, CPU-seconds per GiB in the process that sends or
// forwards them, memory and disk. It prints ratios; absolute values say more about the machine.
//
//	go run ./hack/bench peers    the operator, its peers, the straight way and the floor; docs/benchmarks.md is made by it
//	go run ./hack/bench cpu      the operator and the straight way alone
//	go run ./hack/bench memory   the operator's memory while many large parts stream at once
//	go run ./hack/bench failover how long starts stand still when the leader of two operators is killed, and when it is terminated
//	go run ./hack/bench client   the Go client through the operator beside aws and rclone straight to the store, up and down
//	go run ./hack/bench expiry   how late uploads end of which thousands expire in one minute, and how long starts take meanwhile
//	go run ./hack/bench flood    how long the requests of one namespace take while another one floods the operator
//	go run ./hack/bench latency  one part at a time through the operator and straight to the store, and what a part costs besides its bytes
//	go run ./hack/bench control  calls to the API server and to the store in the life of an upload, and the latency and the rate of starts and completes
//	go run ./hack/bench scale    what thousands of open and of finished uploads cost the operator: memory, starts, take-over, look-up, progress, expiry
//	go run ./hack/bench          cpu and memory
package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

// commands make this program another one: what it measures with runs in processes of its own.
var commands = map[string]func(args []string) error{senderCommand: runSender, nullCommand: runNull, spliceCommand: runSplice, copyCommand: runCopy}

func main() {
	if len(os.Args) > 1 && commands[os.Args[1]] != nil {
		if err := commands[os.Args[1]](os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, os.Args[1]+":", err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// benchmarks by name, with the flags that each has by default.
var benchmarks = map[string]struct {
	measure  func(context.Context, settings) error
	defaults string
}{
	"peers":    {measurePeers, "-stores=versitygw,minio,null -ways=all -parallel=1,4,16,64 -mib=800 -part=8 -rounds=3"},
	"cpu":      {measurePeers, "-stores=versitygw,minio -ways=signed,unsigned,ours -parallel=4 -mib=1024 -part=16 -rounds=3"},
	"client":   {on(measureClient), "-stores=versitygw,minio -ways=ours -parallel=4 -mib=4096 -part=16 -rounds=1"},
	"expiry":   {on(measureExpiry), "-stores=versitygw -ways=ours -parallel=1 -mib=5 -part=5 -rounds=1"},
	"flood":    {on(measureFlood), "-stores=versitygw -ways=ours -parallel=1 -mib=5 -part=5 -rounds=1"},
	"latency":  {on(measureLatency), "-stores=versitygw,minio -ways=ours -parallel=1 -mib=1000 -part=5 -rounds=1"},
	"control":  {on(measureControl), "-stores=versitygw -ways=ours -parallel=1 -mib=5 -part=5 -rounds=1 -uploads=100"},
	"scale":    {on(measureScale), "-stores=versitygw -ways=ours -parallel=1 -mib=5 -part=5 -rounds=3 -uploads=1000 -phase=150s"},
	"failover": {on(measureFailover), "-stores=versitygw -ways=ours -parallel=1 -mib=5 -part=5 -rounds=20"},
	"memory":   {on(measureMemory), "-stores=versitygw,minio -ways=ours -parallel=32 -mib=2048 -part=64 -rounds=1"},
}

func run(ctx context.Context, args []string) error {
	names := []string{"cpu", "memory"}
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		if benchmarks[args[0]].measure == nil {
			return fmt.Errorf("unknown benchmark %q: choose one of %s", args[0], strings.Join(slices.Sorted(maps.Keys(benchmarks)), ", "))
		}
		names, args = args[:1], args[1:]
	}
	for _, name := range names {
		s, err := parseSettings(append(strings.Fields(benchmarks[name].defaults), args...))
		if err != nil {
			return err
		}
		if err := benchmarks[name].measure(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}
