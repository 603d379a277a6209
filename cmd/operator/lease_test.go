package main

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"runtime/pprof"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/controllers/reconciler"
	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

// A leader has stopped before another one may begin, for every duration of a lease that the flags
// take.
func TestRenewDeadline(t *testing.T) {
	for lease := shortestLease; lease <= time.Hour; lease += time.Second {
		deadline := renewDeadline(lease)
		release := max(deadline/2, time.Second) // the timeout of controller-runtime's client
		if stopped := retryPeriod + deadline + release + reconciler.StepGrace; stopped >= lease {
			t.Errorf("a lease of %s: it stops after %s", lease, stopped)
		}
		if deadline <= retryPeriod*6/5 {
			t.Errorf("a lease of %s: client-go refuses a deadline of %s", lease, deadline)
		}
	}
}

func TestLease(t *testing.T) {
	c := newContest(t)
	for name, test := range map[string]func(*testing.T, *contest){
		"handed over": testHandedOver, "cut off": testCutOff, "usurped": testUsurped, "fails": testFails, "slow writes": testSlowWrites,
		"ended while it begins":          testEndedEarly,
		"ended while it takes the lease": testEndedTaking, "ended while something is stuck": testStuck, "leaves nothing": testLeavesNothing,
	} {
		t.Run(name, func(t *testing.T) { test(t, &contest{t: t, kubeconfig: c.kubeconfig, admin: c.admin}) })
	}
}

// A leader that is told to end releases the lease, when its reconcilers have stopped and not
// before, and a candidate goes on; and so on.
func testHandedOver(t *testing.T, c *contest) {
	var all []*candidate
	for i, name := range []string{"A", "B", "C", "D"} {
		next := c.candidate(name)
		next.slow = 300 * time.Millisecond // act counts who leads
		next.run(longLease)
		all = append(all, next)
		if i > 0 {
			all[i-1].stops()
		}
		next.leads()
	}
	all[3].stops()
	if holder := c.holder(); holder != "" {
		t.Errorf("after all have ended the lease is held by %q", holder)
	}
}

// A leader that is cut off from the API server stops before another one begins, and ends with an
// error.
func testCutOff(t *testing.T, c *contest) {
	now := c.candidate("A")
	now.run(shortLease)
	now.leads()
	for _, name := range []string{"B", "C"} {
		next := c.candidate(name)
		next.run(shortLease)
		now.down.Store(true)
		await(t, now.name+" stops", now.ended)
		if err := await(t, now.name+" ends", now.ran); err == nil {
			t.Errorf("%s has lost the lease and ended without an error", now.name)
		}
		next.leads()
		now = next
	}
	now.stops()
}

// A leader that sees another one hold the lease, as one does that was suspended, stops and leaves
// the lease to the other.
func testUsurped(t *testing.T, c *contest) {
	stale := c.candidate("A")
	stale.run(shortLease)
	stale.leads()
	const other = "other"
	must(t, retry.RetryOnConflict(retry.DefaultBackoff, func() error { // the candidate renews it at the same time
		lease := c.lease()
		lease.Spec.HolderIdentity, lease.Spec.LeaseDurationSeconds = ptr.To(other), ptr.To(int32(longLease/time.Second))
		lease.Spec.RenewTime = ptr.To(metav1.NowMicro())
		return c.admin.Update(t.Context(), lease)
	}))
	await(t, "it stops", stale.ended)
	if err := await(t, "it ends", stale.ran); err == nil {
		t.Error("it has lost the lease and ended without an error")
	}
	lease := c.lease()
	if holder := ptr.Deref(lease.Spec.HolderIdentity, ""); holder != other {
		t.Errorf("the lease was taken from the other by %q", holder)
	}
	must(t, c.admin.Delete(t.Context(), lease))
}

