package connlimit

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// sharePerFree is how many places one address may have for each that is free.
const sharePerFree = 3

// recheck is how often the Listener looks whether a caller's time to prove itself is over, while
// connections wait.
const recheck = 100 * time.Millisecond

// place gives a place to a connection that waits, and returns it; of several, to the first of the
// address with the fewest places. It returns nil if none waits or none can have a place, and how
// long to wait before it is asked again.
func (l *Listener) place(now time.Time) (*conn, time.Duration) {
	var dropped []*conn
	var reasons []Reason
	l.mu.Lock()
	for len(l.waiting) > 0 && now.Sub(l.waiting[0].since) >= l.opts.Wait {
		dropped, reasons = append(dropped, l.waiting[0]), append(reasons, NoPlace)
		l.waiting = slices.Delete(l.waiting, 0, 1)
	}
	chosen, victim, why := l.choose(now)
	if victim != nil {
		l.remove(victim)
		dropped, reasons = append(dropped, victim), append(reasons, why)
	}
	if chosen != nil {
		l.waiting = slices.DeleteFunc(l.waiting, func(c *conn) bool { return c == chosen })
		chosen.since = now
		if l.open[chosen.addr] == nil {
			l.open[chosen.addr] = map[*conn]struct{}{}
		}
		l.open[chosen.addr][chosen] = struct{}{}
		l.count++
	}
	next := time.Hour // an event comes first
	if len(l.waiting) > 0 {
		next = recheck
	}
	l.tell()
	l.mu.Unlock()
	for i, c := range dropped {
		l.drop(c, reasons[i])
	}
	return chosen, next
}

// choose finds the connection that gets a place now, and the one that has to make room for it, if
// any.
func (l *Listener) choose(now time.Time) (chosen, victim *conn, why Reason) {
	free := l.opts.Max - l.count
	if free == 0 {
		victim = l.victim(now)
	}
	for _, c := range l.firstOfEach() {
		has := len(l.open[c.addr])
		switch {
		case free > 0 && has <= sharePerFree*free:
			return c, nil, ""
		case victim != nil && len(l.open[victim.addr]) >= has:
			return c, victim, reasonOf(victim)
		}
		if own := l.victimOf(l.open[c.addr], now); own != nil {
			return c, own, reasonOf(own)
		}
	}
	return nil, nil, ""
}

// firstOfEach returns the connection that has waited longest of each address, those of addresses
// with few places first.
func (l *Listener) firstOfEach() []*conn {
	var out []*conn
	seen := map[netip.Addr]bool{}
	for _, c := range l.waiting {
		if !seen[c.addr] {
			seen[c.addr] = true
			out = append(out, c)
		}
	}
	slices.SortStableFunc(out, func(a, b *conn) int { return cmp.Compare(len(l.open[a.addr]), len(l.open[b.addr])) })
	return out
}

// victim finds the connection of all that is closed first, nil if none may be: see worse; of equal
// ones the one whose address has most places.
func (l *Listener) victim(now time.Time) *conn {
	var best *conn
	for _, conns := range l.open {
		c := l.victimOf(conns, now)
		switch {
		case c == nil:
		case best == nil, l.worse(c, best, len(conns)-len(l.open[best.addr]), now):
			best = c
		}
	}
	return best
}

// victimOf finds the connection of one address that is closed first, nil if none may be.
func (l *Listener) victimOf(conns map[*conn]struct{}, now time.Time) *conn {
	var best *conn
	for c := range conns {
		if rankOf(c, now, l.opts.Proof) > 0 && (best == nil || l.worse(c, best, 0, now)) {
			best = c
		}
	}
	return best
}

// worse reports whether a is closed before b: idle ones come first, unproven before known ones, and
// then those whose time to prove themselves is over; then those of the address that has more
// places, by the difference more; then older ones.
func (l *Listener) worse(a, b *conn, more int, now time.Time) bool {
	rank := cmp.Compare(rankOf(a, now, l.opts.Proof), rankOf(b, now, l.opts.Proof))
	return cmp.Or(rank, more, b.since.Compare(a.since)) > 0
}

// Ranks of what may be closed; 0 may not.
const (
	rankUnproven = iota + 1
	rankIdle
	rankIdleUnproven
)

// reasonOf is why a victim is closed.
func reasonOf(victim *conn) Reason {
	if victim.idle.Load() {
		return Idle
	}
	return Unproven
}

func rankOf(c *conn, now time.Time, proof time.Duration) int {
	switch idle, known := c.idle.Load(), c.known.Load(); {
	case idle && !known:
		return rankIdleUnproven
	case idle:
		return rankIdle
	case !known && now.Sub(c.since) >= proof:
		return rankUnproven
	default:
		return 0
	}
}

// remove takes a connection's place away, and reports whether it had one.
func (l *Listener) remove(c *conn) bool {
	conns := l.open[c.addr]
	if _, ok := conns[c]; !ok {
		return false
	}
	delete(conns, c)
	if len(conns) == 0 {
		delete(l.open, c.addr)
	}
	l.count--
	l.tell()
	return true
}

// tell reports the numbers.
func (l *Listener) tell() {
	if l.opts.Open != nil {
		l.opts.Open(l.count)
	}
	if l.opts.Waiting != nil {
		l.opts.Waiting(len(l.waiting))
	}
}
