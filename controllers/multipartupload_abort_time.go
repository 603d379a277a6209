package controllers

import (
	"context"
	"errors"
	"time"
)

// An abort has firstAbortTime, twice as long after each time that it was not answered in, and
// lastAbortTime at most: some stores delete the parts, of which there may be thousands, before they
// answer.
const (
	firstAbortTime = 10 * time.Second
	lastAbortTime  = 5 * time.Minute
)

// abortTime is how long an abort may take that was not answered so many times before.
func abortTime(times int) time.Duration {
	return min(lastAbortTime, firstAbortTime<<min(times, 5)) // past 5 it would be longer than the last
}

// sendAbort sends the abort, and gives the place to others while that takes long.
func (r *MultipartUploadReconciler) sendAbort(ctx context.Context, o *observation) error {
	defer o.stay.lengthy()()
	ctx, cancel := context.WithTimeout(ctx, abortTime(r.checks.slow.times(o.Upload)))
	defer cancel()
	err := o.store.AbortUpload(ctx, o.ref())
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		r.checks.slow.note(o.Upload, r.Clock.Now())
	}
	return err
}
