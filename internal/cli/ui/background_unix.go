//go:build unix

package ui

import (
	"os/signal"
	"syscall"
)

// ignoreBackground has a program in the background of a terminal go on, which reading from it would
// stop.
func ignoreBackground() { signal.Ignore(syscall.SIGTTIN) }
