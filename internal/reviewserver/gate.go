package reviewserver

import (
	"crypto/tls"
	"net"
	"net/http"
	"sync"
)

// gate is a listener that keeps at most so many connections. Before it refuses one, it closes one that nothing happens
// on, which a client opens again when it needs it.
type gate struct {
	net.Listener
	total, each int // each is what one address gets once half of all are in use
	refused     func()

	mu   sync.Mutex
	open map[*guarded]struct{}
	by   map[string]int
	idle []*guarded // since longest first
}

// guarded is a connection of a gate.
type guarded struct {
	net.Conn
	gate    *gate
	address string
	once    sync.Once
}

func newGate(l net.Listener, total, each int, refused func()) *gate {
	return &gate{Listener: l, total: total, each: each, refused: refused, open: map[*guarded]struct{}{}, by: map[string]int{}}
}

// Accept implements net.Listener. What there is no place for is closed.
func (g *gate) Accept() (net.Conn, error) {
	for {
		c, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		in := &guarded{Conn: c, gate: g, address: addressOf(c.RemoteAddr().String())}
		victim, ok := g.admit(in)
		if victim != nil {
			_ = victim.Close()
		}
		if ok {
			return in, nil
		}
		g.refused()
		_ = c.Close()
	}
}

// admit takes the connection in, if there is a place; victim is another one that has to go for it.
func (g *gate) admit(c *guarded) (victim *guarded, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case len(g.open) >= g.total/2 && g.by[c.address] >= g.each:
		victim = g.takeIdle(func(i *guarded) bool { return i.address == c.address })
	case len(g.open) >= g.total:
		victim = g.takeIdle(func(*guarded) bool { return true })
	default:
		g.add(c)
		return nil, true
	}
	if victim != nil {
		g.add(c)
	}
	return victim, victim != nil
}

// add notes a connection. The caller holds the lock.
func (g *gate) add(c *guarded) {
	g.open[c] = struct{}{}
	g.by[c.address]++
}

// takeIdle forgets the connection that has been idle for longest, of those that match, and gives it to be closed. The
// caller holds the lock.
func (g *gate) takeIdle(match func(*guarded) bool) *guarded {
	for i, c := range g.idle {
		if match(c) {
			g.idle = append(g.idle[:i], g.idle[i+1:]...)
			g.remove(c)
			return c
		}
	}
	return nil
}

// remove forgets a connection. It is idempotent; the caller holds the lock.
func (g *gate) remove(c *guarded) {
	if _, known := g.open[c]; !known {
		return
	}
	delete(g.open, c)
	if g.by[c.address]--; g.by[c.address] == 0 {
		delete(g.by, c.address)
	}
}

// changed is http.Server.ConnState: it learns which connections are idle.
func (g *gate) changed(conn net.Conn, state http.ConnState) {
	if secured, ok := conn.(*tls.Conn); ok {
		conn = secured.NetConn()
	}
	c, ok := conn.(*guarded)
	if !ok {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, known := range g.idle {
		if known == c {
			g.idle = append(g.idle[:i], g.idle[i+1:]...)
			break
		}
	}
	if _, open := g.open[c]; open && state == http.StateIdle {
		g.idle = append(g.idle, c)
	}
}

// Close implements net.Conn.
func (c *guarded) Close() error {
	c.once.Do(func() {
		c.gate.mu.Lock()
		defer c.gate.mu.Unlock()
		c.gate.remove(c)
	})
	return c.Conn.Close()
}

// addressOf is the host of host:port.
func addressOf(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return remote
	}
	return host
}
