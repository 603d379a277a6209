//go:build race

package bulkconn

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// move reads or writes as package syscall does, which tells the race detector that what was written
// before a write happened before what follows the read of it.
func move(call, fd uintptr, p []byte) (n int, failed syscall.Errno) {
	do := syscall.Read
	if call == unix.SYS_WRITE {
		do = syscall.Write
	}
	n, err := do(int(fd), p)
	_ = errors.As(err, &failed)
	return n, failed
}
