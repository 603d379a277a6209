package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// measureMemory streams many large parts at once through the operator and prints its resident
// memory before, at the peak, and after.
func measureMemory(ctx context.Context, b *testbed, s settings) error {
	for _, st := range b.stores {
		if err := measureMemoryWith(ctx, b, s, st); err != nil {
			return fmt.Errorf("%s: %w", st.name, err)
		}
	}
	return nil
}

func measureMemoryWith(ctx context.Context, b *testbed, s settings, st *store) error {
	front, err := startOurs(ctx, b, st)
	if err != nil {
		return err
	}
	before, err := memoryOf(front.pid, "VmRSS")
	if err != nil {
		return err
	}
	inFlight := watchParts(ctx, b)
	ours := runner{way: way{name: "ours", mode: modeREST}, front: front}
	result := &row{parallel: s.parallel[0]}
	if err := ours.measure(ctx, s, st, result); err != nil {
		return err
	}
	seen := inFlight()
	after, err := memoryOf(front.pid, "VmRSS")
	if err != nil {
		return err
	}
	parts, _ := s.amount(s.parallel[0])
	fmt.Printf("\n%s: %d parts of %d MiB, %d at once", st.name, parts, s.part, s.parallel[0])
	if seen > 0 { // over TLS, metrics want rights
		fmt.Printf(" (%d seen in flight in the operator)", seen)
	}
	fmt.Print("\n\n")
	fmt.Printf("| operator's resident memory | MiB |\n|---|---|\n| before | %.0f |\n| peak (VmHWM) | %.0f |\n| after | %.0f |\n| bytes of all parts | %d |\n",
		before, result.peak[0], after, parts*s.part)
	return nil
}

// watchParts reads the operator's gauge of parts in flight until the function that it returns is
// called, which gives the highest value seen.
func watchParts(ctx context.Context, b *testbed) (highest func() int) {
	watched, stop := context.WithCancel(ctx)
	done := make(chan int)
	go func() {
		most := 0
		for watched.Err() == nil {
			most = max(most, partsInFlight(watched, b.system))
			time.Sleep(50 * time.Millisecond)
		}
		done <- most
	}()
	return func() int {
		stop()
		return <-done
	}
}

// partsInFlight reads the operator's own gauge; 0 if it cannot.
func partsInFlight(ctx context.Context, system *devcluster.System) int {
	text, err := get(ctx, anyServer, system.Operator.MetricsURL+"/metrics")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "iotfile_parts_in_flight "); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err == nil {
				return int(n)
			}
		}
	}
	return 0
}
