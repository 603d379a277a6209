package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// smallest is the smallest part but the last.
const smallest = 5 << 20

// upload sends a file in parts, and ends it in one of the ways in which clients do.
func (c *user) upload(ctx context.Context, f *file, base int64) {
	a := f.begin(c.attempt(base))
	a.multipart = true
	if !c.start(ctx, f, a) {
		return
	}
	for n := range c.rng.IntN(4) {
		a.pieces = append(a.pieces, &piece{number: n + 1})
	}
	if !c.sendParts(ctx, f, a) {
		c.abort(ctx, f, a)
		return
	}
	if c.dice() < 0.25 {
		c.list(ctx, f, a)
	}
	switch d := c.dice(); {
	case d < 0.7:
		c.inFlight(ctx, f, a, 0.2, func() {
			if f.shared {
				c.duel(ctx, f, base, func() { c.complete(ctx, f, a) })
			} else {
				c.complete(ctx, f, a)
			}
		})
	case d < 0.82 || f.shared:
		c.inFlight(ctx, f, a, 0.5, func() { c.abort(ctx, f, a) })
	case d < 0.91:
		f.end(a, ended)
		f.note("%s walks away; its upload is to expire", c.name)
		c.world.expireSoon(ctx, f)
	default:
		f.end(a, ended)
		f.note("%s walks away", c.name)
		a.left = !f.uncertain()
	}
}

// start opens the upload.
func (c *user) start(ctx context.Context, f *file, a *attempt) bool {
	uncertain := f.uncertain()
	got := c.do(ctx, f, call{op: "start", method: http.MethodPut, query: "?upload=start", header: headers(a)})
	a.open = !got.refused() || got.unsure()
	if got.acked() {
		return true
	}
	f.end(a, refused)
	if got.refused() && !uncertain && !f.shared {
		c.world.violated(f, "%s was refused although nothing speaks against it: %s", a.id, summary(got))
	}
	return false
}

// sendParts sends the parts in any order, two at a time. It reports whether all were acknowledged.
func (c *user) sendParts(ctx context.Context, f *file, a *attempt) bool {
	var sending sync.WaitGroup
	results := make([]bool, len(a.pieces))
	places := make(chan struct{}, 2)
	for _, i := range c.rng.Perm(len(a.pieces)) {
		places <- struct{}{}
		own := c.split()
		sending.Go(func() {
			defer func() { <-places }()
			results[i] = own.sendPart(ctx, f, a, a.pieces[i])
		})
	}
	sending.Wait()
	for _, ok := range results {
		if !ok {
			return false
		}
	}
	return true
}

// sendPart sends a part: now and then it hangs up in the middle first, and now and then it replaces
// the part by another.
func (c *caller) sendPart(ctx context.Context, f *file, a *attempt, p *piece) bool {
	size := smallest + c.rng.Int64N(128<<10)
	version := func(n int) *content {
		return &content{name: fmt.Sprintf("%d/%s/part%d/%d", c.world.seed, a.id, p.number, n), size: size}
	}
	if c.dice() < 0.12 {
		// Nothing of this may be left (docs/rest-api.md, "Part"), so it is nothing that the part
		// may be.
		c.do(ctx, f, c.partCall(a, p, version(0), 1+c.rng.Int64N(size-1)))
	}
	if !c.sendContent(ctx, f, a, p, version(1)) {
		return false
	}
	if c.dice() >= 0.25 {
		return true
	}
	c.apart(ctx)
	return c.sendContent(ctx, f, a, p, version(2))
}

// apart waits until a part that is sent again is of another second, before a store whose times are
// whole seconds and that keeps every copy: which of two was sent last, it cannot tell, and the part
// counts as missing (docs/object-stores.md).
func (c *caller) apart(ctx context.Context) {
	if c.world.kind == devcluster.StoreSeaweedFS {
		_ = sleep(ctx, 1100*time.Millisecond)
	}
}

func (c *caller) partCall(a *attempt, p *piece, body *content, cut int64) call {
	h := map[string]string{}
	if match, ok := headers(a)["If-Match"]; ok {
		h["If-Match"] = match
	}
	return call{op: "part", method: http.MethodPut, query: fmt.Sprintf("?part=%d", p.number), header: h, body: body, cut: cut}
}

