package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/iotfile-operator/iotfile-operator/hack/cluster/loadlog"
)

// load uses the REST API until it is told to end: two clients that upload in parts and read back,
// one that stores and reads small files, one that does so with a connection for each request, and
// one whose parts take seconds. What it prints is described in the package loadlog.
func load(ctx context.Context, _ []string) error {
	kept, err := newAPI(true)
	if err != nil {
		return err
	}
	fresh, err := newAPI(false)
	if err != nil {
		return err
	}
	r := &recorder{out: json.NewEncoder(os.Stdout), counts: map[string]int{}}
	var clients sync.WaitGroup
	for name, live := range map[string]func(*client){"parts-1": (*client).multipart, "parts-2": (*client).multipart, "small": (*client).small, "slow": (*client).slow} {
		c := &client{ctx: ctx, api: kept, recorder: r, name: name}
		clients.Go(func() { c.repeat(live) })
	}
	clients.Go(func() { (&client{ctx: ctx, api: fresh, recorder: r, name: "fresh"}).repeat((*client).small) })
	clients.Go(func() { r.tick(ctx) })
	clients.Wait()
	return nil
}

// recorder prints what happens.
type recorder struct {
	mu      sync.Mutex
	out     *json.Encoder
	next    int            // the number of the next failure
	counts  map[string]int // of requests that were answered as they should be, since the last tick
	slowest time.Duration
}

func (r *recorder) ok(op string, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts[op]++
	r.slowest = max(r.slowest, took)
}

// failed prints a failure and returns its number.
func (r *recorder) failed(f loadlog.Failure) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next++
	f.Number = r.next
	r.print(loadlog.Line{Failure: &f})
	return r.next
}

func (r *recorder) repeated(number int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.print(loadlog.Line{Repetition: &loadlog.Repetition{Number: number, OK: ok}})
}

// print does so under the lock. What cannot be printed cannot be told either.
func (r *recorder) print(line loadlog.Line) {
	line.Time = time.Now()
	if err := r.out.Encode(line); err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
	}
}

// tick prints the counts every half second, and once more at the end.
func (r *recorder) tick(ctx context.Context) {
	for done := false; !done; {
		select {
		case <-ctx.Done():
			done = true
		case <-time.After(loadlog.Interval):
		}
		r.mu.Lock()
		r.print(loadlog.Line{Tick: &loadlog.Tick{Counts: r.counts, Slowest: r.slowest}})
		r.counts, r.slowest = map[string]int{}, 0
		r.mu.Unlock()
	}
}
