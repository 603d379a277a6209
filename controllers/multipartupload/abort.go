package multipartupload

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/controllers/reconciler"
	"github.com/iotfile-operator/iotfile-operator/internal/failpoint"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// abort deletes the parts, once the live record confirms that this is wanted and every replica has
// had the time to cut what it streams, and looks whether they are gone.
func (r *Reconciler) abort(ctx context.Context, o *observation, d upload.Decision) (outcome, error) {
	live := &v1alpha1.MultipartUpload{}
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(o.Upload), live); err != nil {
		return outcome{}, fmt.Errorf("read the upload again: %w", err)
	}
	if live.UID != o.Upload.UID {
		return outcome{}, nil
	}
	o.Upload = live
	now := r.Clock.Now()
	if !o.Covers(now) || upload.Decide(o.Observation, now).Step != upload.StepAbort {
		return outcome{again: true}, nil
	}
	if wait, err := r.fence(ctx, o, d); wait > 0 || err != nil {
		return outcome{after: now.Add(wait)}, err
	}
	failpoint.Hit(failpoint.AbortConfirmed)
	if err := r.noteEnded(ctx, o); err != nil {
		return outcome{}, err
	}
	if err := r.sendAbort(ctx, o); err != nil {
		return r.unavailable(ctx, o, err)
	}
	failpoint.Hit(failpoint.PartsAborted)
	return r.afterAbort(ctx, o, d)
}

// fence is how long an abort has to wait for the replicas. They know of an expiration beforehand,
// unless the status says another time: it is written first then, and its event has them look again.
func (r *Reconciler) fence(ctx context.Context, o *observation, d upload.Decision) (wait time.Duration, err error) {
	now := r.Clock.Now()
	if upload.Told(o.Upload, o.Store, now) {
		return 0, nil
	}
	if upload.EndOf(o.Upload, o.Store, now) == upload.EndExpired && !upload.Announced(o.Upload, o.Store) {
		if err := r.report(ctx, o, outcome{state: d.State}); err != nil {
			return 0, err
		}
	}
	since, _ := r.checks.fences.note(o.Upload, now)
	return upload.FenceDelay - now.Sub(since), nil
}

// afterAbort looks whether the parts are gone, and goes on from there.
func (r *Reconciler) afterAbort(ctx context.Context, o *observation, d upload.Decision) (outcome, error) {
	if r.observeAborted(ctx, o); o.Problem != nil {
		return r.act(ctx, o, upload.Decide(o.Observation, r.Clock.Now()))
	}
	now := r.Clock.Now()
	if upload.EndOf(o.Upload, o.Store, now) == upload.EndExpired {
		expiryDelaySeconds.Observe(now.Sub(upload.ExpirationTime(o.Upload, o.Store)).Seconds())
	}
	switch end := upload.Decide(o.Observation, now); end.Step {
	case upload.StepFinish:
		return r.finish(ctx, o, end.State)
	case upload.StepReleaseFinalizer:
		return r.act(ctx, o, end)
	case upload.StepAbort:
		return r.retryStep(ctx, o, d.State)
	default:
		return outcome{again: true}, nil
	}
}

// sendAbort sends the abort, and gives the place to others while that takes long.
func (r *Reconciler) sendAbort(ctx context.Context, o *observation) error {
	defer o.stay.lengthy()()
	ctx, cancel := context.WithTimeout(ctx, reconciler.AbortTime(r.checks.slow.times(o.Upload)))
	defer cancel()
	err := o.store.AbortUpload(ctx, o.ref())
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		r.checks.slow.note(o.Upload, r.Clock.Now())
	}
	return err
}
