package devcluster

import "syscall"

// childAttributes puts a child into a process group of its own, so that a Ctrl-C at the terminal
// reaches only us and we stop the children in order, and has the kernel kill the child when we die
// without having done so.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
