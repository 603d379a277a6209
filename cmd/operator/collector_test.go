package main

import "testing"

func TestGCPercent(t *testing.T) {
	const mib = 1 << 20
	for live, want := range map[uint64]int{0: 100, 8 * mib: 100, 64 * mib: 100, 128 * mib: 50, 250 * mib: 25, 4096 * mib: 25} {
		if got := gcPercent(live); got != want {
			t.Errorf("%d MiB: %d %%, want %d %%", live/mib, got, want)
		}
	}
}
