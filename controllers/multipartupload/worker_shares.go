package multipartupload

import (
	"context"
	"errors"
	"sync"
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/iotfile-operator/iotfile-operator/internal/sharing"
)

const (
	// longPerPlace is how many long calls there may be for each place.
	longPerPlace = 2
	// longAfter is how long a call takes before it counts as long: the place is then for somebody
	// else.
	longAfter = time.Second
	// parkedAtMost is when a pass that was put off is taken up again, should nobody have woken it.
	parkedAtMost = 2 * time.Minute
)

// errParked ends a pass that has found no place. It has done nothing yet that is not safe to
// repeat.
var errParked = errors.New("the pass waits for a place")

// workerShares share the workers of a queue, as far as they ask something of object storage. A pass
// that finds no place is parked, which takes no worker, and is queued again when there is one.
type workerShares struct {
	mu          sync.Mutex
	short, long *sharing.Pool
	lines       map[sharing.Lane]*line
	in          map[reconcile.Request]parked
	queue       workqueue.TypedRateLimitingInterface[reconcile.Request]
}

// parked is a pass that waits for a place.
type parked struct {
	lane   sharing.Lane
	number uint64
}

// line are the passes of a lane that wait, in the order in which they came. Those that wait no more
// are dropped when it is their turn.
type line struct {
	passes  []queuedPass
	waiting int
	number  uint64
}

type queuedPass struct {
	req    reconcile.Request
	number uint64
}

// passesAtOnce is how many goroutines it takes to fill so many places, and those for long calls.
func passesAtOnce(limit int) int { return max(limit, 1) * (1 + longPerPlace) }

// setLimit sets how many places there are, the first time that it is called. The caller holds the
// lock.
func (p *workerShares) setLimit(limit int) {
	if p.lines != nil {
		return
	}
	p.short, p.long = sharing.NewPool(max(limit, 1)), sharing.NewPool(max(limit, 1)*longPerPlace)
	p.lines, p.in = map[sharing.Lane]*line{}, map[reconcile.Request]parked{}
}

// feed is a source that only tells which queue parked passes go back to.
func (p *workerShares) feed(_ context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queue = queue
	return nil
}

// stay is a place that a pass holds.
type stay struct {
	shares *workerShares
	lane   sharing.Lane
	// long: it is one of the places for long calls. left: it is given back.
	long, left bool
}

// enter takes a place for a pass, or parks it; ok is false then. The caller calls leave once it has
// a place.
func (p *workerShares) enter(req reconcile.Request, l sharing.Lane, limit int) (s *stay, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.setLimit(limit)
	if !p.short.Room(l) {
		p.park(req, l)
		return nil, false
	}
	p.unpark(req)
	p.short.Take(l, 1)
	return &stay{shares: p, lane: l}, true
}

// leave gives the place back.
func (s *stay) leave() {
	p := s.shares
	p.mu.Lock()
	defer p.mu.Unlock()
	s.left = true
	if s.long {
		p.long.Take(s.lane, -1)
		return
	}
	p.short.Take(s.lane, -1)
}

// lengthy is called when a call begins that may take long, and the result when it has ended. Once
// it takes longAfter, the place is given to others, as long as there are not too many such calls.
func (s *stay) lengthy() (ended func() bool) {
	return time.AfterFunc(longAfter, s.lengthen).Stop
}

func (s *stay) lengthen() {
	p := s.shares
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.left || s.long || !p.long.Room(s.lane) {
		return
	}
	s.long = true
	p.long.Take(s.lane, 1)
	p.short.Take(s.lane, -1)
	p.wake()
}

// rouse has those go on for which there is room by now. It is called at the end of each pass,
// whatever it has come to: who was woken may have had no use for its place.
func (p *workerShares) rouse() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wake()
}

// forget takes a pass out of its line.
func (p *workerShares) forget(req reconcile.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unpark(req)
}

// park puts a pass into its line, unless it is there already. The caller holds the lock.
func (p *workerShares) park(req reconcile.Request, l sharing.Lane) {
	if was, waits := p.in[req]; waits && was.lane == l {
		return
	}
	p.unpark(req)
	in := p.lines[l]
	if in == nil {
		in = &line{}
		p.lines[l] = in
	}
	in.number++
	in.waiting++
	in.passes = append(in.passes, queuedPass{req, in.number})
	p.in[req] = parked{l, in.number}
	parkedPasses.Inc()
}

// unpark takes a pass out of its line. The caller holds the lock.
func (p *workerShares) unpark(req reconcile.Request) {
	was, waits := p.in[req]
	if !waits {
		return
	}
	delete(p.in, req)
	parkedPasses.Dec()
	in := p.lines[was.lane]
	if in.waiting--; in.waiting == 0 {
		delete(p.lines, was.lane)
	}
}

// first is the pass of a line that is next, which has one. The caller holds the lock.
func (p *workerShares) first(in *line) reconcile.Request {
	for ; ; in.passes = in.passes[1:] {
		next := in.passes[0]
		if was, waits := p.in[next.req]; waits && was.number == next.number && p.lines[was.lane] == in {
			return next.req
		}
	}
}

// wake queues those that would find a place: those of the lanes that hold least first. The caller
// holds the lock.
func (p *workerShares) wake() {
	var given []sharing.Lane
	for {
		l, found := p.next()
		if !found {
			break
		}
		req := p.first(p.lines[l])
		p.short.Take(l, 1) // by those that are queued here, until all are
		given = append(given, l)
		p.unpark(req)
		if p.queue != nil {
			p.queue.Add(req)
		}
	}
	for _, l := range given {
		p.short.Take(l, -1)
	}
}

// next is the lane that holds least of those that wait and have room. The caller holds the lock.
func (p *workerShares) next() (lane sharing.Lane, found bool) {
	for l := range p.lines {
		if p.short.Room(l) && (!found || p.short.Held(l) < p.short.Held(lane)) {
			lane, found = l, true
		}
	}
	return lane, found
}
