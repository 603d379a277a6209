package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// The garbage collector's default lets the heap double before it runs, so a cache of a hundred thousand uploads would take its size twice. Most of that heap never becomes
// garbage, and what does is little, since parts leave none that grows with their size.
const (
	// freeGarbage is how many bytes may always pile up: a small heap may double.
	freeGarbage = 64 << 20
	// leastPercent of the live heap may pile up however large that is, or the collector would run all the time.
	leastPercent = 25
	// collectorPause is the time between two looks at the heap.
	collectorPause = 10 * time.Second
)

// gcPercent is the collector's target for a live heap of so many bytes.
func gcPercent(live uint64) int {
	if live <= freeGarbage {
		return 100
	}
	return int(max(leastPercent, freeGarbage*100/live)) //nolint:gosec // at most 100
}

// paceCollector adapts the collector to the live heap until ctx ends, unless GOGC is set: then the user has decided. It fits manager.RunnableFunc and returns nil.
func paceCollector(ctx context.Context) error {
	if os.Getenv("GOGC") != "" {
		return nil
	}
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	last := 100
	ticker := time.NewTicker(collectorPause)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		metrics.Read(live)
		if percent := gcPercent(live[0].Value.Uint64()); percent != last {
			debug.SetGCPercent(percent)
			last = percent
		}
	}
}
