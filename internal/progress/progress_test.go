package progress

import (
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

// Listings in a store that does not answer leave workers to the progress of uploads in others.
func TestProgressIsSharedByStores(t *testing.T) {
	clock := clocktesting.NewFakeClock(time.Now())
	updates := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "updates_total", Help: "Of this test."}, []string{"result"})
	p := New(Options{Clock: clock, Interval: time.Minute, Updates: updates})
	mark := func(store string, n int) {
		for i := range n {
			u := testkit.Upload(testkit.Named("ns", fmt.Sprint(store, i)), testkit.Opened("id"))
			u.UID, u.Status.StoreName = types.UID(u.Name), store
			p.Mark(u)
		}
	}
	mark("silent", 64)
	clock.Step(time.Second)
	held, _ := p.take()
	if n := len(held); n != 24 {
		t.Errorf("%d listings of one store are under way at once, want 24 of 32", n)
	}
	mark("healthy", 4)
	clock.Step(time.Second)
	others, _ := p.take()
	if n := len(others); n != 4 || others[0].store != "healthy" {
		t.Errorf("beside them, %d of another store are: %v", n, others)
	}
	for _, done := range held { // once the store is known to be silent, the rest fails as soon as it is begun
		p.finish(done, failed)
	}
	if held, _ = p.take(); len(held) == 0 {
		t.Error("those that waited for a worker are forgotten")
	}
}

// An upload that object storage does not know is looked for at once, and then once a minute at
// most, however often clients ask for it; a part that lands brings it back to its usual pace.
func TestMissingIsToldOnceAMinute(t *testing.T) {
	clock := clocktesting.NewFakeClock(time.Now())
	updates := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "updates_total", Help: "Of this test."}, []string{"result"})
	p := New(Options{Clock: clock, Delay: time.Second, Interval: 15 * time.Second, Updates: updates})
	u := testkit.Upload(testkit.Opened("id"))
	due := func(want int, when string) {
		t.Helper()
		marks, _ := p.take()
		if len(marks) != want {
			t.Fatalf("%s: %d are due, want %d", when, len(marks), want)
		}
		for _, m := range marks {
			p.finish(m, missing)
		}
	}
	p.Missing(u)
	due(1, "at first")
	for range 3 {
		p.Missing(u)
		clock.Step(15 * time.Second)
		due(0, "within the minute")
	}
	clock.Step(15 * time.Second)
	due(0, "when nobody asks")
	p.Missing(u)
	due(1, "after a minute")
	p.Mark(u)
	clock.Step(time.Minute)
	due(1, "when a part has landed")
}
