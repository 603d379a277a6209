package dataplane

import (
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/apierror"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// A rate is one computation, however slow it is and however large the body: all parts of this
// replica wait for it.
func TestRateIsComputedAtOnce(t *testing.T) {
	limits := upload.Limits{BytesPerSecond: 1 << 10}
	var s shares
	ns := tenant{"ns", "store"}
	now := time.Now()
	const calls = 10_000
	begin := time.Now()
	for range calls / 2 {
		s.takeRate(ns, 5<<30, limits, now, time.Minute)
		s.Give(ns, now, wantsOf(5<<30, limits)...)
	}
	if took := time.Since(begin); took > 30*time.Second { // a step for each second of it would be 5,242,880 a call
		t.Errorf("%d calls took %s", calls, took)
	}
	wait, err := s.takeRate(ns, 5<<30, limits, now, time.Minute)
	if err != nil || wait != 0 {
		t.Fatalf("the first body: %s, %v", wait, err)
	}
	owed := 5<<30 - 1<<10 // more than a second's worth
	_, err = s.takeRate(ns, 1<<10, limits, now, time.Minute)
	want := time.Duration((owed+1<<10)/(1<<10)) * time.Second
	if got := apierror.Describe(err); got.Status != 429 || got.RetryAfter != want {
		t.Errorf("the next one is answered %d, and may come after %s, want %s", got.Status, got.RetryAfter, want)
	}
	if wait, err := s.takeRate(ns, 1<<10, limits, now.Add(want), time.Minute); err != nil || wait != 0 {
		t.Errorf("then: %s, %v", wait, err)
	}
}
