//go:build !linux

package bulkconn

import (
	"errors"
	"syscall"
)

// canWait: elsewhere, poll does not take account of SO_RCVLOWAT, or nobody has tried.
const canWait = false

func setLowat(syscall.RawConn, int) error { return nil }

func readable(uintptr) (int, error) { return 0, errors.ErrUnsupported }

func read(uintptr, []byte) (int, error) { return 0, errors.ErrUnsupported }

func write(uintptr, []byte) (int, error) { return 0, errors.ErrUnsupported }
