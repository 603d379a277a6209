package connlimit

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Options of a Listener.
type Options struct {
	// Max is how many connections are open at once, at least 1. As many more wait for a place.
	Max int
	// Wait is how long a connection waits for a place before it is closed. Default 10 s.
	Wait time.Duration
	// Proof is how long a caller has to prove who it is before its connection may be closed for the
	// sake of another one. Default 2 s.
	Proof time.Duration
	// Open and Waiting, if not nil, are told how many connections there are whenever that changes.
	Open, Waiting func(n int)
	// Closed, if not nil, is told of each connection that is closed at the limit: idle or unproven
	// ones that made room, and such as found none.
	Closed func(why Reason)
}

// Reason is why the Listener has closed a connection.
type Reason string

// Reasons. The values are those of a metric's label.
const (
	// Idle had no request under way, and made room for another connection.
	Idle Reason = "idle"
	// Unproven had a request whose caller had not proved in time who it is, and made room for
	// another connection.
	Unproven Reason = "unproven"
	// NoPlace found no place in time.
	NoPlace Reason = "no_place"
)

// Listener is a net.Listener of connections that count. Accept is called by one goroutine at a
// time, as net/http does.
type Listener struct {
	inner    net.Listener
	opts     Options
	accepted chan accepted
	freed    chan struct{} // has a value when a place may be free
	closed   chan struct{}
	close    sync.Once

	mu      sync.Mutex
	open    map[netip.Addr]map[*conn]struct{}
	count   int
	waiting []*conn // in the order in which they came
}

type accepted struct {
	conn *net.TCPConn
	err  error
}

// Limit returns a Listener over inner, which it owns from then on, and which must be one of TCP.
func Limit(inner net.Listener, opts Options) *Listener {
	opts.Max = max(1, opts.Max)
	if opts.Wait <= 0 {
		opts.Wait = 10 * time.Second
	}
	if opts.Proof <= 0 {
		opts.Proof = 2 * time.Second
	}
	l := &Listener{
		inner: inner, opts: opts, open: map[netip.Addr]map[*conn]struct{}{},
		accepted: make(chan accepted), freed: make(chan struct{}, 1), closed: make(chan struct{}),
	}
	go l.accept()
	return l
}

// accept takes connections from the kernel until the inner listener is closed, whose error it hands
// on.
func (l *Listener) accept() {
	for {
		nc, err := l.inner.Accept()
		tcp, _ := nc.(*net.TCPConn)
		if err == nil && tcp == nil {
			_ = nc.Close()
			continue
		}
		select {
		case l.accepted <- accepted{tcp, err}:
		case <-l.closed:
			if tcp != nil {
				_ = tcp.Close()
			}
			return
		}
	}
}

// Addr implements net.Listener.
func (l *Listener) Addr() net.Addr { return l.inner.Addr() }

// Close implements net.Listener. It closes what waits for a place; connections that have one stay
// open. It may be called more than once.
func (l *Listener) Close() error {
	l.close.Do(func() { close(l.closed) })
	err := l.inner.Close()
	l.mu.Lock()
	waiting := l.waiting
	l.waiting = nil
	l.tell()
	l.mu.Unlock()
	for _, c := range waiting {
		_ = c.TCPConn.Close()
	}
	return err
}

// Accept implements net.Listener.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		c, next := l.place(time.Now())
		if c != nil {
			return c, nil
		}
		timer := time.NewTimer(next)
		select {
		case a := <-l.accepted:
			timer.Stop()
			if a.err != nil {
				return nil, a.err
			}
			l.enqueue(a.conn)
		case <-l.freed:
			timer.Stop()
		case <-timer.C:
		case <-l.closed:
			timer.Stop()
			return nil, net.ErrClosed
		}
	}
}

// enqueue has a connection wait for a place. Where as many wait as may, the oldest one of the
// address of which most wait is closed, so that no address keeps others from waiting.
func (l *Listener) enqueue(tcp *net.TCPConn) {
	c := &conn{TCPConn: tcp, from: l, addr: addressOf(tcp), since: time.Now()}
	var excess *conn
	l.mu.Lock()
	l.waiting = append(l.waiting, c)
	if len(l.waiting) > l.opts.Max {
		i := l.mostWaiting()
		excess = l.waiting[i]
		l.waiting = slices.Delete(l.waiting, i, i+1)
	}
	l.tell()
	l.mu.Unlock()
	if excess != nil {
		l.drop(excess, NoPlace)
	}
}

// mostWaiting returns the index of the oldest connection that waits, of the address of which most
// wait.
func (l *Listener) mostWaiting() int {
	waits, most := map[netip.Addr]int{}, 0
	for _, c := range l.waiting {
		waits[c.addr]++
		most = max(most, waits[c.addr])
	}
	return slices.IndexFunc(l.waiting, func(c *conn) bool { return waits[c.addr] == most })
}

// addressOf is whose share a connection counts in. An IPv6 address stands for its /64, which one
// host has as a rule.
func addressOf(tcp *net.TCPConn) netip.Addr {
	remote, ok := tcp.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	addr := remote.AddrPort().Addr().Unmap()
	if addr.Is6() {
		if prefix, err := addr.Prefix(64); err == nil { //nolint:mnd // the subnet of a host, RFC 4291 section 2.5.1
			return prefix.Addr()
		}
	}
	return addr
}

// release gives the place of a connection back, once.
func (l *Listener) release(c *conn) {
	l.mu.Lock()
	had := l.remove(c)
	l.mu.Unlock()
	if !had {
		return
	}
	select {
	case l.freed <- struct{}{}:
	default:
	}
}

// drop closes a connection at the limit.
func (l *Listener) drop(c *conn, why Reason) {
	if l.opts.Closed != nil {
		l.opts.Closed(why)
	}
	_ = c.TCPConn.Close()
}
