package main

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// hosted serves each connection on its own, closes it when serve returns, and gives the address.
func hosted(t *testing.T, serve func(*net.TCPConn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				serve(conn.(*net.TCPConn))
				_ = conn.Close()
			}()
		}
	}()
	return listener.Addr().String()
}

// TestWire: each fault shows on a connection that was open before, and an unharmed wire passes
// everything.
func TestWire(t *testing.T) {
	server := hosted(t, func(conn *net.TCPConn) { _, _ = io.Copy(conn, conn) }) // an echo
	w, err := newWire(server, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.stop)
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
		fault string
		value int64
		check func(got []byte, err error, took time.Duration) bool
	}{
		{"", 0, func([]byte, error, time.Duration) bool { return true }},
		{faultLatency, 400, func(_ []byte, err error, took time.Duration) bool { return err == nil && took >= 200*time.Millisecond }},
		{faultReset, 0, func(_ []byte, err error, _ time.Duration) bool { return errors.Is(err, syscall.ECONNRESET) }},
		{faultCut, 5000, func(got []byte, err error, _ time.Duration) bool { return err != nil && len(got) == 5000 }},
		{faultSilence, 0, func(got []byte, err error, _ time.Duration) bool {
			var timeout net.Error
			return errors.As(err, &timeout) && timeout.Timeout() && len(got) == 0
		}},
	} {
		t.Run(tt.fault, func(t *testing.T) {
			conn, err := net.Dial("tcp", w.address())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = conn.Close() })
			if got, err := talk(conn, time.Minute); err != nil || !bytes.Equal(got, text) {
				t.Fatalf("unharmed: %d bytes, %v", len(got), err)
			}
			if tt.fault != "" {
				w.harm("x", event{fault: tt.fault, stream: "downstream", value: tt.value, share: 1})
			}
			began := time.Now()
			wait := time.Minute
			if tt.fault == faultSilence {
				wait = time.Second
			}
			if got, err := talk(conn, wait); !tt.check(got, err, time.Since(began)) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			w.heal("x")
			_ = conn.SetDeadline(time.Now().Add(time.Minute))
			if tt.fault == faultSilence {
				if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("a connection that has lost data lives on: %v", err)
				}
			}
		})
	}
}
