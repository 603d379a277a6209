package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"
)

// TestPlan: the seed is the plan, and a short one has every kind of torment.
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
	for _, kind := range append([]string{"kill", "terminate", "pause", "restart store", "restart API server", "restart etcd", faultLatency, faultReset, faultSilence, faultCut}, httpFaults...) {
		if !kinds[kind] {
			t.Errorf("5 minutes have no %q", kind)
		}
	}
}

// TestMildPlan: nothing comes to the public client that is beyond its patience.
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

// TestJudge: what must not be is seen, and what may be is not blamed.
func TestJudge(t *testing.T) {
	v0, v1, rival := &attempt{id: "v0", base: absent}, &attempt{id: "v1", base: 0}, &attempt{id: "rival", base: 0}
	v2, gone := &attempt{id: "v2", base: 1}, &attempt{id: "gone", deletion: true}
	type step struct {
		a      *attempt
		result outcome
	}
	for name, tt := range map[string]struct {
		shared bool
		steps  []step
		seen   *attempt
		wrong  string
	}{
		"acknowledged":                   {steps: []step{{v0, acked}, {v1, acked}}, seen: v1},
		"an acknowledged version lost":   {steps: []step{{v0, acked}, {v1, acked}}, seen: v0, wrong: "version 0 by v0"},
		"an acknowledged file lost":      {steps: []step{{v0, acked}}, wrong: "absent"},
		"refused, and there":             {steps: []step{{v0, acked}, {v1, refused}}, seen: v1, wrong: "version 1"},
		"unanswered, and there":          {steps: []step{{v0, acked}, {v1, unknown}}, seen: v1},
		"unanswered, and not there":      {steps: []step{{v0, acked}, {v1, unknown}}, seen: v0},
		"unanswered, but of no base":     {steps: []step{{v0, unknown}, {v2, unknown}}, seen: v2, wrong: "version 2"},
		"a chain of unanswered":          {steps: []step{{v0, unknown}, {v1, unknown}, {v2, unknown}}, seen: v2},
		"deleted, and there":             {steps: []step{{v0, acked}, {gone, acked}}, seen: v0, wrong: "version 0"},
		"shared: the highest":            {shared: true, steps: []step{{v0, acked}, {v1, acked}, {rival, refused}, {v2, acked}}, seen: v2},
		"shared: two winners":            {shared: true, steps: []step{{v0, acked}, {v1, acked}, {rival, acked}}, seen: rival, wrong: "acknowledged twice"},
		"shared: a hole":                 {shared: true, steps: []step{{v0, acked}, {v2, acked}}, seen: v2, wrong: "nobody can have made version 1"},
		"shared: a hole that may not be": {shared: true, steps: []step{{v0, acked}, {rival, unknown}, {v2, acked}}, seen: v2},
		"shared: the loser is there":     {shared: true, steps: []step{{v0, acked}, {v1, acked}, {rival, refused}}, seen: rival, wrong: "acknowledged to v1"},
		"shared: an old one":             {shared: true, steps: []step{{v0, acked}, {v1, acked}}, seen: v0, wrong: "although version 1"},
		"shared: lost":                   {shared: true, steps: []step{{v0, acked}}, wrong: "absent"},
	} {
		t.Run(name, func(t *testing.T) {
			f := &file{shared: tt.shared}
			for _, s := range tt.steps {
				f.settle(f.begin(s.a), s.result, false)
			}
			err := f.judge(tt.seen)
			if (err == nil) != (tt.wrong == "") || (err != nil && !strings.Contains(err.Error(), tt.wrong)) {
				t.Errorf("judged %v, want %q", err, tt.wrong)
			}
		})
	}
}

// TestCompare: a file is one of what each part may be, and not a byte else.
func TestCompare(t *testing.T) {
	one, other, last := content{"one", 1000}, content{"other", 1000}, content{"last", 10}
	a := &attempt{pieces: []*piece{{number: 1, acked: &one, unsure: []content{other}}, {number: 2, acked: &last}}}
	text := func(parts ...content) []byte {
		var b bytes.Buffer
		for _, p := range parts {
			_, _ = io.Copy(&b, p.reader())
		}
		return b.Bytes()
	}
	flipped := text(one, last)
	flipped[999] ^= 1
	for name, tt := range map[string]struct {
		bytes []byte
		good  bool
	}{
		"acknowledged": {text(one, last), true}, "unanswered": {text(other, last), true}, "flipped": {flipped, false}, "short": {text(one), false},
		"long": {text(one, last, last), false}, "swapped": {text(last, one), false}, "empty": {nil, false},
	} {
		if err := new(file).compare(a, bytes.NewReader(tt.bytes)); (err == nil) != tt.good {
			t.Errorf("%s: %v", name, err)
		}
	}
}
