package main

import (
	"net"
	"testing"
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
