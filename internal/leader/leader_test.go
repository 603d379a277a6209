package leader_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coordinationclient "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/util/retry"
	"k8s.io/klog/v2"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
	"github.com/iotfile-operator/iotfile-operator/internal/leader"
)

// patience is how long a state may take to be reached on a busy machine. It is shorter than a long
// lease.
const patience = time.Minute

// plane is a real control plane. Each test has a lease of its own.
var plane *devcluster.ControlPlane

func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		fmt.Println("these tests need an API server: skipped with -short")
		return
	}
	klog.SetLogger(logr.Discard())
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "iotfile-leader-")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	plane, err = devcluster.StartControlPlane(context.Background(), devcluster.ControlPlaneOptions{Dir: dir, UnsafeNoFsync: true, Log: os.Stderr})
	if err != nil {
		return 0, err
	}
	code := m.Run()
	return code, plane.Stop()
}

// long is a lease that does not run out while a test waits: what happens does not happen because of
// time.
func long(o *leader.Options) {
	o.LeaseDuration, o.RenewDeadline, o.RetryPeriod = 10*patience, 5*patience, 3*patience
}

// short is one that does.
func short(o *leader.Options) {
	o.LeaseDuration, o.RenewDeadline, o.RetryPeriod = 4*time.Second, 3*time.Second, 200*time.Millisecond
}

// candidate is one that competes for a lease.
type candidate struct {
	t    *testing.T
	name string
	// acting says how many terms have begun and not ended, over all candidates of the lease.
	acting *atomic.Int32
	// began and ended get a value for each term.
	began, ended chan struct{}
	// slow is how long the end of a term takes.
	slow time.Duration
	// fail ends a term with an error.
	fail chan error
	// down cuts the line to the API server.
	down atomic.Bool
	// late is how long writes are under way to the API server. They arrive although whoever sent
	// them has gone. The watch takes half as long.
	late time.Duration
	stop context.CancelFunc
	ran  chan error
}

// contest makes candidates of one lease, by the name of the test. They do not run yet.
func contest(t *testing.T, count int) []*candidate {
	t.Helper()
	acting := &atomic.Int32{}
	out := make([]*candidate, count)
	for i := range out {
		out[i] = &candidate{
			t: t, name: string(rune('A' + i)), acting: acting, began: make(chan struct{}, 100), ended: make(chan struct{}, 100), fail: make(chan error), ran: make(chan error, 1),
		}
	}
	return out
}

// leaseOf is the name of the lease of a test.
func leaseOf(t *testing.T) string {
	return strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(t.Name()))
}

// run has the candidate compete until the test ends, or it is stopped.
func (c *candidate) run(change func(*leader.Options)) {
	c.t.Helper()
	config := plane.RESTConfig()
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return &line{next, &c.down, c.late} })
	o := leader.Options{Config: config, Namespace: "default", Name: leaseOf(c.t), StopWithin: 100 * time.Millisecond, Log: logr.Discard()}
	change(&o)
	ctx, stop := context.WithCancel(c.t.Context())
	c.stop = stop
	go func() { c.ran <- leader.Run(ctx, o, c.act) }()
	c.t.Cleanup(stop)
}

func (c *candidate) act(ctx context.Context) error {
	if n := c.acting.Add(1); n != 1 {
		c.t.Errorf("%d lead at once", n)
	}
	c.began <- struct{}{}
	var err error
	select {
	case <-ctx.Done():
		time.Sleep(c.slow)
	case err = <-c.fail:
	}
	c.acting.Add(-1)
	c.ended <- struct{}{}
	return err
}

// line is the way to the API server. While it is down nothing comes through, not even what a watch
// has to say.
type line struct {
	next http.RoundTripper
	down *atomic.Bool
	late time.Duration
}

// RoundTrip implements http.RoundTripper.
func (l *line) RoundTrip(r *http.Request) (*http.Response, error) {
	if l.down.Load() {
		return nil, errors.New("the line is down")
	}
	switch {
	case l.late > 0 && r.Method == http.MethodPut:
		return l.deliverLate(r)
	case r.URL.Query().Has("fieldSelector"):
		time.Sleep(l.late / 2) // the watch begins while the first write is under way
	}
	if r.URL.Query().Get("watch") == "" {
		return l.next.RoundTrip(r)
	}
	ctx, cut := context.WithCancel(r.Context())
	go func() {
		for ctx.Err() == nil && !l.down.Load() {
			time.Sleep(20 * time.Millisecond)
		}
		cut()
	}()
	return l.next.RoundTrip(r.WithContext(ctx))
}

