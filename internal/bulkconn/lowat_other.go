//go:build !linux

package bulkconn

import "syscall"

// canWait: elsewhere, poll does not take account of SO_RCVLOWAT, or nobody has tried.
const canWait = false

func setLowat(syscall.RawConn, int) error { return nil }
