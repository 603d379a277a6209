package ui

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestOwner asks the kernel who the other end of a connection is.
func TestOwner(t *testing.T) {
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp4", "127.0.0.1:0")
	check(t, err)
	defer func() { _ = listener.Close() }()
	far, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", listener.Addr().String())
	check(t, err)
	defer func() { _ = far.Close() }()
	near, err := listener.Accept()
	check(t, err)
	defer func() { _ = near.Close() }()
	if got := owner(near); got != os.Getuid() {
		t.Errorf("the other end is of %d, not %d", got, os.Getuid())
	}
}

// TestStranger has another user of the machine come with a good cookie.
func TestStranger(t *testing.T) {
	f := serve(t, nil, nil)
	in := f.browser()
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	kernel := socketTables
	t.Cleanup(func() {
		socketTables = kernel
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	})
	f.uid = 1000
	_, port, _ := strings.Cut(f.host, ":")
	number, err := strconv.Atoi(port)
	check(t, err)
	for uid, want := range map[int]int{1000: http.StatusOK, 0: http.StatusOK, 1001: http.StatusForbidden} {
		// The table of a machine on which all connections to the page are this user's.
		var table strings.Builder
		table.WriteString("  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n")
		for from := range 1 << 16 {
			fmt.Fprintf(&table, "   0: 0100007F:%04X 0100007F:%04X 01 00000000:00000000 00:00000000 00000000 %5d        0 1\n", from, number, uid)
		}
		name := filepath.Join(t.TempDir(), "tcp")
		check(t, os.WriteFile(name, []byte(table.String()), 0o600))
		socketTables = []string{name}
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		in.ask(http.MethodGet, "/info", nil).is(t, want)
	}
}
