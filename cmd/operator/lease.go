package main

import (
	"fmt"
	"time"

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