func (c *caller) sendContent(ctx context.Context, f *file, a *attempt, p *piece, body *content) bool {
	f.sent(p, *body)
	got := c.do(ctx, f, c.partCall(a, p, body, 0))
	f.answered(p, *body, got.acked(), !got.unsure(), got.header.Get("X-Part-ETag"))
	if got.acked() {
		c.world.report.count("parts")
	}
	if got.refused() && !f.shared && !f.uncertain() {
		c.world.violated(f, "part %d of %s was refused although its upload is open: %s", p.number, a.id, summary(got))
	}
	return got.acked()
}

// inFlight ends an upload, now and then while another attempt of its first part is in flight
// through any replica. What is answered to that attempt is nobody's concern; nothing of it may be
// left where the upload is not.
func (c *user) inFlight(ctx context.Context, f *file, a *attempt, share float64, end func()) {
	if c.dice() >= share || len(a.pieces) == 0 {
		end()
		return
	}
	p, own := a.pieces[0], c.split()
	c.apart(ctx)
	body := content{name: fmt.Sprintf("%d/%s/in flight", c.world.seed, a.id), size: p.acked.size}
	f.sent(p, body)
	what := c.partCall(a, p, &body, 0)
	what.stall = time.Duration((0.2 + own.dice()) * float64(time.Second))
	var sending sync.WaitGroup
	sending.Go(func() {
		var out reply
		replica := own.rng.IntN(replicas)
		own.try(ctx, f, replica, what, &out)
		f.note("%s part in flight at %d: %s", own.name, replica, summary(out))
		c.world.report.answered("part in flight", out)
	})
	_ = sleep(ctx, time.Duration(c.dice()*float64(200*time.Millisecond)))
	end()
	sending.Wait()
}

// list asks for the parts: all that were acknowledged must be there.
func (c *user) list(ctx context.Context, f *file, a *attempt) {
	got := c.do(ctx, f, call{op: "list", method: http.MethodGet, fileslist: true})
	var parts []struct{ PartNo int }
	switch {
	case f.shared || f.uncertain() || got.err != nil || again(got.status):
		return
	case !got.acked():
		c.world.violated(f, "the parts of %s cannot be listed: %s", a.id, summary(got))
		return
	case json.Unmarshal([]byte(got.body), &parts) != nil || len(parts) != len(a.pieces):
		c.world.violated(f, "%d parts of %s were acknowledged, and these are listed: %s", len(a.pieces), a.id, got.body)
	}
}

// complete has the file assembled, half of the time with a last part in the same request.
func (c *user) complete(ctx context.Context, f *file, a *attempt) {
	what := call{op: "complete", method: http.MethodPut, query: "?upload=complete", header: c.partCall(a, &piece{}, nil, 0).header}
	if len(a.pieces) == 0 || c.dice() < 0.5 {
		what.body = &content{name: fmt.Sprintf("%d/%s/final", c.world.seed, a.id), size: 1 + c.rng.Int64N(200<<10)}
		a.pieces = append(a.pieces, &piece{number: len(a.pieces) + 1, acked: what.body})
	}
	got := c.do(ctx, f, what)
	if c.conclude(f, a, got) {
		if c.dice() < 0.4 {
			c.read(ctx, f)
		}
		return
	}
	if f.shared { // or nobody could start another
		got := c.do(ctx, f, call{op: "abort", method: http.MethodPut, query: "?upload=abort", header: map[string]string{"Idempotency-Key": a.id}})
		a.open = !got.acked()
	}
}

// abort ends the upload without a file.
func (c *user) abort(ctx context.Context, f *file, a *attempt) {
	uncertain := f.uncertain() || f.shared
	got := c.do(ctx, f, call{op: "abort", method: http.MethodPut, query: "?upload=abort", header: map[string]string{"Idempotency-Key": a.id}})
	f.end(a, ended)
	gone := got.acked() || (got.status == http.StatusNotFound && got.unsure())
	a.open = !gone
	switch {
	case uncertain:
	case got.refused() && !gone:
		c.world.violated(f, "the abort of %s, which is open, was refused: %s", a.id, summary(got))
	case gone && !got.unsure():
		if got := c.do(ctx, f, call{op: "list", method: http.MethodGet, fileslist: true}); got.acked() {
			c.world.violated(f, "%s was aborted, and its parts can be listed: %s", a.id, got.body)
		}
	}
	if got.acked() {
		c.world.report.count("aborts")
	}
}
