package tcpfault_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/tcpfault"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

func TestMain(m *testing.M) { os.Exit(testkit.CheckLeaks(m.Run())) }

// TestFaults: each fault shows on a connection that was open before, and without one everything
// passes.
func TestFaults(t *testing.T) {
	p := testkit.FaultyTCP(t, testkit.ListenTCP(t, func(conn net.Conn) { _, _ = io.Copy(conn, conn); _ = conn.Close() })) // an echo
	text := bytes.Repeat([]byte("0123456789"), 1000)
	talk := func(conn net.Conn, wait time.Duration) ([]byte, error) {
		_ = conn.SetDeadline(time.Now().Add(wait))
		if _, err := conn.Write(text); err != nil {
			return nil, err
		}
		got := make([]byte, len(text))
		n, err := io.ReadFull(conn, got)
		return got[:n], err
	}
	for _, tt := range []struct {
		fault tcpfault.Kind
		value int64
		check func(got []byte, err error, took time.Duration) bool
	}{
		{"", 0, func([]byte, error, time.Duration) bool { return true }},
		{tcpfault.Latency, 400, func(_ []byte, err error, took time.Duration) bool { return err == nil && took >= 200*time.Millisecond }},
		{tcpfault.Reset, 0, func(_ []byte, err error, _ time.Duration) bool { return errors.Is(err, syscall.ECONNRESET) }},
		{tcpfault.Cut, 5000, func(got []byte, err error, _ time.Duration) bool { return err != nil && len(got) == 5000 }},
		{tcpfault.Flip, 5000, func(got []byte, err error, _ time.Duration) bool {
			want := bytes.Clone(text)
			want[5000] ^= 1
			return err == nil && bytes.Equal(got, want)
		}},
		{tcpfault.Silence, 0, func(got []byte, err error, _ time.Duration) bool {
			var timeout net.Error
			return errors.As(err, &timeout) && timeout.Timeout() && len(got) == 0
		}},
	} {
		t.Run(string(tt.fault), func(t *testing.T) {
			conn, err := net.Dial("tcp", p.Addr())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = conn.Close() })
			if got, err := talk(conn, time.Minute); err != nil || !bytes.Equal(got, text) {
				t.Fatalf("unharmed: %d bytes, %v", len(got), err)
			}
			if tt.fault != "" {
				p.Add("x", tcpfault.Fault{Kind: tt.fault, Towards: tcpfault.Downstream, Bytes: tt.value, Delay: time.Duration(tt.value) * time.Millisecond})
			}
			began := time.Now()
			wait := time.Minute
			if tt.fault == tcpfault.Silence {
				wait = time.Second
			}
			if got, err := talk(conn, wait); !tt.check(got, err, time.Since(began)) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			p.Remove("x")
			_ = conn.SetDeadline(time.Now().Add(time.Minute))
			if tt.fault == tcpfault.Silence {
				if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("a connection that has lost data lives on: %v", err)
				}
			}
		})
	}
}

// TestBlock: a blocked connection stays as it is, loses nothing, and ends with the Proxy.
func TestBlock(t *testing.T) {
	p := testkit.FaultyTCP(t, testkit.ListenTCP(t, func(conn net.Conn) { _, _ = io.Copy(conn, conn); _ = conn.Close() }))
	conn, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	got := make([]byte, 5)
	for _, towards := range []tcpfault.Direction{"", tcpfault.Upstream, tcpfault.Downstream} {
		p.Add("x", tcpfault.Fault{Kind: tcpfault.Block, Towards: towards})
		if _, err := conn.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		if n, err := conn.Read(got); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("%q: %d bytes get through: %v", towards, n, err)
		}
		p.Remove("x")
		_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
		if _, err := io.ReadFull(conn, got); err != nil || string(got) != "hello" {
			t.Fatalf("%q: %q, %v", towards, got, err)
		}
	}
	p.Add("x", tcpfault.Fault{Kind: tcpfault.Block, Bytes: 5})
	_, _ = conn.Write([]byte("hello"))
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != "hello" {
		t.Errorf("before the bytes have passed: %q, %v", got, err)
	}
	_, _ = conn.Write([]byte("again"))
	p.Close()
	if n, err := conn.Read(got); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// TestReceiverThatDoesNotRead: while one receiver takes nothing, as a process that is stopped,
// faults come and go for the others, and the Proxy ends.
func TestReceiverThatDoesNotRead(t *testing.T) {
	first := make(chan struct{}, 1)
	first <- struct{}{}
	server := testkit.ListenTCP(t, func(conn net.Conn) {
		select {
		case <-first:
		default:
			_, _ = io.Copy(conn, conn)
			_ = conn.Close()
		}
	})
	p := testkit.FaultyTCP(t, server)
	stuck, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stuck.Close() })
	// It is stuck when nothing has gone out for a while.
	for sent := -1; sent != 0; {
		_ = stuck.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
		sent, _ = stuck.Write(make([]byte, 1<<20))
	}
	for range 3 {
		p.Add("x", tcpfault.Fault{Kind: tcpfault.Latency, Delay: time.Millisecond})
		conn, err := net.Dial("tcp", p.Addr())
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		got := make([]byte, 5)
		if _, err := conn.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(conn, got); err != nil {
			t.Fatal(err)
		}
		p.Remove("x")
		_ = conn.Close()
	}
	p.Close()
}
