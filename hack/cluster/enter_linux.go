package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// endWithin is how long the part in namespaces has to end by itself.
const endWithin = 30 * time.Second

// enter starts this program again in network, mount, PID, UTS and IPC namespaces of its own, as
// their first process, and returns when it and all that it had started are gone, and with them the
// mounts, links and rules that they had made.
func enter(ctx context.Context, scratch, cgroup string) error {
	cmd := exec.Command("/proc/self/exe", "-inside="+insideInit, "-scratch="+scratch, "-cgroup="+cgroup)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
		// An interrupt at the terminal reaches only us; should we die without having ended it, the
		// kernel does.
		Setpgid: true, Pdeathsig: syscall.SIGKILL,
	}
	// The kernel watches the thread that started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("enter namespaces: %w", err)
	}
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		select {
		case <-ended:
			return
		case <-ctx.Done():
			_ = cmd.Process.Signal(syscall.SIGTERM)
		}
		select {
		case <-ended:
		case <-time.After(endWithin):
			_ = cmd.Process.Kill()
		}
	}()
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("in the namespaces: %w", err)
	}
	return nil
}
