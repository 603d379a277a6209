package bulkconn_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http/httptest"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/bulkconn"
)

// counting is a TCP connection that counts the calls of the kernel.
type counting struct {
	*net.TCPConn
	reads, writes atomic.Int64
}

func (c *counting) Read(p []byte) (int, error) {
	c.reads.Add(1)
	return c.TCPConn.Read(p)
}

// SyscallConn implements syscall.Conn.
func (c *counting) SyscallConn() (syscall.RawConn, error) {
	raw, err := c.TCPConn.SyscallConn()
	return countingRaw{raw, c}, err
}

type countingRaw struct {
	syscall.RawConn
	from *counting
}

func (r countingRaw) Read(f func(fd uintptr) (done bool)) error {
	r.from.reads.Add(1)
	return r.RawConn.Read(f)
}

func (r countingRaw) Write(f func(fd uintptr) (done bool)) error {
	r.from.writes.Add(1)
	return r.RawConn.Write(f)
}

func (c *counting) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.TCPConn.Write(p)
}

// link is a connection over loopback: what the peer sends is read at the other end, of which over
// is the side that users see, below the Conn, and socket what the kernel is asked.
type link struct {
	peer, over net.Conn
	below      *bulkconn.Conn
	socket     *counting
}

func connect(t *testing.T, underTLS bool) link {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	defer func() { _ = listener.Close() }()
	peer, err := new(net.Dialer).DialContext(t.Context(), "tcp", listener.Addr().String())
	must(t, err)
	accepted, err := listener.Accept()
	must(t, err)
	l := link{peer: peer, socket: &counting{TCPConn: accepted.(*net.TCPConn)}}
	l.below = bulkconn.New(l.socket, underTLS)
	l.over = l.below
	if underTLS {
		server := httptest.NewUnstartedServer(nil)
		server.StartTLS() // for its certificate
		server.Close()
		l.over = tls.Server(l.below, server.TLS)
		l.peer = tls.Client(peer, &tls.Config{InsecureSkipVerify: true, DynamicRecordSizingDisabled: true})
		shaken := make(chan error, 1)
		go func() { shaken <- l.peer.(*tls.Conn).HandshakeContext(t.Context()) }()
		must(t, errors.Join(l.over.(*tls.Conn).HandshakeContext(t.Context()), <-shaken))
	}
	t.Cleanup(func() { _ = errors.Join(l.peer.Close(), l.over.Close()) })
	return l
}

func both(t *testing.T, test func(t *testing.T, l link)) {
	for name, underTLS := range map[string]bool{"plain": false, "TLS": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, connect(t, underTLS))
		})
	}
}

// TestTrickle: of a body that comes slowly, each byte is seen before the next is sent.
func TestTrickle(t *testing.T) {
	both(t, func(t *testing.T, l link) {
		const size = 4 << 20
		buffer := make([]byte, 1<<20)
		left := int64(size)
		for _, n := range []int{1, 1, 100, 20_000, 1, 300_000, 7, 1} {
			must(t, write(l.peer, make([]byte, n)))
			for n > 0 {
				m, err := l.below.ReadBody(l.over, buffer, left)
				must(t, err)
				n, left = n-m, left-int64(m)
			}
		}
	})
}

// TestEnds: the end of a body is not waited for, and what comes after it, without being expected,
// is read as it comes.
func TestEnds(t *testing.T) {
	both(t, func(t *testing.T, l link) {
		random := rand.New(rand.NewPCG(1, 2))
		for _, size := range []int{1, 4 << 10, 64<<10 + 1, 1 << 20, 3<<20 + 5} {
			body := make([]byte, size)
			for i := range body {
				body[i] = byte(random.Uint32())
			}
			sent := make(chan error, 1)
			go func() { sent <- errors.Join(write(l.peer, body), write(l.peer, []byte("next"))) }()
			got := make([]byte, 0, size)
			for len(got) < size {
				n, err := l.below.ReadBody(l.over, got[len(got):size], int64(size-len(got)))
				must(t, err)
				got = got[:len(got)+n]
			}
			if !bytes.Equal(got, body) {
				t.Fatalf("of %d bytes, others arrived", size)
			}
			next := make([]byte, 4)
			_, err := io.ReadFull(l.over, next)
			must(t, errors.Join(err, <-sent))
			if string(next) != "next" {
				t.Errorf("after the body comes %q", next)
			}
		}
	})
}

