package leader

import (
	"testing"
	"time"
)

// A lease that has run out is tried for soon, and then less and less often: an attempt at a slow
// API server is given the time that it takes.
func TestPatience(t *testing.T) {
	c := &campaign{opts: Options{LeaseDuration: 2 * time.Second}}
	whole := 2*time.Second + ranOutSlack
	for tries, want := range []time.Duration{whole, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, whole, whole} {
		c.overdue = tries
		if got := c.patience(); got != want {
			t.Errorf("after %d tries: %s, want %s", tries, got, want)
		}
	}
	c.overdue = 1 << 40 // and for ever
	if got := c.patience(); got != whole {
		t.Errorf("in the end: %s", got)
	}
}
