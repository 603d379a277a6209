package bulkconn

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// canWait: the kernel can be asked to wait for more bytes, and poll takes account of that (since
// Linux 4.18 for TCP).
const canWait = true

// setLowat sets SO_RCVLOWAT of a socket (socket(7)).
func setLowat(raw syscall.RawConn, n int) error {
	var failed error
	err := raw.Control(func(fd uintptr) { failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVLOWAT, n) })
	if err != nil {
		return err
	}
	return failed
}
