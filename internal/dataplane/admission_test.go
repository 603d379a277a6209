package dataplane

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func testBudget(t *testing.T, parts int, memory int64) *budget {
	t.Helper()
	m, err := newMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	return newBudget(parts, memory, m)
}

// takeAll takes parts for the namespace until it is refused.
func takeAll(t *testing.T, b *budget, namespace string) (releases []func()) {
	for {
		release, err := b.takePart(t.Context(), time.Time{}, namespace)
		if err != nil {
			return releases
		}
		releases = append(releases, release)
	}
}

// TestFairBudget: a namespace that floods leaves room, each that comes later gets some, and what is
// given back is there for those that have less.
func TestFairBudget(t *testing.T) {
	const places = 256
	b := testBudget(t, places, places*partMemory)
	flood := takeAll(t, b, "flood")
	if n := len(flood); n != places*3/4 {
		t.Fatalf("a namespace alone got %d of %d places, want three quarters", n, places)
	}
	for _, namespace := range []string{"a", "b", "c"} {
		if n := len(takeAll(t, b, namespace)); n == 0 {
			t.Errorf("%s got nothing while another one floods", namespace)
		}
	}
	for _, release := range flood[:places/2] {
		release()
	}
	if _, err := b.takePart(t.Context(), time.Time{}, "flood"); err == nil && b.parts.Held("flood") > b.parts.Held("a")*2 {
		t.Error("the flooding namespace takes back what the others want")
	}
	if n := len(takeAll(t, b, "a")); n == 0 {
		t.Error("what the flooding namespace gave back is not for those that have less")
	}
	if b.parts.Used() > places || b.memory.Used() > places*partMemory {
		t.Errorf("%d places and %d bytes are taken, more than there are", b.parts.Used(), b.memory.Used())
	}
}

// TestBudgetForgets: a namespace that holds nothing is not remembered, and a budget of one is
// usable.
func TestBudgetForgets(t *testing.T) {
	b := testBudget(t, 1, partMemory)
	for range 3 {
		release, err := b.takePart(t.Context(), time.Time{}, "a")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.takePart(t.Context(), time.Time{}, "b"); err == nil {
			t.Fatal("two parts in one place")
		}
		if _, err := b.takeRead("b"); err == nil {
			t.Fatal("a download beyond the memory")
		}
		release()
	}
	if b.parts.Holders() != 0 || b.memory.Holders() != 0 || b.parts.Used() != 0 || b.memory.Used() != 0 {
		t.Errorf("after all was given back: %+v, %+v", b.parts, b.memory)
	}
}

// TestSecondLooks: a flood in one namespace is limited, to as many at once as the burst has, and
// others are not.
func TestSecondLooks(t *testing.T) {
	var l secondLooks
	now := time.Unix(1_000_000, 0)
	allowed := 0
	for range 10_000 {
		if l.take("flood", now) == nil {
			allowed++
		}
	}
	if allowed != 200 {
		t.Errorf("%d looks at once, want 200", allowed)
	}
	if err := l.take("other", now); err != nil {
		t.Errorf("another namespace pays for the flood: %v", err)
	}
	if l.take("flood", now.Add(time.Second)) != nil {
		t.Error("the flood is never forgiven")
	}
}
