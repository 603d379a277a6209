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
func read(fd uintptr, p []byte) (int, error) { return again(unix.SYS_READ, fd, p) }

// write is write(2), again when a signal has come between.
func write(fd uintptr, p []byte) (int, error) { return again(unix.SYS_WRITE, fd, p) }

func again(call, fd uintptr, p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		switch n, failed := move(call, fd, p); failed {
		case 0:
			return n, nil
		case unix.EINTR:
		default:
			return 0, failed
		}
	}
}
