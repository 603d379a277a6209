package reconciler

import (
	"context"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// StepGrace is how long the steps in hand may go on when the reconcilers are told to stop, because
// the process ends or the lease is lost. Most are done by then, and leave nothing for the next
// leader to find out: an upload that was opened has its id recorded. What takes longer is cut, and
// taken up by the next leader, which looks at object storage first.
const StepGrace = time.Second

// Finishing lets the passes of a reconciler go on for StepGrace after their context is done, and
// begins none after that.
func Finishing(r reconcile.Reconciler) reconcile.Reconciler {
	return reconcile.Func(func(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
		if ctx.Err() != nil {
			return reconcile.Result{}, nil
		}
		step, cut := context.WithCancelCause(context.WithoutCancel(ctx))
		defer cut(nil)
		told := context.AfterFunc(ctx, func() {
			timer := time.AfterFunc(StepGrace, func() { cut(context.Cause(ctx)) })
			context.AfterFunc(step, func() { timer.Stop() })
		})
		defer told()
		return r.Reconcile(step, req)
	})
}
