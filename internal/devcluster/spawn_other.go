//go:build !linux

package devcluster

import "syscall"

// childAttributes puts a child into a process group of its own, so that a Ctrl-C at the terminal
// reaches only us and we stop the children in order. Only Linux can also have the kernel kill it
// when we die.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
