package iotfile

import (
	"context"
	"sync"
	"sync/atomic"
)

// parallel runs work on so many goroutines until one fails, whose error it returns when all have
// ended. The others' context is canceled then.
func parallel(ctx context.Context, workers int, work func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var group sync.WaitGroup
	var once sync.Once
	var first error
	for range workers {
		group.Go(func() {
			if err := work(ctx); err != nil {
				once.Do(func() { first = err })
				cancel(err)
			}
		})
	}
	group.Wait()
	return first
}

// numbered works on the numbers from 1 to count, in their order, so many at once.
func numbered(ctx context.Context, workers, count int, work func(ctx context.Context, number int) error) error {
	var taken atomic.Int64
	return parallel(ctx, min(workers, count), func(ctx context.Context) error {
		for number := int(taken.Add(1)); number <= count; number = int(taken.Add(1)) {
			if canceled(ctx) {
				return context.Cause(ctx)
			}
			if err := work(ctx, number); err != nil {
				return err
			}
		}
		return nil
	})
}
