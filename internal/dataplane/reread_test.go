package dataplane

import (
	"context"
	"errors"
	"fmt"
	"testing"
)

// TestDecide: what has changed is decided again, a bounded number of times, and nothing else is.
func TestDecide(t *testing.T) {
	over := errors.New("over")
	ended, end := context.WithCancelCause(t.Context())
	end(over)
	other := fmt.Errorf("read: %w", context.Canceled)
	for name, c := range map[string]struct {
		ctx   context.Context
		steps []error
		want  error
		calls int
	}{
		"good at once":           {t.Context(), []error{nil}, nil, 1},
		"good after two changes": {t.Context(), []error{errChanged, errChanged, nil}, nil, 3},
		"another error":          {t.Context(), []error{errChanged, other}, other, 2},
		"changes without end":    {t.Context(), nil, errChanged, rereads.Steps},
		"the request is over":    {ended, nil, over, 0},
	} {
		calls := 0
		err := decide(c.ctx, func() error {
			calls++
			if calls > len(c.steps) {
				return fmt.Errorf("record the intent: %w", errChanged)
			}
			return c.steps[calls-1]
		})
		if !errors.Is(err, c.want) || c.want == nil && err != nil || calls != c.calls {
			t.Errorf("%s: %v after %d", name, err, calls)
		}
	}
}
