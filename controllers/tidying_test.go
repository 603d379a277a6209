package controllers

import (
	"fmt"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// A few go at once, the others one after the other, each when it was told to, and none twice in the line.
func TestTidying(t *testing.T) {
	var line tidying
	now := time.Unix(1_000_000, 0)
	name := func(i int) types.NamespacedName { return types.NamespacedName{Namespace: "ns", Name: fmt.Sprint(i)} }
	const perSecond = 10
	var waits []time.Duration
	for i := range 3 * perSecond {
		waits = append(waits, line.wait(name(i), perSecond, now))
	}
	for i, got := range waits {
		if want := time.Duration(max(0, i-perSecond+1)) * time.Second / perSecond; got.Round(time.Millisecond) != want {
			t.Errorf("number %d waits %s, want %s", i, got, want)
		}
	}
	last := 3*perSecond - 1
	if got := line.wait(name(last), perSecond, now.Add(time.Second)); got != waits[last]-time.Second {
		t.Errorf("looked at too early, it waits %s more", got)
	}
	if got := line.wait(name(last), perSecond, now.Add(waits[last])); got != 0 {
		t.Errorf("its turn has come, and it waits %s", got)
	}
	line.forget(name(last - 1))
	if len(line.turns) != 2*perSecond-2 {
		t.Errorf("%d are in the line", len(line.turns))
	}
}
