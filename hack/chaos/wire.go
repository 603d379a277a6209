package main

import (
	"errors"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// The faults of connections.
const (
	faultLatency = "latency"         // value is milliseconds for each piece of data, half of it or half as much again
	faultReset   = "reset"           // the connection is reset at its next data
	faultSilence = "half closed"     // data of one direction get lost; what has lost some is cut when the fault ends
	faultCut     = "cut after bytes" // value is how many may pass from now on
)

// wire is a TCP proxy on loopback that can do to connections what networks do, also to those that
// are open already.
type wire struct {
	listener net.Listener
	upstream string

	mu    sync.Mutex
	rng   *rand.Rand
	on    map[string]event // by the event's name
	lines map[*line]bool   // the open ones
}

// line is a connection through a wire.
type line struct {
	wire     *wire
	down, up net.Conn           // towards the operator, towards the server
	struck   map[string]*strike // by the event's name; guarded by wire.mu
}

// strike is what a fault has done to a line.
type strike struct {
	hits bool // whether the line is one of the share that is hit
	left int64
	lost bool
}

// newWire starts a proxy to upstream ("host:port") on a free port.
func newWire(upstream string, seed uint64) (*wire, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	w := &wire{listener: listener, upstream: upstream, rng: rand.New(rand.NewPCG(seed, 3)), on: map[string]event{}, lines: map[*line]bool{}}
	go w.serve()
	return w, nil
}

// address is where the proxy listens.
func (w *wire) address() string { return w.listener.Addr().String() }

// harm has the fault of an event on, under a name for heal.
func (w *wire) harm(name string, e event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.on[name] = e
}

// heal takes a fault away, and cuts the connections that have lost data by it.
func (w *wire) heal(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.on, name)
	for l := range w.lines {
		if s := l.struck[name]; s != nil && s.lost {
			go l.close(false)
		}
		delete(l.struck, name)
	}
}

// stop closes the listener and all connections.
func (w *wire) stop() {
	_ = w.listener.Close()
	w.mu.Lock()
	defer w.mu.Unlock()
	for l := range w.lines {
		go l.close(false)
	}
}

func (w *wire) serve() {
	for {
		down, err := w.listener.Accept()
		if err != nil {
			return
		}
		go func() {
			up, err := net.Dial("tcp", w.upstream)
			if err != nil {
				_ = down.Close()
				return
			}
			l := &line{wire: w, down: down, up: up, struck: map[string]*strike{}}
			w.mu.Lock()
			w.lines[l] = true
			w.mu.Unlock()
			go l.pass(up, down, "upstream")
			l.pass(down, up, "downstream")
		}()
	}
}

// pass copies one direction to its end, which is the end of the line.
func (l *line) pass(dst, src net.Conn, stream string) {
	buf := make([]byte, 32<<10)
	for {
		n, err := src.Read(buf)
		data, wait, cut, reset := l.suffer(buf[:n], stream)
		time.Sleep(wait)
		if _, werr := dst.Write(data); cut || errors.Join(err, werr) != nil {
			l.close(reset)
			return
		}
	}
}

// suffer says what becomes of data: what of it is passed on, after what pause, and whether the line
// ends then, and how.
func (l *line) suffer(data []byte, stream string) (passed []byte, wait time.Duration, cut, reset bool) {
	w := l.wire
	w.mu.Lock()
	defer w.mu.Unlock()
	for name, e := range w.on {
		if e.stream != stream || len(data) == 0 {
			continue
		}
		s := l.struck[name]
		if s == nil {
			s = &strike{hits: w.rng.Float64() < e.share, left: e.value}
			l.struck[name] = s
		}
		if !s.hits {
			continue
		}
		switch e.fault {
		case faultLatency:
			wait += time.Duration((0.5 + w.rng.Float64()) * float64(e.value) * float64(time.Millisecond))
		case faultReset:
			return nil, wait, true, true
		case faultSilence:
			s.lost, data = true, nil
		case faultCut:
			data = data[:min(int64(len(data)), s.left)]
			s.left -= int64(len(data))
			cut = cut || s.left <= 0
		}
	}
	return data, wait, cut, false
}

// close ends the line on both sides, with a reset if that is wanted.
func (l *line) close(reset bool) {
	for _, conn := range []net.Conn{l.down, l.up} {
		if tcp, ok := conn.(*net.TCPConn); ok && reset {
			_ = tcp.SetLinger(0)
		}
		_ = conn.Close()
	}
	l.wire.mu.Lock()
	defer l.wire.mu.Unlock()
	delete(l.wire.lines, l)
}
