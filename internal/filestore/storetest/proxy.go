package storetest

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// Proxy is a TCP proxy on loopback between a Store and its backend, that can harm what flows
// through it.
type Proxy struct {
	listener net.Listener
	target   string
	faults   atomic.Pointer[Harm]

	mu    sync.Mutex
	conns []net.Conn
}

// Harm is what a Proxy does to each connection that is made after it was set. Offsets count the
// bytes of one connection in one direction, and are 0 for never.
type Harm struct {
	// CutSending closes both sides after so many bytes to the backend; CutReceiving, from it.
	CutSending, CutReceiving int64
	// FlipBit inverts one bit of the byte at this offset to the backend.
	FlipBit int64
	// Silent takes what is sent and never passes it on.
	Silent bool
}

// NewProxy starts a Proxy to target ("host:port"). It ends with the test.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{listener: listener, target: target}
	p.Set(Harm{})
	var served sync.WaitGroup
	served.Go(func() { p.serve(&served) })
	t.Cleanup(func() {
		_ = listener.Close()
		p.CutAll()
		served.Wait()
	})
	return p
}

// Addr is where the Proxy listens.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Set says what happens to new connections.
func (p *Proxy) Set(h Harm) { p.faults.Store(&h) }

// CutAll closes all connections.
func (p *Proxy) CutAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		_ = c.Close()
	}
	p.conns = nil
}

func (p *Proxy) serve(served *sync.WaitGroup) {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		backend, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		p.conns = append(p.conns, client, backend)
		p.mu.Unlock()
		harm := *p.faults.Load()
		closeBoth := func() { _, _ = client.Close(), backend.Close() }
		served.Go(func() {
			defer closeBoth()
			if harm.Silent {
				_, _ = io.Copy(io.Discard, client)
				return
			}
			pass(backend, client, harm.CutSending, harm.FlipBit)
		})
		served.Go(func() {
			defer closeBoth()
			pass(client, backend, harm.CutReceiving, 0)
		})
	}
}

// pass copies until the end, or until cut bytes have passed.
func pass(dst io.Writer, src io.Reader, cut, flip int64) {
	buf := make([]byte, 32<<10)
	for passed := int64(0); ; {
		room := buf
		if cut > 0 {
			room = buf[:min(int64(len(buf)), cut-passed)]
		}
		n, err := src.Read(room)
		if at := flip - passed; flip > 0 && at >= 0 && at < int64(n) {
			buf[at] ^= 1
		}
		if _, werr := dst.Write(buf[:n]); werr != nil {
			return
		}
		passed += int64(n)
		if err != nil || cut > 0 && passed >= cut {
			return
		}
	}
}
