package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"
)

const (
	// neighbourRate is how many files the neighbour begins in a second. It does not wait for one
	// before it begins the next.
	neighbourRate = 2
	// neighbourLimit bounds the time for one file.
	neighbourLimit = 2 * time.Minute
	// floodPart is the size of all parts, the smallest that is allowed.
	floodPart = 5 << 20
)

// neighbourKinds are the neighbour's requests, in their order.
var neighbourKinds = []string{"start", "part", "complete", "read 64 KiB"}

// partBody is the body of all parts. It is not written to.
var partBody = bytes.Repeat(noise, floodPart>>20)

// neighbour sends files at a steady rate, and measures how long that takes.
type neighbour struct {
	tenant *tenant
	name   string
	begun  int

	mu       sync.Mutex
	times    map[string]latencies // until the request succeeds, by kind
	again    int                  // requests that were sent again, as the answer had asked for
	failures []error
}

func newNeighbour(t *tenant, name string) *neighbour {
	return &neighbour{tenant: t, name: name, times: map[string]latencies{}}
}

// work begins files for a time, and returns when all of them are done.
func (n *neighbour) work(ctx context.Context, length time.Duration) error {
	return atRate(ctx, neighbourRate, func(ctx context.Context) error { return sleep(ctx, length) }, func(ctx context.Context) func() {
		n.begun++
		name := fmt.Sprintf("%s-%d", n.name, n.begun)
		return func() {
			if err := n.file(ctx, name); err != nil {
				n.mu.Lock()
				defer n.mu.Unlock()
				n.failures = append(n.failures, err)
			}
		}
	})
}

// file sends one in two parts, reads a little of it, and deletes it again, so that the disk does
// not fill.
func (n *neighbour) file(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, neighbourLimit)
	defer cancel()
	url := n.tenant.url + "/" + name
	for _, r := range []struct {
		kind, method, url string
		body              []byte
		header            map[string]string
	}{
		{"start", http.MethodPut, url + "?upload=start", nil, map[string]string{"Idempotency-Key": name}},
		{"part", http.MethodPut, url + "?part=1", partBody, nil},
		{"part", http.MethodPut, url + "?part=2", partBody, nil},
		{"complete", http.MethodPut, url + "?upload=complete", nil, nil},
		{"read 64 KiB", http.MethodGet, url, nil, map[string]string{"Range": "bytes=5200000-5265535"}},
		{"delete", http.MethodDelete, url, nil, nil},
	} {
		began := time.Now()
		if err := n.insist(ctx, r.method, r.url, r.body, r.header); err != nil {
			return fmt.Errorf("%s, after %s: %w", r.kind, time.Since(began).Round(time.Millisecond), err)
		}
		n.mu.Lock()
		n.times[r.kind] = append(n.times[r.kind], time.Since(began).Seconds())
		n.mu.Unlock()
	}
	return nil
}

// insist sends a request until it is neither answered 503 nor 429.
func (n *neighbour) insist(ctx context.Context, method, url string, body []byte, header map[string]string) error {
	for {
		status, after, err := n.tenant.send(ctx, method, url, body, header)
		switch {
		case err != nil:
			return err
		case status/100 == 2:
			return nil
		case status != http.StatusServiceUnavailable && status != http.StatusTooManyRequests:
			return fmt.Errorf("%s is answered %d", method, status)
		}
		n.mu.Lock()
		n.again++
		n.mu.Unlock()
		if err := sleep(ctx, after); err != nil {
			return fmt.Errorf("still %d: %w", status, err)
		}
	}
}

// send sends one request, and returns the status of its answer and when to ask again: after a
// second, if it does not say.
func (t *tenant) send(ctx context.Context, method, url string, body []byte, header map[string]string) (status int, after time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return 0, 0, err
	}
	for _, more := range []map[string]string{t.header, header} {
		for name, value := range more {
			req.Header.Set(name, value)
		}
	}
	res, err := t.client.Do(req)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = res.Body.Close() }()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return 0, 0, err
	}
	seconds, err := strconv.Atoi(res.Header.Get("Retry-After"))
	if err != nil {
		seconds = 1
	}
	return res.StatusCode, time.Duration(seconds) * time.Second, nil
}
