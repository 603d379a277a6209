package devcluster

import "syscall"

// processExists says whether a process of that id is there, a zombie included.
func processExists(pid int) bool { return syscall.Kill(pid, 0) == nil }
