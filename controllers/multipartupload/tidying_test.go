package multipartupload

import (
	"fmt"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// enterAndLeave is a turn that takes no time.
func (t *tidying) enterAndLeave(name types.NamespacedName, perSecond int, now time.Time) time.Duration {
	wait := t.enter(name, false, perSecond, now)
	if wait == 0 {
		t.leave()
	}
	return wait
}

// A few go at once, the others one after the other, each when it was told to, and none twice in the
// line.
func TestTidying(t *testing.T) {
	var line tidying
	now := time.Unix(1_000_000, 0)
	name := func(i int) types.NamespacedName { return types.NamespacedName{Namespace: "ns", Name: fmt.Sprint(i)} }
	const perSecond = 10
	var waits []time.Duration
	for i := range 3 * perSecond {
		waits = append(waits, line.enterAndLeave(name(i), perSecond, now))
	}
	for i, got := range waits {
		if want := time.Duration(max(0, i-perSecond+1)) * time.Second / perSecond; got.Round(time.Millisecond) != want {
			t.Errorf("number %d waits %s, want %s", i, got, want)
		}
	}
	last := 3*perSecond - 1
	if got := line.enterAndLeave(name(last), perSecond, now.Add(time.Second)); got != waits[last]-time.Second {
		t.Errorf("looked at too early, it waits %s more", got)
	}
	if got := line.enterAndLeave(name(last), perSecond, now.Add(waits[last])); got != 0 {
		t.Errorf("its turn has come, and it waits %s", got)
	}
	line.forget(name(last - 1))
	if len(line.turns) != 2*perSecond-2 {
		t.Errorf("%d are in the line", len(line.turns))
	}
}

// While writes take long, those whose turn has come wait for another one.
func TestTidyingSlowly(t *testing.T) {
	var line tidying
	now := time.Unix(1_000_000, 0)
	name := func(i int) types.NamespacedName { return types.NamespacedName{Namespace: "ns", Name: fmt.Sprint(i)} }
	for i := range atOnceTidied {
		if wait := line.enter(name(i), false, 100, now); wait != 0 {
			t.Fatalf("number %d waits %s", i, wait)
		}
	}
	wait := line.enter(name(atOnceTidied), false, 100, now)
	if wait <= 0 || wait > time.Second {
		t.Errorf("one too many waits %s", wait)
	}
	line.leave()
	if wait := line.enter(name(atOnceTidied), false, 100, now.Add(wait)); wait != 0 {
		t.Errorf("there is room, and it waits %s", wait)
	}
}

// While ends are to be recorded, what only clears away waits for about as long as they take.
func TestTidyingEndsFirst(t *testing.T) {
	var line tidying
	now := time.Unix(1_000_000, 0)
	name := func(kind string, i int) types.NamespacedName {
		return types.NamespacedName{Namespace: kind, Name: fmt.Sprint(i)}
	}
	const perSecond, ends = 10, 30 // as many as a second has go at once
	for i := range ends {
		if wait := line.enter(name("ended", i), true, perSecond, now); wait == 0 {
			line.leave()
		}
	}
	if got, want := line.enter(name("released", 0), false, perSecond, now), 2*time.Second; got < want || got > want+time.Second {
		t.Errorf("what only clears away waits %s, while %d ends take %s", got, ends, want)
	}
	line.forget(name("ended", ends-1))
	for i := range ends - 1 {
		if wait := line.enter(name("ended", i), true, perSecond, now.Add(3*time.Second)); wait != 0 {
			t.Errorf("end %d waits %s more", i, wait)
		}
		line.leave()
	}
	if got := line.enter(name("released", 0), false, perSecond, now.Add(4*time.Second)); got != 0 || line.ends != 0 || len(line.turns) != 0 {
		t.Errorf("all ends are recorded, and it waits %s; %d ends, %d in the line", got, line.ends, len(line.turns))
	}
	line.leave()
}