// What fails ends the manager with its error; the lease is free then.
func testFails(t *testing.T, c *contest) {
	a, b := c.candidate("A"), c.candidate("B")
	a.run(longLease)
	a.leads()
	b.run(longLease)
	failure := errors.New("out of order")
	a.fail <- failure
	if err := await(t, "A ends", a.ran); !errors.Is(err, failure) {
		t.Errorf("A ended with %v", err)
	}
	b.leads()
	b.stops()
}

// A candidate takes a free lease over a slow line, and releases it.
func testSlowWrites(t *testing.T, c *contest) {
	a, b := c.candidate("A"), c.candidate("B")
	a.run(longLease)
	a.leads()
	a.stops()
	b.late = 2 * time.Second
	b.run(longLease)
	b.leads()
	b.stops()
	if holder := c.holder(); holder != "" {
		t.Errorf("the lease is held by %q", holder)
	}
}

// However early a process is told to end, it ends without an error, which would cut the parts that
// it is streaming.
func testEndedEarly(t *testing.T, c *contest) {
	for i := range 40 {
		early := c.candidate(fmt.Sprintf("ended after %d ms", i))
		early.run(longLease)
		time.Sleep(time.Duration(i) * time.Millisecond)
		early.stops()
	}
}

// A process that is told to end while the API server gives it the lease does not keep it: nobody
// would lead until it has run out.
func testEndedTaking(t *testing.T, c *contest) {
	must(t, client.IgnoreNotFound(c.admin.Delete(t.Context(), &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: devcluster.OperatorNamespace, Name: leaseName},
	})))
	for range 2 { // the lease is made, and taken
		ending := c.candidate("ending")
		ending.taken = make(chan struct{}, 1)
		ending.run(longLease)
		await(t, "the lease is taken", ending.taken)
		ending.stops()
		if holder := c.holder(); holder != "" {
			t.Fatalf("the lease is held by %q, who has ended", holder)
		}
	}
}

// However slowly the reconcilers end, their end is no error, and the lease is free.
func testStuck(t *testing.T, c *contest) {
	stuck := c.candidate("A")
	stuck.stall = 2 * stopWithin
	stuck.run(longLease)
	stuck.leads()
	c.makeStore("stuck")
	await(t, "the Store is asked for", stuck.stalled)
	stuck.stops()
	if holder := c.holder(); holder != "" {
		t.Errorf("the lease is held by %q", holder)
	}
}

// Reconcilers that have ended leave nothing running, each time after they have done something.
func testLeavesNothing(t *testing.T, c *contest) {
	atRest := 0
	for i := range 5 {
		leader := c.candidate(fmt.Sprintf("leader %d", i))
		leader.run(longLease)
		leader.leads()
		name := fmt.Sprintf("store-%d", i)
		c.makeStore(name)
		testkit.Eventually(t, func() error {
			fs := &v1alpha1.FileStore{}
			if err := c.admin.Get(t.Context(), client.ObjectKey{Name: name}, fs); err != nil {
				return err
			}
			if !meta.IsStatusConditionTrue(fs.Status.Conditions, v1alpha1.ConditionReady) {
				return fmt.Errorf("the conditions of %s are %+v", name, fs.Status.Conditions)
			}
			return nil
		})
		leader.stops()
		if i == 0 {
			atRest = runtime.NumGoroutine() // with the connections that are kept
		}
	}
	testkit.Eventually(t, func() error {
		if now := runtime.NumGoroutine(); now > atRest+2 {
			var all bytes.Buffer
			_ = pprof.Lookup("goroutine").WriteTo(&all, 1)
			return fmt.Errorf("%d goroutines, %d after the first leader:\n%s", now, atRest, all.String())
		}
		return nil
	})
}

func TestLeaseDuration(t *testing.T) {
	for lease, good := range map[time.Duration]bool{
		15 * time.Second: true, 5 * time.Second: true, 4 * time.Second: false, 5500 * time.Millisecond: false, 0: false, -15 * time.Second: false,
	} {
		if err := validateLease(lease); (err == nil) != good {
			t.Errorf("%s: %v", lease, err)
		}
	}
}
