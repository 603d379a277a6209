package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

const (
	expiryNamespaces = 10
	// expiryWindow is the time in which all uploads expire, evenly.
	expiryWindow = time.Minute
	// expiryCreators make uploads at once.
	expiryCreators = 24
	// expiryLead is how long before the first expiry no upload is created any more, so that all are
	// open by then.
	expiryLead = 20 * time.Second
	// expiryLimit bounds the wait for the last one.
	expiryLimit = 15 * time.Minute
)

// expiries is a run of measureExpiry.
type expiries struct {
	testbed *testbed
	client  client.Client
	watcher *expiryWatch
	starter *starter
	names   []string // of the namespaces
}

// measureExpiry has many uploads expire in one minute, while others are started and completed at a
// steady rate.
func measureExpiry(ctx context.Context, b *testbed, s settings) error {
	e, err := newExpiries(ctx, b)
	if err != nil {
		return err
	}
	rest, err := e.starter.during(ctx, func(ctx context.Context) error { return sleep(ctx, expiryWindow/2) })
	if err != nil {
		return fmt.Errorf("at rest: %w", err)
	}
	first := time.Now().Add(s.within + expiryLead).Truncate(time.Second)
	made, err := e.createAll(ctx, s, first)
	if err != nil {
		return fmt.Errorf("create uploads: %w", err)
	}
	fmt.Fprintf(os.Stderr, "  %d uploads made; the first expires in %s\n", made, time.Until(first).Round(time.Second))
	if err := e.watcher.wait(ctx, time.Until(first)-time.Second, "open", func() bool { return e.watcher.opened() == made }); err != nil {
		return err
	}
	if err := sleep(ctx, time.Until(first)-time.Second); err != nil {
		return err
	}
	before, err := e.calls(ctx)
	if err != nil {
		return err
	}
	meanwhile, err := e.starter.during(ctx, func(ctx context.Context) error {
		return e.watcher.wait(ctx, expiryLimit, "expired", func() bool { return e.watcher.ended() == made })
	})
	if err != nil {
		return fmt.Errorf("while they expire: %w", err)
	}
	if err := e.watcher.wait(ctx, expiryLimit, "released", func() bool { return e.watcher.released() == made }); err != nil {
		return err
	}
	after, err := e.calls(ctx)
	if err != nil {
		return err
	}
	gone, err := e.delays(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("\n%s; load average %s. %d uploads in %d namespaces expire within %s.\n", machine(), loadAverage(), made, expiryNamespaces, expiryWindow)
	e.watcher.report()
	gone.report()
	gone.reportAll()
	fmt.Printf("\n| starts, %d a second | p50 | p99 | max | of |\n|---|--:|--:|--:|--:|\n", startRate)
	rest.report("at rest")
	meanwhile.report("meanwhile")
	fmt.Printf("\n| calls while they expire | in all | for each upload |\n|---|--:|--:|\n%s", tableOfCalls(before, after, made, len(meanwhile.starts)))
	return nil
}

func newExpiries(ctx context.Context, b *testbed) (*expiries, error) {
	c, err := client.New(b.system.ControlPlane.RESTConfig(), client.Options{Scheme: b.scheme})
	if err != nil {
		return nil, err
	}
	e := &expiries{testbed: b, client: c}
	store := b.stores[0]
	for i := range expiryNamespaces {
		name := fmt.Sprintf("expiry-%d", i)
		if err := c.Create(ctx, store.namespace(name)); err != nil {
			return nil, err
		}
		e.names = append(e.names, name)
	}
	if e.starter, err = newStarter(ctx, b, store.name); err != nil {
		return nil, err
	}
	e.watcher, err = watchExpiries(ctx, b, e.names)
	return e, err
}

// createAll makes the uploads, and stops early enough for the first expiry. It returns how many it
// has made.
func (e *expiries) createAll(ctx context.Context, s settings, first time.Time) (int, error) {
	var group errgroup.Group
	group.SetLimit(expiryCreators)
	made := 0
	for ; made < s.uploads && time.Until(first) > expiryLead && ctx.Err() == nil; made++ {
		if made%1000 == 0 {
			fmt.Fprintf(os.Stderr, "  %d of %d uploads\n", made, s.uploads)
		}
		number := made
		group.Go(func() error {
			return e.create(ctx, number, first.Add(expiryWindow*time.Duration(number)/time.Duration(s.uploads)))
		})
	}
	return made, group.Wait()
}

// create makes an upload that expires at a time, give or take the moment until it is open. It is
// one of those made over REST, whose records go by themselves.
func (e *expiries) create(ctx context.Context, number int, at time.Time) error {
	u := &v1alpha1.MultipartUpload{ObjectMeta: metav1.ObjectMeta{
		Namespace: e.names[number%len(e.names)], Name: fmt.Sprintf("upload-%d", number),
		Labels:     map[string]string{v1alpha1.LabelCreatedThrough: v1alpha1.CreatedThroughREST},
		Finalizers: []string{v1alpha1.FinalizerAbortUpload},
	}}
	u.Spec.EntityID, u.Spec.Path = entity, fmt.Sprintf("expiry/%d.bin", number)
	u.Spec.TTL = &metav1.Duration{Duration: time.Until(at).Round(time.Millisecond)}
	return e.client.Create(ctx, u)
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// latencies in seconds.
type latencies []float64

func (l latencies) row(name string) string {
	if len(l) == 0 {
		return fmt.Sprintf("| %s | – | – | – | 0 |\n", name)
	}
	return fmt.Sprintf("| %s | %.2f s | %.2f s | %.2f s | %d |\n", name, percentile(l, 50), percentile(l, 99), slices.Max(l), len(l))
}
