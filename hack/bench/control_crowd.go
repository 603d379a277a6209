package main

import (
	"context"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"
)

// crowd has many clients open uploads at once, and then complete them, and prints how many go in a
// second and who works how much for it.
func (c *control) crowd(ctx context.Context, clients, uploads int) error {
	head, line := loadHead()
	fmt.Printf("\n%d clients at once, %d uploads with one small part each; CPU in ms for each upload, by process; load average %s:\n\n", clients, uploads, loadAverage())
	fmt.Printf("| | per second | p50 | p99 |%s\n|---|--:|--:|--:|%s\n", head, line)
	for _, step := range []struct{ name, query, body string }{{"starts", "upload=start", ""}, {"", "part=1", "part"}, {"completes", "upload=complete", ""}} {
		times, spent, err := c.allAtOnce(ctx, clients, uploads, step.query, step.body)
		if err != nil {
			return err
		}
		if step.name != "" {
			fmt.Printf("| %s | %.0f | %.0f ms | %.0f ms |%s\n", step.name, float64(uploads)/spent.took.Seconds(), 1000*percentile(times, 50), 1000*percentile(times, 99), spent.row(uploads))
		}
	}
	return nil
}

func (c *control) allAtOnce(ctx context.Context, clients, uploads int, query, body string) (latencies, load, error) {
	var mu sync.Mutex
	var times latencies
	spent, err := underLoad(func() error {
		group, ctx := errgroup.WithContext(ctx)
		group.SetLimit(clients)
		for i := range uploads {
			group.Go(func() error {
				took, err := c.kept.put(ctx, fmt.Sprintf("crowd/%d.bin", i), query, body)
				mu.Lock()
				defer mu.Unlock()
				times = append(times, took)
				return err
			})
		}
		return group.Wait()
	})
	return times, spent, err
}
