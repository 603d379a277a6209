package memory

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
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
	PutObject      Operation = "PutObject"
	DeleteObject   Operation = "DeleteObject"
	ListObjects    Operation = "ListObjects"
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
	// Before runs before the operation has had any effect. If it returns an error, there is none,
	// and the call returns the error.
	Before func(ctx context.Context) error
	// After runs when the operation has had its effect. If it returns an error, the call returns
	// that: the effect has happened, but the answer is lost.
	After func(ctx context.Context) error

	struck int
}

// Fail returns err.
func Fail(err error) func(context.Context) error {
	return func(context.Context) error { return err }
}

// Hang waits until the context of the call is over.
func Hang(ctx context.Context) error {
	<-ctx.Done()
	return ended(ctx, "hung call")
}

// WaitFor delays the call until ch is closed, or until its context is over.
func WaitFor(ch <-chan struct{}) func(context.Context) error {
	return func(ctx context.Context) error {
		select {
		case <-ch:
			return nil
		case <-ctx.Done():
			return ended(ctx, "delayed call")
		}
	}
}

// ended is the error of a call whose context is over: of a deadline, that the backend did not
// answer in time.
func ended(ctx context.Context, op Operation) error {
	cause := context.Cause(ctx)
	if ctx.Err() != context.Canceled {
		return &filestore.Error{Op: string(op), Kind: filestore.ErrUnavailable, Cause: errors.Join(ctx.Err(), cause)}
	}
	if errors.Is(cause, context.Canceled) {
		return fmt.Errorf("%s: %w", op, cause)
	}
	return fmt.Errorf("%s: %w: %w", op, context.Canceled, cause)
}

// Inject makes an operation go wrong until the fault has struck Times times or remove is called.
// Faults are tried in the order in which they were injected; the first that fits strikes.
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

// TearStat makes the next Stat of the key answer as versitygw does of an object that is replaced at
// that moment: between runs in the middle of it, and the answer has the ETag and the checksum of
// what is there after it, and the rest of what was there before.
func (s *Store) TearStat(key string, between func()) {
	s.faultsMu.Lock()
	defer s.faultsMu.Unlock()
	s.tears[key] = between
}

func (s *Store) tear(key string) func() {
	s.faultsMu.Lock()
	defer s.faultsMu.Unlock()
	between := s.tears[key]
	delete(s.tears, key)
	return between
}

// Calls is how often an operation was called.
func (s *Store) Calls(op Operation) int {
	s.faultsMu.Lock()
	defer s.faultsMu.Unlock()
	return s.calls[op]
}

// enter counts the call and runs the Before of the fault that strikes it. The caller runs leave
// with what the operation came to.
func (s *Store) enter(ctx context.Context, op Operation, key string) (leave func(error) error, err error) {
	f := s.strike(op, key)
	if ctx.Err() != nil {
		return nil, ended(ctx, op)
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
