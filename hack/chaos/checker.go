package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// checkLimit is how long the checker may take for one file. Most take it milliseconds, on a machine
// that does nothing else.
const checkLimit = 5 * time.Minute

// state is which version of a file there is, and the attempt that made it; version absent for no
// file.
type state struct {
	version int64
	id      string
}

// stateOf is the state that an attempt makes; nil stands for no file.
func stateOf(a *attempt) state {
	if a == nil {
		return state{version: absent}
	}
	return state{version: a.version(), id: a.id}
}

// String implements fmt.Stringer.
func (s state) String() string {
	if s.version == absent {
		return "absent"
	}
	return fmt.Sprintf("version %d by %s", s.version, s.id)
}

// step is what the operation makes of a state; ok is false if it cannot have happened there.
func (o operation) step(s state) (next state, ok bool) {
	switch o.kind {
	case opWrite:
		if s.version == o.attempt.base {
			return stateOf(o.attempt), true
		}
		return s, o.lost() // it may have been refused
	case opDelete:
		return state{version: absent}, true
	case opRead:
		return s, s == stateOf(o.attempt)
	default: // opHead
		return s, s.version == o.version
	}
}

// fileModel is what a file is: a register whose versions are written one on top of the other, on
// condition of the one before.
var fileModel = porcupine.Model{
	Init: func() any { return state{version: absent} },
	Step: func(s, in, _ any) (bool, any) {
		next, ok := in.(operation).step(s.(state))
		return ok, next
	},
	DescribeOperation: func(in, _ any) string { return in.(operation).String() },
	DescribeState:     func(s any) string { return s.(state).String() },
}

var (
	errIllegal   = errors.New("no order of the operations explains what was acknowledged and seen")
	errUndecided = fmt.Errorf("the checker has found no order of the operations in %s, and not that there is none", checkLimit)
)

// check reports whether all that was acknowledged and seen of the file can have happened one after
// the other, each at one moment between its request and its answer. info draws it.
func (f *file) check() (info porcupine.LinearizationInfo, err error) {
	f.mu.Lock()
	history := toHistory(withoutLosers(f.operations))
	f.mu.Unlock()
	result, info := porcupine.CheckOperationsVerbose(fileModel, history, checkLimit)
	switch result {
	case porcupine.Ok:
		return info, nil
	case porcupine.Illegal:
		return info, errIllegal
	default:
		return info, errUndecided
	}
}

// toHistory gives the operations of one file as the checker takes them, each in a row of the
// drawing in which it overlaps no other.
func toHistory(operations []operation) []porcupine.Operation {
	if len(operations) == 0 {
		return nil
	}
	sorted := slices.SortedStableFunc(slices.Values(operations), func(a, b operation) int { return a.call.Compare(b.call) })
	began, end := sorted[0].call, sorted[0].call
	for _, o := range sorted {
		end = slices.MaxFunc([]time.Time{end, o.call, o.end}, time.Time.Compare)
	}
	end = end.Add(time.Second)
	var rows []time.Time // when the last operation of each ends
	var out []porcupine.Operation
	for _, o := range sorted {
		until := o.end
		if o.lost() {
			until = overtaken(o, operations, end)
		}
		row := slices.IndexFunc(rows, func(busy time.Time) bool { return busy.Before(o.call) })
		if row < 0 {
			rows = append(rows, time.Time{})
			row = len(rows) - 1
		}
		rows[row] = until
		out = append(out, porcupine.Operation{ClientId: row, Input: o, Call: o.call.Sub(began).Nanoseconds(), Return: until.Sub(began).Nanoseconds()})
	}
	return out
}

// withoutLosers leaves out the writes without an answer whose version somebody else has made: of a
// file that nobody deletes each version is made once, and answers and reads tell by whom. Without
// that the checker would try every subset of them.
func withoutLosers(operations []operation) []operation {
	made, taken := map[state]bool{}, map[int64]bool{}
	for _, o := range operations {
		switch {
		case o.kind == opDelete:
			return operations
		case o.kind != opHead && !o.lost() && o.attempt != nil:
			s := stateOf(o.attempt)
			made[s], taken[s.version] = true, true
		}
	}
	return slices.DeleteFunc(slices.Clone(operations), func(o operation) bool {
		return o.kind == opWrite && o.lost() && taken[o.attempt.version()] && !made[stateOf(o.attempt)]
	})
}

// overtaken is until when an operation that was not answered may still happen: to the end of all.
// For a write of a file that nobody deletes that is the same as until an answer has shown a later
// version than its base: where it has done nothing by then, it never will. Without that the checker
// would try every subset of them.
func overtaken(o operation, operations []operation, end time.Time) time.Time {
	if o.kind != opWrite || slices.ContainsFunc(operations, func(other operation) bool { return other.kind == opDelete }) {
		return end
	}
	for _, other := range operations {
		if !other.lost() && other.shows() > o.attempt.base && other.end.Before(end) {
			end = other.end
		}
	}
	return slices.MaxFunc([]time.Time{end, o.call}, time.Time.Compare)
}

// shows is the version that the file had at one moment of an operation that was answered.
func (o operation) shows() int64 {
	if o.kind == opHead {
		return o.version
	}
	return stateOf(o.attempt).version
}

// checkFile checks the operations of a file, and has a violation of them drawn.
func (w *world) checkFile(f *file) {
	info, err := f.check()
	w.report.checked(f.operations)
	if err == nil {
		return
	}
	name := "history-" + strings.ReplaceAll(f.entity[28:]+"-"+f.path, "/", "-") + ".html"
	if drawing := porcupine.VisualizePath(fileModel, info, filepath.Join(w.dir, "logs", name)); drawing != nil {
		w.violated(f, "%v; it cannot be drawn: %v", err, drawing)
		return
	}
	w.violated(f, "%v: see %s", err, filepath.Join(w.kept, name))
}
