package reconciler_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/iotfile-operator/iotfile-operator/controllers/reconciler"
)

// TestFinishing: a pass that is under way when the reconcilers are told to stop has its time to
// end, is cut after that, and none begins any more.
func TestFinishing(t *testing.T) {
	for name, c := range map[string]struct {
		takes time.Duration
		// toldAfter is when the reconcilers are told to stop, ends how long the pass takes, cut
		// whether it was told why.
		toldAfter, ends time.Duration
		cut             bool
	}{
		"undisturbed":        {takes: time.Minute, toldAfter: time.Hour, ends: time.Minute},
		"ends in time":       {takes: time.Minute, toldAfter: time.Minute - reconciler.StepGrace/2, ends: time.Minute},
		"takes too long":     {takes: time.Minute, toldAfter: time.Second, ends: time.Second + reconciler.StepGrace, cut: true},
		"told before it can": {takes: time.Minute, toldAfter: 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				why := errors.New("the lease is lost")
				ctx, stop := context.WithCancelCause(t.Context())
				if c.toldAfter == 0 {
					stop(why)
				}
				time.AfterFunc(c.toldAfter, func() { stop(why) })
				begin := time.Now()
				_, err := reconciler.Finishing(reconcile.Func(func(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
					select {
					case <-time.After(c.takes):
						return reconcile.Result{}, ctx.Err()
					case <-ctx.Done():
						return reconcile.Result{}, context.Cause(ctx)
					}
				})).Reconcile(ctx, reconcile.Request{})
				if took := time.Since(begin); took != c.ends {
					t.Errorf("it took %s, not %s", took, c.ends)
				}
				if (c.cut && !errors.Is(err, why)) || (!c.cut && err != nil) {
					t.Errorf("it came to %v", err)
				}
				time.Sleep(2 * time.Hour) // whatever it has left would be found to be waiting
			})
		})
	}
}
