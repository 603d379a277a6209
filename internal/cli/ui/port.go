package ui

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// listen opens a port on 127.0.0.1: the one that is asked for, or, for 0, that of the last time,
// which the file memory has, or any. What a browser keeps of unfinished files belongs to an address
// with its port, and would not be found at another one. A memory that cannot be read or written
// costs no more than that.
func listen(ctx context.Context, port int, memory string) (net.Listener, error) {
	var config net.ListenConfig
	at := func(port int) (net.Listener, error) {
		return config.Listen(ctx, "tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	}
	if port != 0 || memory == "" {
		listener, err := at(port)
		if err != nil {
			return nil, fmt.Errorf("serve the page: %w", err)
		}
		return listener, nil
	}
	text, err := os.ReadFile(memory)
	if last, bad := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 16); err == nil && bad == nil && last != 0 {
		if listener, err := at(int(last)); err == nil {
			return listener, nil
		}
		return listen(ctx, 0, "") // another page is there, which is the one that is remembered
	}
	listener, err := listen(ctx, 0, "")
	if err != nil {
		return nil, err
	}
	_, chosen, _ := net.SplitHostPort(listener.Addr().String())
	if os.MkdirAll(filepath.Dir(memory), 0o700) == nil {
		_ = os.WriteFile(memory, []byte(chosen+"\n"), 0o600)
	}
	return listener, nil
}
