package ui

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
)

// socketTables are those of the kernel that say who owns a socket.
var socketTables = []string{"/proc/net/tcp", "/proc/net/tcp6"}

// owner is the user at the other end of a connection on loopback, -1 where it is not known.
func owner(conn net.Conn) int {
	near, ok := conn.LocalAddr().(*net.TCPAddr)
	far, isTCP := conn.RemoteAddr().(*net.TCPAddr)
	if !ok || !isTCP {
		return -1
	}
	for _, name := range socketTables {
		if uid := ownerIn(name, far.Port, near.Port); uid >= 0 {
			return uid
		}
	}
	return -1
}

// ownerIn looks for the socket on 127.0.0.1 at port from that is connected to port to.
func ownerIn(name string, from, to int) int {
	table, err := os.Open(name)
	if err != nil {
		return -1
	}
	defer func() { _ = table.Close() }()
	// As the kernel writes it: the address byte by byte from its end, behind the prefix of IPv6.
	local, remote := fmt.Sprintf("0100007F:%04X", from), fmt.Sprintf("0100007F:%04X", to)
	for lines := bufio.NewScanner(table); lines.Scan(); {
		// sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid
		fields := strings.Fields(lines.Text())
		if len(fields) < 8 || !strings.HasSuffix(fields[1], local) || !strings.HasSuffix(fields[2], remote) {
			continue
		}
		if uid, err := strconv.Atoi(fields[7]); err == nil {
			return uid
		}
	}
	return -1
}
