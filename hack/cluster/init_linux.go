package main

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

// initMain is the first process of the namespaces. It prepares them, starts the suite, passes
// signals on to it, waits for everything that has lost its parent, such as containerd's shims, and
// ends with the suite. When it ends, the kernel ends all others.
func initMain(s settings) error {
	if os.Getpid() != 1 {
		return errors.New("-inside is for the program itself")
	}
	if err := mountAll(s.scratch); err != nil {
		return err
	}
	if err := setUpNetwork(); err != nil {
		return err
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	cmd := exec.Command("/proc/self/exe", "-inside="+insideRun, "-scratch="+s.scratch, "-cgroup="+s.cgroup)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	suite := cmd.Process.Pid
	go func() {
		for sig := range signals {
			if number, ok := sig.(syscall.Signal); ok {
				_ = syscall.Kill(suite, number)
			}
		}
	}()
	return reapUntil(suite)
}

// reapUntil waits for all children until the one with that id has ended, and returns how.
func reapUntil(pid int) error {
	for {
		var status syscall.WaitStatus
		ended, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return err
		case ended == pid && status.ExitStatus() != 0:
			os.Exit(1) // it has said why
		case ended == pid:
			return nil
		}
	}
}
