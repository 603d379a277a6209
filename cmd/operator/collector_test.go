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
		{64 * mib, mib, 100},
		{128 * mib, mib, 50},
		{256 * mib, mib, 25},
		{4096 * mib, mib, 25},
		{256 * mib, 128 * mib, 50},
		{256 * mib, 512 * mib, 100}, // it would run more than once until the next look
	} {
		if got := gcPercent(test.live, test.allocated); got != test.want {
			t.Errorf("%d MiB alive, %d MiB allocated: %d %%, want %d %%", test.live/mib, test.allocated/mib, got, test.want)
		}
	}
}
