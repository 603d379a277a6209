package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

const (
	// progressActive uploads get parts, from progressClients at once, for progressWarm unmeasured
	// and then for progressTime.
	progressActive  = 2000
	progressClients = 16
	progressWarm    = 20 * time.Second
	progressTime    = time.Minute
	// progressPause is the time between two parts of one upload.
	progressPause = 5 * time.Second
)

// lookUp prints what a part costs before its first byte, beside all those records.
func (c *scale) lookUp(ctx context.Context) error {
	fmt.Println("\n| a part that is refused for its size, after token, rights and look-up | p50 | p99 | operator CPU |\n|---|--:|--:|--:|")
	return c.tenants[0].refuse(ctx, c.operator, c.tenants[0].url+"/"+scalePath("open", 0), nil, "with all of them")
}

// ofNamespace are the numbers of the open uploads of namespace i, at most limit of them.
func (c *scale) ofNamespace(i, limit int) []int {
	var out []int
	for number := i; number < c.settings.open && len(out) < limit; number += scaleNamespaces {
		out = append(out, number)
	}
	return out
}

// progress sends parts to many uploads at once, and prints how many status writes that makes.
func (c *scale) progress(ctx context.Context) error {
	var active []string
	for i, t := range c.tenants {
		for _, number := range c.ofNamespace(i, progressActive/scaleNamespaces) {
			active = append(active, fmt.Sprintf("%d %s/%s?part=1", i, t.url, scalePath("open", number)))
		}
	}
	sending, stop := context.WithCancel(ctx)
	defer stop()
	var sent atomic.Int64
	group, sending := errgroup.WithContext(sending)
	for worker := range progressClients {
		group.Go(func() error { return c.sendParts(sending, active, worker, &sent) })
	}
	if err := sleep(ctx, progressWarm); err != nil {
		return err
	}
	before, err := c.testbed.requests(ctx, everyVerb)
	if err != nil {
		return err
	}
	already := sent.Load()
	spent, err := underLoad(func() error { return sleep(sending, progressTime) })
	if err != nil {
		return errors.Join(group.Wait(), err)
	}
	parts := sent.Load() - already
	after, err := c.testbed.requests(ctx, everyVerb)
	if err != nil {
		return err
	}
	stop()
	if err := group.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	head, line := loadHead()
	writes := after["APPLY multipartuploads/status"] - before["APPLY multipartuploads/status"]
	fmt.Printf("\n%d uploads active, a small part for each every %s at most; CPU in ms for each progress write, by process; load average %s:\n\n", len(active), progressPause, loadAverage())
	fmt.Printf("| parts a second | progress writes a second | at most, one for each upload in 15 s |%s\n|--:|--:|--:|%s\n", head, line)
	fmt.Printf("| %.0f | %.0f | %.0f |%s\n", float64(parts)/spent.took.Seconds(), writes/spent.took.Seconds(), float64(len(active))/15, spent.row(max(int(writes), 1)))
	return nil
}

// sendParts sends parts to every so many-th of the uploads, in rounds.
func (c *scale) sendParts(ctx context.Context, active []string, worker int, sent *atomic.Int64) error {
	for ctx.Err() == nil {
		round := time.Now()
		for at := worker; at < len(active) && ctx.Err() == nil; at += progressClients {
			if err := c.sendPart(ctx, active[at]); err != nil {
				return err
			}
			sent.Add(1)
		}
		if err := sleep(ctx, progressPause-time.Since(round)); err != nil {
			return err
		}
	}
	return nil
}

// sendPart sends a part to an upload, which the number of its tenant and the URL of the part say.
func (c *scale) sendPart(ctx context.Context, to string) error {
	var i int
	var url string
	if _, err := fmt.Sscan(to, &i, &url); err != nil {
		return err
	}
	status, _, err := c.tenants[i].send(ctx, http.MethodPut, url, []byte("part"), nil)
	if err == nil && status != http.StatusCreated {
		err = fmt.Errorf("a part gets %d", status)
	}
	return err
}

// expire has the last uploads of a namespace expire at once, among all others, and prints how long
// that takes.
func (c *scale) expire(ctx context.Context) error {
	numbers := c.ofNamespace(1, c.settings.open)
	numbers = numbers[max(0, len(numbers)-c.settings.uploads):]
	spent, err := underLoad(func() error {
		if err := c.shorten(ctx, numbers); err != nil {
			return err
		}
		return c.awaitExpired(ctx, len(numbers))
	})
	if err != nil {
		return err
	}
	head, line := loadHead()
	fmt.Printf("\n%d of the open uploads expire at once: their ttl is patched, which counts here; CPU in ms for each, by process; load average %s:\n\n", len(numbers), loadAverage())
	fmt.Printf("| all ended after | a second |%s\n|--:|--:|%s\n| %.1f s | %.0f |%s\n", head, line,
		spent.took.Seconds(), float64(len(numbers))/spent.took.Seconds(), spent.row(len(numbers)))
	return nil
}

// shorten gives open uploads a ttl that is over, and the label that awaitExpired knows them by.
func (c *scale) shorten(ctx context.Context, numbers []int) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(fillers)
	for _, number := range numbers {
		group.Go(func() error {
			u := newRecord("open", number)
			patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"labels":{"bench":"expires"}},"spec":{"ttl":"1s"}}`))
			return c.admin.Patch(ctx, u, patch)
		})
	}
	return group.Wait()
}

// awaitExpired waits until as many of the shortened uploads have ended.
func (c *scale) awaitExpired(ctx context.Context, want int) error {
	for began := time.Now(); time.Since(began) < expiryLimit; {
		var all v1alpha1.MultipartUploadList
		if err := c.admin.List(ctx, &all, client.InNamespace(scaleNamespace(1)), client.MatchingLabels{"bench": "expires"}); err != nil {
			return err
		}
		ended := 0
		for i := range all.Items {
			if upload.Ended(&all.Items[i]) {
				ended++
			}
		}
		if ended == want {
			return nil
		}
		if err := sleep(ctx, 3*time.Second); err != nil { // a list that looks at ten thousand records is work for the API server, too
			return err
		}
	}
	return errors.New("not all of them expire")
}

// takeOver ends the leader of two operators, and prints how long it takes until the other one has
// opened an upload.
func (c *scale) takeOver(ctx context.Context) (err error) {
	second, err := devcluster.StartOperator(ctx, c.options[1])
	if err != nil {
		return err
	}
	p := &pair{options: c.options, operators: [2]*devcluster.Operator{c.operator, second}, namespace: scaleNamespace(0), header: c.tenants[0].header}
	defer func() { c.operator = p.operators[0] }()
	defer func() { err = errors.Join(err, p.operators[1].Stop()) }()
	fmt.Printf("\nTime until a start succeeds through the other replica, with all of them, %s; load average %s:\n\n| the leader is | p50 | max | of |\n|---|--:|--:|--:|\n", failoverLease, loadAverage())
	return p.failOvers(ctx, c.settings.rounds)
}