// deliverLate has a request carried out even if whoever sent it no longer waits for the answer.
func (l *line) deliverLate(r *http.Request) (*http.Response, error) {
	type answer struct {
		response *http.Response
		err      error
	}
	answered := make(chan answer, 1)
	go func() {
		time.Sleep(l.late)
		response, err := l.next.RoundTrip(r.WithContext(context.WithoutCancel(r.Context())))
		answered <- answer{response, err}
	}()
	select {
	case a := <-answered:
		return a.response, a.err
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

func await[T any](t *testing.T, what string, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatalf("not within %s: %s", patience, what)
		panic("not reached")
	}
}

// stops ends the candidate, and waits until it has ended without an error.
func (c *candidate) stops() {
	c.t.Helper()
	c.stop()
	if err := await(c.t, c.name+" ends", c.ran); err != nil {
		c.t.Errorf("%s: %v", c.name, err)
	}
}

// A leader that ends gives the lease back, when what acts has stopped and not before, and a
// candidate goes on at once; and so on.
func TestHandover(t *testing.T) {
	all := contest(t, 4)
	for i, c := range all {
		c.slow = 300 * time.Millisecond // act counts who leads
		if i == 0 {
			c.run(long)
			await(t, "A leads", c.began)
			continue
		}
		c.run(long)
		time.Sleep(200 * time.Millisecond) // it has looked at the lease, most likely, and would not do so again for a long time
		all[i-1].stops()
		await(t, c.name+" leads", c.began)
	}
	all[3].stops()
}

// A leader that is cut off from the API server stops before another one begins, does not end, and
// leads again when it is its turn.
func TestCutOff(t *testing.T) {
	c := contest(t, 2)
	c[0].run(short)
	await(t, "A leads", c[0].began)
	c[1].run(short)
	for i := range 3 {
		now, next := c[i%2], c[(i+1)%2]
		now.down.Store(true)
		await(t, now.name+" stops", now.ended)
		await(t, next.name+" leads", next.began)
		now.down.Store(false)
	}
	c[0].stops()
	c[1].stops()
}

// A leader that sees another one hold the lease, as one does that was suspended, stops at once, and
// not at its next renewal.
func TestUsurped(t *testing.T) {
	c := contest(t, 1)[0]
	c.run(long)
	await(t, "it leads", c.began)
	client, err := coordinationclient.NewForConfig(plane.RESTConfig())
	must(t, err)
	leases := client.Leases("default")
	other, duration := "other", int32(2)
	must(t, retry.RetryOnConflict(retry.DefaultBackoff, func() error { // the candidate renews it at the same time
		lease, err := leases.Get(t.Context(), leaseOf(t), metav1.GetOptions{})
		if err != nil {
			return err
		}
		now := metav1.NowMicro()
		lease.Spec.HolderIdentity, lease.Spec.LeaseDurationSeconds, lease.Spec.RenewTime = &other, &duration, &now
		_, err = leases.Update(t.Context(), lease, metav1.UpdateOptions{})
		return err
	}))
	await(t, "it stops", c.ended)
	lease, err := leases.Get(t.Context(), leaseOf(t), metav1.GetOptions{})
	must(t, err)
	if holder := *lease.Spec.HolderIdentity; holder != other {
		t.Errorf("the lease was taken from the other by %q", holder)
	}
	c.stops()
}

// What acts ends Run with its error, and also when it ends without being told to; the lease is free
// then.
func TestActEnds(t *testing.T) {
	c := contest(t, 3)
	c[0].run(long)
	await(t, "A leads", c[0].began)
	c[1].run(long)
	failure := errors.New("out of order")
	c[0].fail <- failure
	if err := await(t, "A ends", c[0].ran); !errors.Is(err, failure) {
		t.Errorf("A ended with %v", err)
	}
	await(t, "B leads", c[1].began)
	c[2].run(long)
	c[1].fail <- nil
	if err := await(t, "B ends", c[1].ran); err == nil {
		t.Error("B ended without an error")
	}
	await(t, "C leads", c[2].began)
	c[2].stops()
}

// A candidate that takes a free lease over a slow line leads, although its watch tells it meanwhile
// that the lease is free.
func TestSlowWrites(t *testing.T) {
	c := contest(t, 2)
	c[0].run(long)
	await(t, "A leads", c[0].began)
	c[0].stops()
	c[1].late = 2 * time.Second
	c[1].run(long)
	await(t, "B leads", c[1].began)
	c[1].stops()
}

// Terms leave nothing running.
func TestLeavesNothing(t *testing.T) {
	before := 0
	for i := range 6 {
		c := contest(t, 1)[0]
		c.run(long)
		await(t, "it leads", c.began)
		c.stops()
		if i == 0 {
			before = runtime.NumGoroutine() // with the connections that are kept
		}
	}
	deadline := time.Now().Add(patience)
	for runtime.NumGoroutine() > before+2 {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d after the first term", runtime.NumGoroutine(), before)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func TestValidate(t *testing.T) {
	s := time.Second
	for _, c := range []struct {
		lease, renew, retry, stop time.Duration
		complaint                 string
	}{
		{15 * s, 10 * s, 2 * s, 1500 * time.Millisecond, ""},
		{15 * s, 10 * s, 2 * s, 2 * s, ""},
		{15 * s, 10 * s, 2 * s, 3 * s, "must be longer than retry period"}, // the old one would stop when the next one begins
		{1500 * time.Millisecond, s, s / 10, s / 10, "whole number"},
		{0, s, s / 10, s / 10, "whole number"},
		{15 * s, s, s, s, "renew deadline"},
		{15 * s, s, 0, s, "renew deadline"},
	} {
		err := leader.Options{LeaseDuration: c.lease, RenewDeadline: c.renew, RetryPeriod: c.retry, StopWithin: c.stop}.Validate()
		if (err == nil) != (c.complaint == "") || (err != nil && !strings.Contains(err.Error(), c.complaint)) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
