package main

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// at is a moment of a history, in seconds.
func at(seconds int) time.Time { return time.Unix(int64(seconds), 0) }

// TestCheck: what must not be is seen, and what may be is not blamed.
func TestCheck(t *testing.T) {
	v0, v1, rival := &attempt{id: "v0", base: absent}, &attempt{id: "v1", base: 0}, &attempt{id: "rival", base: 0}
	v2, gone := &attempt{id: "v2", base: 1}, &attempt{id: "gone", deletion: true}
	type step struct {
		a      *attempt
		result outcome
	}
	for name, tt := range map[string]struct {
		steps []step
		seen  *attempt
		wrong bool
	}{
		"acknowledged":                       {steps: []step{{v0, acked}, {v1, acked}}, seen: v1},
		"an acknowledged version lost":       {steps: []step{{v0, acked}, {v1, acked}}, seen: v0, wrong: true},
		"an acknowledged file lost":          {steps: []step{{v0, acked}}, wrong: true},
		"refused, and there":                 {steps: []step{{v0, acked}, {v1, refused}}, seen: v1, wrong: true},
		"unanswered, and there":              {steps: []step{{v0, acked}, {v1, unknown}}, seen: v1},
		"unanswered, and not there":          {steps: []step{{v0, acked}, {v1, unknown}}, seen: v0},
		"unanswered, but of no base":         {steps: []step{{v0, unknown}, {v2, unknown}}, seen: v2, wrong: true},
		"a chain of unanswered":              {steps: []step{{v0, unknown}, {v1, unknown}, {v2, unknown}}, seen: v2},
		"deleted, and there":                 {steps: []step{{v0, acked}, {gone, acked}}, seen: v0, wrong: true},
		"deleted, and made again late":       {steps: []step{{v0, unknown}, {gone, acked}}, seen: v0},
		"deleted without an answer":          {steps: []step{{v0, acked}, {gone, unknown}}},
		"acknowledged after a late deletion": {steps: []step{{v0, acked}, {gone, unknown}, {v1, acked}}},
		"two winners":                        {steps: []step{{v0, acked}, {v1, acked}, {rival, acked}}, seen: rival, wrong: true},
		"a hole":                             {steps: []step{{v0, acked}, {v2, acked}}, seen: v2, wrong: true},
		"a hole that may not be":             {steps: []step{{v0, acked}, {rival, unknown}, {v2, acked}}, seen: v2},
		"the loser is there":                 {steps: []step{{v0, acked}, {v1, acked}, {rival, refused}}, seen: rival, wrong: true},
		"an old one":                         {steps: []step{{v0, acked}, {v1, acked}}, seen: v0, wrong: true},
		"lost":                               {steps: []step{{v0, acked}}, wrong: true},
	} {
		t.Run(name, func(t *testing.T) {
			f := &file{}
			for i, s := range tt.steps {
				got := reply{began: at(10 * i), tried: at(10 * i), ended: at(10*i + 5), status: 200}
				switch s.result {
				case refused:
					got.status = 409
				case unknown:
					got.lost, got.err = []time.Time{got.began}, io.EOF
				default:
				}
				f.conclude("client", f.begin(s.a), got)
				if s.a.result != s.result {
					t.Errorf("%s is %s", s.a.id, s.a.result)
				}
			}
			f.record(operation{kind: opRead, who: "audit", attempt: tt.seen, call: at(1000), end: at(1001)})
			if _, err := f.check(); errors.Is(err, errIllegal) != tt.wrong || (err == nil) == tt.wrong {
				t.Errorf("judged %v", err)
			}
		})
	}
}

