package limit

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// Keys that owe something are kept, and looked through once for as many new ones, not each time.
func TestSweptSeldom(t *testing.T) {
	var l Keyed[string]
	now := time.Now()
	take := func(key string, n float64, at time.Time) (time.Duration, int) {
		return l.Take(key, at, time.Minute, Want{1, PerSecond(0)}, Want{n, PerSecond(1)})
	}
	sweeps, before := 0, 0
	for i := range 16 * sweepFrom {
		take(fmt.Sprint("ns-", i), 1<<30, now)
		if l.sweepAt != before {
			sweeps, before = sweeps+1, l.sweepAt
		}
	}
	if sweeps == 0 || sweeps > 5 {
		t.Errorf("%d sweeps", sweeps)
	}
	if _, over := take("ns-0", 1, now); over != 1 {
		t.Error("what a namespace owes is forgotten")
	}
	later := now.Add(200 * 365 * 24 * time.Hour)
	for i := range 16*sweepFrom + 1 {
		take(fmt.Sprint("late-", i), 1, later)
	}
	if n := len(l.known); n > 17*sweepFrom {
		t.Errorf("%d keys are kept that owe nothing", n)
	}
}

// A flood of one key is limited and others are not; quiet ones are forgotten.
func TestBurst(t *testing.T) {
	var l Keyed[string]
	rate := Rate{PerSecond: 20, Burst: 200}
	now := time.Unix(1_000_000, 0)
	take := func(key string, at time.Time) bool {
		_, over := l.Take(key, at, 0, Want{1, rate})
		return over < 0
	}
	allowed := 0
	for range 10_000 {
		if take("flood", now) {
			allowed++
		}
	}
	if allowed != 200 {
		t.Errorf("%d at once, want 200", allowed)
	}
	if !take("other", now) {
		t.Error("another key pays for the flood")
	}
	if !take("flood", now.Add(time.Second)) {
		t.Error("the flood is never forgiven")
	}
	for i := range 3 * sweepFrom {
		take(fmt.Sprint(i), now.Add(time.Duration(i)*time.Second))
	}
	if n := len(l.known); n > sweepFrom+1 {
		t.Errorf("%d keys are remembered", n)
	}
}

// What is held counts until it is released, and keeps its key.
func TestHold(t *testing.T) {
	var l Keyed[string]
	full := errors.New("full")
	now := time.Unix(1_000_000, 0)
	hold := func(n int64) (func(), error) {
		return l.Hold("a", n, now, func(held int64) error {
			if held+n > 10 {
				return full
			}
			return nil
		})
	}
	release, err := hold(8)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := hold(3); !errors.Is(err, full) {
		t.Errorf("11 of 10: %v", err)
	}
	for i := range 2 * sweepFrom {
		l.Take(fmt.Sprint(i), now, 0, Want{0, PerSecond(1)})
	}
	if _, err := hold(3); !errors.Is(err, full) {
		t.Errorf("11 of 10, after others came: %v", err)
	}
	release()
	if _, err := hold(10); err != nil {
		t.Error(err)
	}
}
