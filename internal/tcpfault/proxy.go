package tcpfault

import (
	"math/rand/v2"
	"net"
	"sync"
)

// Proxy passes connections on to one server. It is safe for concurrent use.
type Proxy struct {
	listener net.Listener
	upstream string
	serving  sync.WaitGroup

	mu     sync.Mutex
	rng    *rand.Rand
	closed bool
	faults map[string]Fault
	open   map[*connection]bool
	// changed is closed, and made anew, when a fault is removed.
	changed chan struct{}
}

// New starts a Proxy to upstream ("host:port") on a free port. seed decides which connections a
// fault hits that has a Share. The caller closes it.
func New(upstream string, seed uint64) (*Proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it takes no time
	if err != nil {
		return nil, err
	}
	rng := rand.New(rand.NewPCG(seed, 3)) //nolint:gosec // the seed is to be repeated
	p := &Proxy{
		listener: listener, upstream: upstream, rng: rng,
		faults: map[string]Fault{}, open: map[*connection]bool{}, changed: make(chan struct{}),
	}
	p.serving.Go(p.serve)
	return p, nil
}

// Addr is host:port on which the Proxy listens.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Add begins a fault under a name, instead of one that has it already. Bytes are counted from now
// on.
func (p *Proxy) Add(name string, f Fault) {
	p.Remove(name)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults[name] = f
}

// Remove ends a fault, and cuts the connections that have lost data by it. It is idempotent.
func (p *Proxy) Remove(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.faults, name)
	for c := range p.open {
		if c.forget(name) {
			c.close(false)
		}
	}
	close(p.changed)
	p.changed = make(chan struct{})
}

// CutAll closes all connections. New ones are taken.
func (p *Proxy) CutAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		c.close(false)
	}
}

// Close closes the listener and all connections, and waits for the end of what they did. It is
// idempotent.
func (p *Proxy) Close() {
	_ = p.listener.Close()
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.CutAll()
	p.serving.Wait()
}

func (p *Proxy) serve() {
	for {
		down, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.serving.Go(func() { p.connect(down) })
	}
}

// connect serves one connection to its end.
func (p *Proxy) connect(down net.Conn) {
	up, err := net.Dial("tcp", p.upstream) //nolint:noctx // to loopback: refused at once, or there
	if err != nil {
		_ = down.Close()
		return
	}
	c := &connection{proxy: p, down: down, up: up, hits: map[string]*hit{}, ended: make(chan struct{})}
	p.mu.Lock()
	p.open[c] = true
	closed := p.closed
	p.mu.Unlock()
	if closed {
		c.close(false)
	}
	var sending sync.WaitGroup
	sending.Go(func() { c.pass(up, down, Upstream) })
	c.pass(down, up, Downstream)
	sending.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, c)
}
