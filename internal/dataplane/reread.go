package dataplane

import (
	"context"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

// errChanged means that the record on which something was decided is another by now, or gone: it is
// to be read, and decided on, again. It is answered to nobody.
var errChanged = errors.New("the record has changed meanwhile")

// rereads is how often a decision is made, and the pauses between, of a quarter of a second
// together: whoever changes a record does so in one or two writes.
var rereads = wait.Backoff{Steps: 8, Duration: 2 * time.Millisecond, Factor: 2, Jitter: 0.5}

// decide reads and decides by step, and again as long as that fails with errChanged. It fails with
// that when it gives up, and with the context's cause when that is over.
func decide(ctx context.Context, step func() error) error {
	var err error
	waited := wait.ExponentialBackoffWithContext(ctx, rereads, func(context.Context) (bool, error) {
		err = step()
		return !errors.Is(err, errChanged), nil
	})
	if waited != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
