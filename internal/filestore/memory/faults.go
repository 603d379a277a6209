package memory

import (
	"context"
	"fmt"
	"slices"
)

// Operation names a method of filestore.Store.
type Operation string

// The operations that can be made to fail.
const (
	CreateUpload   Operation = "CreateUpload"
	PutPart        Operation = "PutPart"
	ListParts      Operation = "ListParts"
	CompleteUpload Operation = "CompleteUpload"
	AbortUpload    Operation = "AbortUpload"
	ListUploads    Operation = "ListUploads"
	Stat           Operation = "Stat"
	Open           Operation = "Open"
	Probe          Operation = "Probe"
)

// Fault is what goes wrong with an operation. Fail, Hang and WaitFor make the usual actions.
type Fault struct {
	// Operation that it strikes.
	Operation Operation
	// Key of the object that it strikes; any if empty.
	Key string
	// Times that it strikes; always if 0.
	Times int
	// Before runs before the operation has had any effect. If it returns an error, there is none, and the call returns the error.
	Before func(ctx context.Context) error
	// After runs when the operation has had its effect. If it returns an error, the call returns that: the effect has
	// happened, but the answer is lost.
	After func(ctx context.Context) error

	struck int
}

// Fail returns err.
func Fail(err error) func(context.Context) error {
	return func(context.Context) error { return err }
}

// Hang waits until the context of the call is over, and returns its cause.
func Hang(ctx context.Context) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

// WaitFor delays the call until ch is closed, or until its context is over.
func WaitFor(ch <-chan struct{}) func(context.Context) error {
	return func(ctx context.Context) error {
		select {
		case <-ch:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Inject makes an operation go wrong until the fault has struck Times times or remove is called. Faults are tried in the order in which they
// were injected; the first that fits strikes.
func (s *Store) Inject(f Fault) (remove func()) {
	s.faultsMu.Lock()
	defer s.faultsMu.Unlock()
	p := &f
	s.faults = append(s.faults, p)
	return func() {
		s.faultsMu.Lock()
		defer s.faultsMu.Unlock()
		s.faults = slices.DeleteFunc(s.faults, func(x *Fault) bool { return x == p })
	}
}

// Calls is how often an operation was called.
func (s *Store) Calls(op Operation) int {
	s.faultsMu.Lock()
	defer s.faultsMu.Unlock()
	return s.calls[op]
}

// enter counts the call and runs the Before of the fault that strikes it. The caller runs leave with what the operation came to.
func (s *Store) enter(ctx context.Context, op Operation, key string) (leave func(error) error, err error) {
	f := s.strike(op, key)
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", op, context.Cause(ctx))
	}
	if f != nil && f.Before != nil {
		if err := f.Before(ctx); err != nil {
			return nil, err
		}
	}
	return func(err error) error {
		if err == nil && f != nil && f.After != nil {
			return f.After(ctx)
		}
		return err
	}, nil
}

func (s *Store) strike(op Operation, key string) *Fault {
	s.faultsMu.Lock()
	defer s.faultsMu.Unlock()
	s.calls[op]++
	for _, f := range s.faults {
		if f.Operation == op && (f.Key == "" || f.Key == key) && (f.Times == 0 || f.struck < f.Times) {
			f.struck++
			return f
		}
	}
	return nil
}
