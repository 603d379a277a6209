package main

import (
	"fmt"
	"time"
)

// opKind is what an operation does.
type opKind string

const (
	opWrite  opKind = "write" // of a version, on condition of the one before
	opDelete opKind = "delete"
	opRead   opKind = "read" // of a file, or that there is none
	opHead   opKind = "head" // the version alone
)

// operation is one request about a file that is or was there, for the checker. It has happened at
// one moment between its call and its end.
type operation struct {
	kind opKind
	who  string
	// attempt is what is written or deleted, or what a read has shown; nil for no file.
	attempt *attempt
	// version is what opHead has shown, absent for no file.
	version int64
	// call is when the request was sent, end when it was answered. Without an answer end is zero:
	// it has happened at any time since, or may happen yet, or never.
	call, end time.Time
}

// lost reports whether nobody knows what has become of it.
func (o operation) lost() bool { return o.end.IsZero() }

// String implements fmt.Stringer.
func (o operation) String() string {
	text := string(o.kind)
	switch o.kind {
	case opWrite:
		text = fmt.Sprintf("write %s", stateOf(o.attempt))
	case opRead:
		text = fmt.Sprintf("read: %s", stateOf(o.attempt))
	case opHead:
		text = "head: absent"
		if o.version != absent {
			text = fmt.Sprintf("head: version %d", o.version)
		}
	default:
	}
	if o.lost() {
		text += ", no answer"
	}
	return o.who + " " + text
}

// record adds operations to those of the file.
func (f *file) record(operations ...operation) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.operations = append(f.operations, operations...)
}

// conclude records what has become of an attempt by the reply to the request that decides it. Each
// try that went unanswered may have happened, too, or may happen yet.
func (f *file) conclude(who string, a *attempt, got reply) {
	o := operation{kind: opWrite, who: who, attempt: a}
	if a.deletion {
		o.kind = opDelete
	}
	for _, call := range got.lost {
		o.call = call
		f.record(o)
	}
	if got.acked() {
		o.call, o.end = got.began, got.ended
		f.record(o)
	}
	f.end(a, got.outcome())
}
