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

// readable is how many bytes a socket has that were not read (SIOCINQ, tcp(7)).
func readable(fd uintptr) (int, error) { return unix.IoctlGetInt(int(fd), unix.SIOCINQ) }

// read is read(2), again when a signal has come between.
func read(fd uintptr, p []byte) (n int, err error) {
	for {
		n, err = syscall.Read(int(fd), p)
		if err != syscall.EINTR {
			return max(0, n), err
		}
	}
}
