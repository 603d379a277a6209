package tcpfault

import (
	"net"
	"sync"
	"time"
)

// connection is one that goes through a Proxy.
type connection struct {
	proxy    *Proxy
	down, up net.Conn // towards the client, towards the server
	once     sync.Once
	ended    chan struct{}   // closed when it ends
	hits     map[string]*hit // by fault and direction; guarded by proxy.mu
}

// hit is what a fault has done to a connection in one direction.
type hit struct {
	fault string
	is    bool // whether the connection is one of the share
	bytes int64
	lost  bool
}

// pass copies one direction to its end, which is the end of the connection.
func (c *connection) pass(dst, src net.Conn, towards Direction) {
	buf := make([]byte, 32<<10)
	for {
		n, err := src.Read(buf)
		c.waitWhileBlocked(towards)
		v := c.suffer(buf[:n], towards)
		c.sleep(v.delay)
		_, failed := dst.Write(v.data)
		if v.cut || err != nil || failed != nil {
			c.close(v.reset)
			return
		}
	}
}

func (c *connection) sleep(d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.ended:
	}
}

// waitWhileBlocked returns when no fault blocks the direction, or the connection ends.
func (c *connection) waitWhileBlocked(towards Direction) {
	for {
		changed := c.blocked(towards)
		if changed == nil {
			return
		}
		select {
		case <-changed:
		case <-c.ended:
			return
		}
	}
}

// blocked gives what is closed at the next change, nil if nothing blocks.
func (c *connection) blocked(towards Direction) <-chan struct{} {
	p := c.proxy
	p.mu.Lock()
	defer p.mu.Unlock()
	for name, f := range p.faults {
		if f.Kind != Block || !f.meets(towards) {
			continue
		}
		if h := c.hitBy(name, f, towards); h.is && h.bytes >= f.Bytes {
			return p.changed
		}
	}
	return nil
}

// hitBy finds, or decides, what the fault does to the connection. The lock of the Proxy is held.
func (c *connection) hitBy(name string, f Fault, towards Direction) *hit {
	key := string(towards) + " " + name
	h := c.hits[key]
	if h == nil {
		h = &hit{fault: name, is: f.Share == 0 || c.proxy.rng.Float64() < f.Share}
		c.hits[key] = h
	}
	return h
}

// forget drops what a fault has done, and reports whether data were lost. The lock of the Proxy is
// held.
func (c *connection) forget(name string) (lost bool) {
	for key, h := range c.hits {
		if h.fault == name {
			lost = lost || h.lost
			delete(c.hits, key)
		}
	}
	return lost
}

// verdict is what becomes of a piece of data.
type verdict struct {
	data  []byte // what of it is passed on
	delay time.Duration
	// cut: the connection ends then; reset: in a reset.
	cut, reset bool
}

// suffer applies the faults to data.
func (c *connection) suffer(data []byte, towards Direction) verdict {
	p := c.proxy
	p.mu.Lock()
	defer p.mu.Unlock()
	v := verdict{data: data}
	for name, f := range p.faults {
		if !f.meets(towards) || len(v.data) == 0 {
			continue
		}
		if h := c.hitBy(name, f, towards); h.is {
			f.apply(&v, h, p.rng.Float64())
		}
	}
	return v
}

// close ends both sides, with a reset if that is wanted. It is idempotent.
func (c *connection) close(reset bool) {
	c.once.Do(func() {
		close(c.ended)
		for _, conn := range []net.Conn{c.down, c.up} {
			if tcp, ok := conn.(*net.TCPConn); ok && reset {
				_ = tcp.SetLinger(0)
			}
			_ = conn.Close()
		}
	})
}
