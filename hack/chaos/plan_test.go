package main

import (
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/tcpfault"
)

// TestPlan: the seed is the plan, and a short one has every kind of fault.
func TestPlan(t *testing.T) {
	of := func(seed uint64, length time.Duration) plan { return newPlan(seed, length, wild, meanGap) }
	one := of(7, 90*time.Second)
	if one.String() != of(7, 90*time.Second).String() {
		t.Error("the same seed gives another plan")
	}
	if one.String() == of(8, 90*time.Second).String() {
		t.Error("another seed gives the same plan")
	}
	kinds := map[string]bool{}
	for _, e := range of(7, 5*time.Minute) {
		kinds[e.kind] = true
	}
	for _, kind := range append([]string{"kill", "terminate", "pause", "restart store", "restart API server", "restart etcd", string(tcpfault.Latency), string(tcpfault.Reset), string(tcpfault.Silence), string(tcpfault.Cut)}, httpFaults...) {
		if !kinds[kind] {
			t.Errorf("5 minutes have no %q", kind)
		}
	}
}

// TestMildPlan: nothing comes to the public client that takes longer than it tries.
func TestMildPlan(t *testing.T) {
	kinds := map[string]bool{}
	for _, e := range newPlan(7, 5*time.Minute, mild, mildGap) {
		kinds[e.kind] = true
		if e.lasts > 3*time.Second || e.fault != "" || e.share != 0 {
			t.Errorf("%s is not mild", e)
		}
	}
	if len(kinds) != 3 || !kinds["kill"] || !kinds["terminate"] || !kinds["restart store"] {
		t.Errorf("5 minutes have %v", kinds)
	}
}
