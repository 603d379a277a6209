package main

import (
	"context"
	"fmt"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/controller-runtime/pkg/leaderelection"

	"github.com/iotfile-operator/iotfile-operator/controllers/reconciler"
)

// retryPeriod is how often a leader renews its lease, and how often a candidate tries for it: a
// lease that is released is taken after half of it on average. It costs the API server one request
// a second for each replica.
const retryPeriod = time.Second

// shortestLease is the shortest whole number of seconds in which renewDeadline leaves the leader
// more than one try.
const shortestLease = 5 * time.Second

// renewDeadline is how long a leader that cannot renew goes on, for a lease of that duration. It
// has stopped before the lease runs out: it begins to count one retryPeriod after the last renewal,
// tries to release the lease for half of the deadline more, and its reconcilers have StepGrace to
// stop in. What is left is for clocks that do not run at the same speed.
func renewDeadline(lease time.Duration) time.Duration {
	const skew = time.Second
	return (lease - retryPeriod - reconciler.StepGrace - skew) * 2 / 3
}

// validateLease checks --lease-duration.
func validateLease(lease time.Duration) error {
	if lease < shortestLease || lease%time.Second != 0 {
		return fmt.Errorf("--lease-duration: %s is not a whole number of seconds, %s at least", lease, shortestLease)
	}
	return nil
}

// uncutLock is a lock that a process which is told to end takes or does not take, and knows which:
// client-go releases only what it knows to hold. A request to take it that is cut when its answer
// is under way would leave the lease held by nobody alive, for as long as it lasts.
type uncutLock struct{ resourcelock.Interface }

// newLock returns the lock of whoever reconciles, nil without leader election.
func newLock(base cluster.Cluster, o *options) (resourcelock.Interface, error) {
	if !o.leaderElect {
		return nil, nil
	}
	lock, err := leaderelection.NewResourceLock(rest.CopyConfig(base.GetConfig()), base, leaderelection.Options{
		LeaderElection: true, LeaderElectionID: leaseName, LeaderElectionNamespace: o.namespace, RenewDeadline: renewDeadline(o.leaseDuration),
	})
	if err != nil {
		return nil, fmt.Errorf("lease %s: %w", leaseName, err)
	}
	return uncutLock{lock}, nil
}

// Create implements [resourcelock.Interface].
func (l uncutLock) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return l.Interface.Create(uncut(ctx), record)
}

// Update implements [resourcelock.Interface].
func (l uncutLock) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return l.Interface.Update(uncut(ctx), record)
}

// uncut returns the context of a request that takes the lease, which ends with the client's
// timeout alone. A renewal has a deadline and keeps it: what is cut there is released.
func uncut(ctx context.Context) context.Context {
	if _, renewal := ctx.Deadline(); renewal {
		return ctx
	}
	return context.WithoutCancel(ctx)
}
