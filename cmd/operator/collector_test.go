package main

import "testing"

func TestGCPercent(t *testing.T) {
	const mib = 1 << 20
	for _, test := range []struct {
		live, allocated uint64
		want            int
	}{
		{0, 0, 100},
		{8 * mib, mib, 100},
		{24 * mib, mib, 100},
		{48 * mib, mib, 50},
		{48 * mib, 48 * mib, 100},
		{120 * mib, mib, 20},
		{4096 * mib, mib, 10},
		{256 * mib, 64 * mib, 25}, // it would run more than once until the next look
		{256 * mib, 512 * mib, 50},
	} {
		if got := gcPercent(test.live, test.allocated); got != test.want {
			t.Errorf("%d MiB alive, %d MiB allocated: %d %%, want %d %%", test.live/mib, test.allocated/mib, got, test.want)
		}
	}
}

// TestLately: more work counts at once, less of it bit by bit.
func TestLately(t *testing.T) {
	for _, test := range []struct{ before, since, want uint64 }{
		{0, 0, 0},
		{0, 7, 70},
		{70, 7, 70},
		{70, 0, 63},
		{1000, 95, 950},
		{1000, 10, 900},
	} {
		if got := lately(test.before, test.since); got != test.want {
			t.Errorf("%d before, %d since: %d, want %d", test.before, test.since, got, test.want)
		}
	}
}