// TestDeadline: a deadline that is set while bytes are waited for ends the read, and so does one
// that was set before.
func TestDeadline(t *testing.T) {
	both(t, func(t *testing.T, l link) {
		buffer := make([]byte, 1<<20)
		for name, set := range map[string]func(){
			"past":  func() { must(t, l.over.SetReadDeadline(time.Unix(1, 0))) },
			"soon":  func() { must(t, l.over.SetReadDeadline(time.Now().Add(120*time.Millisecond))) },
			"later": func() { time.AfterFunc(150*time.Millisecond, func() { _ = l.over.SetReadDeadline(time.Unix(1, 0)) }) },
		} {
			set()
			if _, err := l.below.ReadBody(l.over, buffer, 8<<20); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s: the read ends with %v", name, err)
			}
			must(t, l.over.SetReadDeadline(time.Time{}))
			must(t, write(l.peer, []byte("on")))
			if n, err := l.over.Read(buffer); err != nil || n != 2 {
				t.Errorf("%s: after it, %d bytes, %v", name, n, err)
			}
		}
	})
}

// TestCut: whoever hangs up in the middle of a body is noticed, after all that was sent.
func TestCut(t *testing.T) {
	both(t, func(t *testing.T, l link) {
		must(t, errors.Join(write(l.peer, make([]byte, 100_000)), l.peer.Close()))
		left := int64(8 << 20)
		var got int
		for {
			n, err := l.below.ReadBody(l.over, make([]byte, 1<<20), left)
			if got, left = got+n, left-int64(n); err == nil {
				continue
			}
			if !errors.Is(err, io.EOF) || got != 100_000 {
				t.Errorf("%d bytes, then %v", got, err)
			}
			return
		}
	})
}

// TestFewCalls: what comes in small writes is read in large steps.
func TestFewCalls(t *testing.T) {
	both(t, func(t *testing.T, l link) {
		const size, step = 16 << 20, 16 << 10
		go func() {
			for range size / step {
				_, _ = l.peer.Write(make([]byte, step))
				time.Sleep(200 * time.Microsecond)
			}
		}()
		buffer := make([]byte, 1<<20)
		l.socket.reads.Store(0)
		for left := int64(size); left > 0; {
			n, err := l.below.ReadBody(l.over, buffer, left)
			must(t, err)
			left -= int64(n)
		}
		if calls := l.socket.reads.Load(); calls > size/step/3 {
			t.Errorf("%d writes were read in %d calls", size/step, calls)
		}
	})
}

// TestHold: the records of a large write go out together, and the last at once.
func TestHold(t *testing.T) {
	l := connect(t, true)
	got := make(chan error, 1)
	body := bytes.Repeat([]byte("0123456789abcdef"), 64<<10)
	go func() {
		read := make([]byte, len(body))
		if _, err := io.ReadFull(l.peer, read); err != nil || !bytes.Equal(read, body) {
			got <- errors.Join(errors.New("other bytes arrived"), err)
		}
		close(got)
	}()
	l.socket.writes.Store(0)
	_, err := l.below.WriteBody(l.over, body)
	must(t, errors.Join(err, <-got))
	if calls := l.socket.writes.Load(); calls > 6 {
		t.Errorf("1 MiB was written in %d calls", calls)
	}
	must(t, l.peer.Close())
	for range 1000 { // the kernel takes some
		if _, err = l.below.WriteBody(l.over, body); err != nil {
			break
		}
	}
	if err == nil {
		t.Error("nothing says that the peer is gone")
	}
}

// TestSend: what is written arrives, at whatever pace the peer reads. One that reads no more is told
// by the deadline, and one that is gone by the error of the kernel.
func TestSend(t *testing.T) {
	both(t, func(t *testing.T, l link) {
		body := make([]byte, 8<<20)
		_, _ = rand.NewChaCha8([32]byte{}).Read(body)
		got := make(chan error, 1)
		go func() {
			read := make([]byte, len(body))
			for n := 0; n < len(read); n += 1 << 20 {
				if _, err := io.ReadFull(l.peer, read[n:n+1<<20]); err != nil {
					got <- err
					return
				}
				time.Sleep(5 * time.Millisecond)
			}
			if !bytes.Equal(read, body) {
				got <- errors.New("other bytes arrived")
			}
			close(got)
		}()
		_, err := l.below.WriteBody(l.over, body)
		must(t, errors.Join(err, <-got))

		must(t, l.over.SetWriteDeadline(time.Now().Add(200*time.Millisecond)))
		for err == nil { // the kernel takes some
			_, err = l.below.WriteBody(l.over, body)
		}
		if timeout, ok := errors.AsType[net.Error](err); !ok || !timeout.Timeout() || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("after the deadline: %v", err)
		}
		must(t, errors.Join(l.over.SetWriteDeadline(time.Time{}), l.peer.Close()))
		for err = nil; err == nil; {
			_, err = l.below.Conn.Write(body)
		}
		_, err = l.below.Write(body)
		if wrong, ok := errors.AsType[*net.OpError](err); !ok || wrong.Op != "write" || !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("after the peer is gone: %v", err)
		}
	})
}

func write(c net.Conn, p []byte) error {
	_, err := c.Write(p)
	return err
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
