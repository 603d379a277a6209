package leader

import (
	"context"

	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// settledLock has each write of the lease end before the elector does. A write that is given up on
// its way may be carried out all the same, after the next attempt has read the lease: that attempt
// gets a conflict, and the candidate waits for a whole retry period while it holds the lease
// itself. A write keeps its deadline, and ends with the client's timeout.
type settledLock struct{ resourcelock.Interface }

// Create implements resourcelock.Interface.
func (l settledLock) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	ctx, cancel := keepDeadline(ctx)
	defer cancel()
	return l.Interface.Create(ctx, record)
}

// Update implements resourcelock.Interface.
func (l settledLock) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	ctx, cancel := keepDeadline(ctx)
	defer cancel()
	return l.Interface.Update(ctx, record)
}

// keepDeadline returns a context that ends at ctx's deadline, if it has one, and not when ctx is
// cancelled.
func keepDeadline(ctx context.Context) (context.Context, context.CancelFunc) {
	settled := context.WithoutCancel(ctx)
	if deadline, ok := ctx.Deadline(); ok {
		return context.WithDeadline(settled, deadline)
	}
	return settled, func() {}
}
