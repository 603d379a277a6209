package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// The garbage collector's default lets the heap double before it runs, so a cache of a hundred
// thousand uploads would take its size twice. Most of that heap never becomes garbage, and what
// does is little, since parts leave none that grows with their size. So it may run sooner, as long
// as it does not run often: each run looks at the whole cache.
const (
	// freeGarbage is how many bytes may always pile up: a small heap may double.
	freeGarbage = 24 << 20
	// leastPercent of the live heap may pile up however little is allocated, mostPercent of a large
	// one however much: while all records are looked at after a start, what stays is allocated
	// among what goes, and holes remain where that was.
	leastPercent, mostPercent, largeHeap = 10, 50, 96 << 20
	// collectorPause is the time between two runs of the collector, if what was allocated lately is
	// any guide: in the last collectorLook, or a while ago.
	collectorPause, collectorLook = 10 * time.Second, time.Second
)

// lately is how many bytes are allocated in a collectorPause, by how many were since the last look,
// and what was said then: as soon as there is more to do, garbage may pile up, and it does not have
// to be less the moment there is nothing to do.
func lately(before, sinceLook uint64) uint64 {
	const looks = uint64(collectorPause / collectorLook)
	return max(sinceLook*looks, before-before/looks)
}

// gcPercent is the collector's target for a live heap of so many bytes, when so many were allocated
// in the last collectorPause.
func gcPercent(live, allocated uint64) int {
	garbage := max(freeGarbage, allocated)
	most := uint64(100)
	if live > largeHeap {
		most = mostPercent
	}
	if live == 0 {
		return 100
	}
	return int(min(most, max(leastPercent, garbage*100/live)))
}

// paceCollector adapts the collector to the live heap until ctx ends, unless GOGC is set: then the
// user has decided. It fits manager.RunnableFunc and returns nil.
func paceCollector(ctx context.Context) error {
	if os.Getenv("GOGC") != "" {
		return nil
	}
	heap := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/heap/allocs:bytes"}}
	last, seen, recent := 100, uint64(0), uint64(0)
	ticker := time.NewTicker(collectorLook)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		metrics.Read(heap)
		live, allocs := heap[0].Value.Uint64(), heap[1].Value.Uint64()
		recent = lately(recent, allocs-seen)
		if percent := gcPercent(live, recent); percent != last {
			debug.SetGCPercent(percent)
			last = percent
		}
		seen = allocs
	}
}
