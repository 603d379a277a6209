package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// user is one client of the REST API. It does one thing at a time, but sends parts in parallel.
type user struct {
	*caller
	number, made int
	// mine are its own files, of which it knows all; shared is a file that it shares with others.
	mine   []*file
	shared *file
}

func newUser(w *world, seed uint64, number int, shared *file) *user {
	rng := rand.New(rand.NewPCG(seed, uint64(100+number))) //nolint:gosec // a small number; the seed is to be repeated
	return &user{caller: newCaller(w, fmt.Sprintf("client %d", number), rng), number: number, mine: make([]*file, 3), shared: shared}
}

// live does one thing after the other until the faults end; what has been begun may end until
// hard is done.
func (c *user) live(faults, hard context.Context) {
	for faults.Err() == nil {
		if c.shared != nil && c.dice() < 0.6 {
			c.share(hard)
		} else {
			c.own(hard)
		}
		_ = sleep(faults, time.Duration(c.dice()*float64(400*time.Millisecond)))
	}
}

// attempt is a new one, with an id of its own.
func (c *user) attempt(base int64) *attempt {
	c.made++
	return &attempt{id: fmt.Sprintf("c%d-%d", c.number, c.made), base: base}
}

// own does something to one of its files.
func (c *user) own(ctx context.Context) {
	i := c.rng.IntN(len(c.mine))
	f := c.mine[i]
	if f == nil {
		c.made++
		f = c.world.files.add(&file{entity: fmt.Sprintf("%032x", 1000+c.number), path: fmt.Sprintf("own/%d.bin", c.made)})
		c.mine[i] = f
	}
	switch d := c.dice(); {
	case d < 0.55:
		c.upload(ctx, f, baseOf(f.last))
	case d < 0.75:
		c.put(ctx, f, c.attempt(baseOf(f.last)))
	case d < 0.88 && f.last != nil:
		c.remove(ctx, f)
	default:
		c.read(ctx, f)
	}
	if f.blocked() || (f.uncertain() && c.dice() < 0.7) {
		// What may still come to it would make it hard to say what is wrong.
		c.read(ctx, f)
		c.mine[i] = nil
	}
}

// blocked reports whether an upload of the file may still be open.
func (f *file) blocked() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.attempts {
		if a.open {
			return true
		}
	}
	return false
}

func baseOf(a *attempt) int64 {
	if a == nil {
		return absent
	}
	return a.version()
}

// share updates the file that it shares with others.
func (c *user) share(ctx context.Context) {
	base, known := c.version(ctx, c.shared)
	switch d := c.dice(); {
	case !known:
	case d < 0.3:
		c.read(ctx, c.shared)
	case d < 0.6:
		c.upload(ctx, c.shared, base)
	default:
		c.together(ctx)
		c.duel(ctx, c.shared, base, func() { c.put(ctx, c.shared, c.attempt(base)) })
	}
}

// duel updates a version of a shared file in two ways at about the same time, of which one at most
// may win: as do says, and in one request.
func (c *user) duel(ctx context.Context, f *file, base int64, do func()) {
	rival, a := &user{caller: c.split(), number: c.number}, c.attempt(base)
	var other sync.WaitGroup
	other.Go(func() {
		_ = sleep(ctx, time.Duration(rival.dice()*float64(250*time.Millisecond)))
		rival.put(ctx, f, a)
	})
	do()
	other.Wait()
}

// together waits for the next full half second, so that clients that race do it at the same moment.
func (c *user) together(ctx context.Context) {
	_ = sleep(ctx, time.Until(time.Now().Truncate(500*time.Millisecond).Add(500*time.Millisecond)))
}

// version asks for the ETag of a file, absent for none.
func (c *user) version(ctx context.Context, f *file) (version int64, known bool) {
	got := c.do(ctx, f, call{op: "head", method: http.MethodHead})
	switch {
	case got.err == nil && got.status == http.StatusNotFound:
		version = absent
	case !got.acked():
		return 0, false
	default:
		var err error
		if version, err = strconv.ParseInt(got.header.Get("ETag"), 10, 64); err != nil {
			c.world.violated(f, "HEAD gives the ETag %q", got.header.Get("ETag"))
			return 0, false
		}
	}
	f.record(operation{kind: opHead, who: c.name, version: version, call: got.tried, end: got.ended})
	return version, true
}

// headers of a request that makes a version of a file.
func headers(a *attempt) map[string]string {
	h := map[string]string{"description": a.id, "Idempotency-Key": a.id}
	if a.base != absent {
		h["If-Match"] = strconv.FormatInt(a.base, 10)
	}
	return h
}

// put sends a file in one request.
func (c *user) put(ctx context.Context, f *file, a *attempt) {
	body := content{name: fmt.Sprintf("%d/%s", c.world.seed, a.id), size: 1 + c.rng.Int64N(200<<10)}
	a.pieces = []*piece{{number: 1, acked: &body}}
	f.begin(a)
	got := c.do(ctx, f, call{op: "put", method: http.MethodPut, header: headers(a), body: &body})
	c.conclude(f, a, got)
}

// remove deletes a file.
func (c *user) remove(ctx context.Context, f *file) {
	a := f.begin(&attempt{id: "delete", deletion: true})
	got := c.do(ctx, f, call{op: "delete", method: http.MethodDelete})
	if got.status == http.StatusNotFound && got.unsure() {
		got.status = http.StatusNoContent // an earlier try was it
	}
	c.conclude(f, a, got)
}

// conclude ends an attempt by the answer to the request that decides it, and reports whether
// that was success.
func (c *user) conclude(f *file, a *attempt, got reply) bool {
	uncertain := f.uncertain()
	f.conclude(c.name, a, got)
	a.open = a.open && !got.acked()
	switch {
	case got.acked():
		c.world.report.acknowledged(a)
		if etag := got.header.Get("ETag"); !a.deletion && etag != strconv.FormatInt(a.version(), 10) {
			c.world.violated(f, "%s was answered with ETag %q", describe(a), etag)
		}
	case got.refused() && !uncertain && !f.shared:
		c.world.violated(f, "%s was refused although nothing speaks against it: %s", describe(a), summary(got))
	}
	return got.acked()
}

// read downloads a file and compares it with what its attempt has sent. It reports whether nothing
// was wrong with it.
func (c *user) read(ctx context.Context, f *file) (good bool) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	for tries := 0; tries < 8; tries++ {
		a, seen, err := c.download(ctx, f)
		switch {
		case err == nil && !seen:
			_ = sleep(ctx, time.Duration(c.dice()*float64(2*time.Second)))
			continue
		case err != nil:
			c.world.violated(f, "read: %v", err)
		case !f.shared:
			f.saw(a)
		}
		return err == nil
	}
	return true
}
