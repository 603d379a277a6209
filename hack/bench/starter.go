package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// startRate is how many uploads a starter opens in a second. It does not wait for one before it
// opens the next.
const startRate = 4

// starter opens uploads over REST at a steady rate, and completes each with a small body.
type starter struct {
	url    string
	header map[string]string
	client *http.Client
	opened int
}

// started is what a starter has measured.
type started struct {
	mu                sync.Mutex
	starts, completes latencies
	failures          []error
}

func newStarter(ctx context.Context, b *testbed, namespace string) (*starter, error) {
	token, err := b.system.ControlPlane.ApplicationToken(ctx, namespace, "bench", 2*time.Hour)
	if err != nil {
		return nil, err
	}
	return &starter{
		url:    fmt.Sprintf("%s/namespaces/%s/api/iotfile/v3/files/%s/meanwhile", b.system.Operator.URL, namespace, entity),
		header: map[string]string{"Authorization": "Bearer " + token}, client: &http.Client{Transport: newTransport(64)},
	}, nil
}

// during opens uploads until do has returned.
func (s *starter) during(ctx context.Context, do func(context.Context) error) (*started, error) {
	result := &started{}
	return result, atRate(ctx, startRate, do, func(ctx context.Context) func() {
		s.opened++
		url := fmt.Sprintf("%s/%d.bin", s.url, s.opened)
		return func() { s.one(ctx, url, result) }
	})
}

// atRate runs work so many times a second until do has returned, and returns when all of it has
// ended. No run waits for another one. next is called by one goroutine only.
func atRate(ctx context.Context, perSecond int, do func(context.Context) error, next func(context.Context) (work func())) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	group, working := errgroup.WithContext(ctx)
	done := make(chan struct{})
	group.Go(func() error {
		defer close(done)
		return do(working)
	})
	tick := time.NewTicker(time.Second / time.Duration(perSecond))
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			work := next(working)
			group.Go(func() error {
				work()
				return nil
			})
		case <-done:
			return group.Wait()
		}
	}
}

// one opens an upload and completes it.
func (s *starter) one(ctx context.Context, url string, result *started) {
	began := time.Now()
	_, err := request(ctx, s.client, http.MethodPut, url+"?upload=start", http.NoBody, 0, s.header)
	opened := time.Now()
	if err == nil {
		const body = "a small file"
		_, err = request(ctx, s.client, http.MethodPut, url+"?upload=complete", strings.NewReader(body), int64(len(body)), s.header)
	}
	result.mu.Lock()
	defer result.mu.Unlock()
	if err != nil {
		result.failures = append(result.failures, fmt.Errorf("after %s: %w", time.Since(began).Round(time.Millisecond), err))
		return
	}
	result.starts = append(result.starts, opened.Sub(began).Seconds())
	result.completes = append(result.completes, time.Since(opened).Seconds())
}

// report prints rows of a table.
func (r *started) report(when string) {
	fmt.Print(r.starts.row("start, "+when), r.completes.row("complete, "+when))
	if len(r.failures) > 0 {
		fmt.Printf("| failed, %s: %v | | | | %d |\n", when, r.failures[0], len(r.failures))
	}
}