// TestCheckReads: a read shows what was there at one moment between its request and its answer.
func TestCheckReads(t *testing.T) {
	v0, v1 := &attempt{id: "v0", base: absent}, &attempt{id: "v1", base: 0}
	written := []operation{{kind: opWrite, attempt: v0, call: at(10), end: at(20)}, {kind: opWrite, attempt: v1, call: at(30), end: at(40)}}
	for name, tt := range map[string]struct {
		reads []operation
		wrong bool
	}{
		"before":                   {reads: []operation{{kind: opRead, attempt: v0, call: at(22), end: at(28)}}},
		"beside, the old one":      {reads: []operation{{kind: opRead, attempt: v0, call: at(32), end: at(50)}}},
		"beside, the new one":      {reads: []operation{{kind: opRead, attempt: v1, call: at(25), end: at(35)}}},
		"beside, and back":         {reads: []operation{{kind: opRead, attempt: v1, call: at(31), end: at(33)}, {kind: opRead, attempt: v0, call: at(34), end: at(36)}}, wrong: true},
		"beside, back in the head": {reads: []operation{{kind: opRead, attempt: v1, call: at(31), end: at(33)}, {kind: opHead, version: 0, call: at(34), end: at(36)}}, wrong: true},
		"stale":                    {reads: []operation{{kind: opRead, attempt: v0, call: at(42), end: at(43)}}, wrong: true},
		"a stale head":             {reads: []operation{{kind: opHead, version: 0, call: at(42), end: at(43)}}, wrong: true},
		"too early":                {reads: []operation{{kind: opRead, attempt: v1, call: at(22), end: at(28)}}, wrong: true},
		"absent, before":           {reads: []operation{{kind: opRead, call: at(1), end: at(15)}, {kind: opHead, version: absent, call: at(2), end: at(3)}}},
		"absent for a while":       {reads: []operation{{kind: opRead, call: at(22), end: at(28)}}, wrong: true},
	} {
		f := &file{operations: append(tt.reads, written...)}
		if _, err := f.check(); errors.Is(err, errIllegal) != tt.wrong || (err == nil) == tt.wrong {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// longHistory is one of a file that six clients share for long, where one answer in ten is lost.
func longHistory(rng *rand.Rand) []operation {
	var out []operation
	now := state{version: absent}
	for i := range 3000 {
		call := at(10 * i)
		base := now.version
		if rng.IntN(3) == 0 {
			base-- // a loser
		}
		a := &attempt{id: fmt.Sprint("a", i), base: max(absent, base)}
		switch lost := rng.IntN(10) == 0; {
		case lost:
			out = append(out, operation{kind: opWrite, attempt: a, call: call})
			if a.base == now.version && rng.IntN(2) == 0 {
				now = stateOf(a)
			}
		case a.base == now.version:
			out = append(out, operation{kind: opWrite, attempt: a, call: call, end: call.Add(25 * time.Second)})
			now = stateOf(a)
		}
		out = append(out, operation{kind: opHead, version: now.version, call: call.Add(9 * time.Second), end: call.Add(9 * time.Second)})
	}
	return out
}

// TestCheckManyLost: of writes of one base, all but one of which have no answer, the checker does
// not try every subset, whether the history is good or not.
func TestCheckManyLost(t *testing.T) {
	for name, tt := range map[string]struct {
		last  int64 // version that is seen in the end
		wrong bool
	}{"good": {last: 2}, "a version lost": {last: 1, wrong: true}} {
		v0, v1, v2 := &attempt{id: "v0", base: absent}, &attempt{id: "v1", base: 0}, &attempt{id: "v2", base: 1}
		operations := []operation{{kind: opWrite, attempt: v0, call: at(0), end: at(1)}}
		for i := range 60 {
			for base := range int64(2) {
				operations = append(operations, operation{kind: opWrite, attempt: &attempt{id: fmt.Sprint("lost", i, "-", base), base: base}, call: at(2 + i)})
			}
		}
		operations = append(operations,
			operation{kind: opWrite, attempt: v1, call: at(70), end: at(90)}, operation{kind: opWrite, attempt: v2, call: at(80), end: at(99)},
			operation{kind: opHead, version: tt.last, call: at(100), end: at(101)})
		if _, err := (&file{operations: operations}).check(); errors.Is(err, errIllegal) != tt.wrong || (err == nil) == tt.wrong {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestCheckLong: the history of a long run is decided, whether or not it is good.
func TestCheckLong(t *testing.T) {
	for seed := range uint64(3) {
		operations := longHistory(rand.New(rand.NewPCG(seed, 7)))
		if _, err := (&file{operations: operations}).check(); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
		for _, at := range []int{len(operations) / 2, len(operations) - 1} {
			bad := append([]operation{}, operations...)
			for bad[at].kind != opHead {
				at--
			}
			bad[at].version -= 3
			if _, err := (&file{operations: bad}).check(); !errors.Is(err, errIllegal) {
				t.Errorf("seed %d, version %d: %v", seed, bad[at].version, err)
			}
		}
	}
}

// TestDrawing: the history of a violation is drawn where the violation says.
func TestDrawing(t *testing.T) {
	w := &world{dir: t.TempDir(), kept: "kept", report: newReport(io.Discard, io.Discard)}
	if err := os.Mkdir(filepath.Join(w.dir, "logs"), 0o700); err != nil {
		t.Fatal(err)
	}
	one, other := &attempt{id: "c1-1", base: absent}, &attempt{id: "c2-1", base: absent}
	f := &file{entity: fmt.Sprintf("%032x", 1), path: "shared/0-0.bin"}
	f.record(operation{kind: opWrite, who: "client 1", attempt: one, call: at(1), end: at(3)})
	w.checkFile(f)
	if len(w.report.violations) != 0 {
		t.Errorf("one writer is a violation: %q", w.report.violations)
	}
	f.record(operation{kind: opWrite, who: "client 2", attempt: other, call: at(2), end: at(4)})
	w.checkFile(f)
	const name = "history-0001-shared-0-0.bin.html"
	if len(w.report.violations) != 1 || !strings.Contains(w.report.violations[0], filepath.Join("kept", name)) {
		t.Fatalf("two winners are the violations %q", w.report.violations)
	}
	drawn, err := os.ReadFile(filepath.Join(w.dir, "logs", name))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"client 1 write version 0 by c1-1", "client 2 write version 0 by c2-1"} {
		if !strings.Contains(string(drawn), text) {
			t.Errorf("%q is missing in the drawing", text)
		}
	}
}
