package doctor

import (
	"context"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/cli/connection"
)

// State is what a check has found.
type State string

// States. What could not be checked is Unknown, and never OK.
const (
	OK      State = "ok"
	Warning State = "warning"
	Failure State = "failure"
	Unknown State = "unknown"
)

// Finding is the result of a check.
type Finding struct {
	Check string
	State State
	// Detail is what was seen, Remedy what to do about it, in one line each.
	Detail, Remedy string
}

// Options say what is examined.
type Options struct {
	Flags *connection.Flags
	// Entity is the one whose files the caller is to work with.
	Entity string
	// ProbeSize is how many bytes the probe upload sends.
	ProbeSize int64
	// ProbeTime is how long a part may take, and pause; at most MaxProbeTime, 0 to leave that out.
	ProbeTime time.Duration
}

// examination is one run of all checks.
type examination struct {
	Options
	cluster *cluster
	server  *connection.Connection
	rights  map[string]bool
	// hop is what the hop that answers at the address says of itself.
	hop string
	// probe is the upload that is sent to see the way, nil where there is none, noProbe why.
	probe   *probe
	noProbe string
}

// check is one of the list. It may tell of several things.
type check func(ctx context.Context, e *examination) []Finding

// Run makes all checks, in the order of the way from here to the store, and tells of each when it
// was made. What stands on something that has failed is Unknown.
func Run(ctx context.Context, o Options, tell func(Finding)) {
	e := &examination{Options: o, rights: map[string]bool{}}
	defer func() { e.end(ctx) }()
	for _, c := range []check{
		kubernetes, kinds, operator, store, address, api, versions, clock, caller, begin, body, patience, waiting, expecting,
	} {
		if ctx.Err() != nil {
			return
		}
		for _, finding := range c(ctx, e) {
			tell(finding)
		}
	}
}

// one is the result of a check that tells of one thing.
func one(name string, state State, detail, remedy string) []Finding {
	return []Finding{{name, state, detail, remedy}}
}

// unknown is the result of checks that could not be made.
func unknown(why string, names ...string) (out []Finding) {
	for _, name := range names {
		out = append(out, Finding{Check: name, State: Unknown, Detail: why})
	}
	return out
}
