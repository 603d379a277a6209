package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// kernelWide are the settings that kubelet wants to have its way with, and that are not the network
// namespace's but the whole machine's. In the namespaces, files stand in for them.
var kernelWide = map[string]string{
	"vm/overcommit_memory":      "1",
	"vm/panic_on_oom":           "0",
	"kernel/panic":              "10",
	"kernel/panic_on_oops":      "1",
	"kernel/keys/root_maxkeys":  "1000000",
	"kernel/keys/root_maxbytes": "25000000",
}

// covered are the directories that the node's programs write to, some of them without asking where:
// they are given others.
var covered = map[string]string{
	"/var/lib": "varlib",
	"/var/log": filepath.Dir(podLogsDir),
}

// runDir is covered by a file system in memory: sockets, and the mounts of pods' network
// namespaces.
const runDir = "/run"

// mountAll makes the mount namespace the node's own: nothing that is mounted from here on is seen
// outside.
func mountAll(scratch string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	for name, value := range kernelWide {
		stand := filepath.Join(scratch, "sysctl", strings.ReplaceAll(name, "/", "."))
		if err := os.MkdirAll(filepath.Dir(stand), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(stand, []byte(value+"\n"), 0o600); err != nil {
			return err
		}
		if err := bind(stand, filepath.Join("/proc/sys", name)); err != nil {
			return err
		}
	}
	for dir, name := range covered {
		own := filepath.Join(scratch, name)
		if err := os.MkdirAll(own, 0o755); err != nil {
			return err
		}
		if err := bind(own, dir); err != nil {
			return err
		}
	}
	if err := unix.Mount("tmpfs", runDir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755"); err != nil {
		return fmt.Errorf("mount %s: %w", runDir, err)
	}
	return nil
}

func bind(from, to string) error {
	if err := unix.Mount(from, to, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount %s on %s: %w", from, to, err)
	}
	return nil
}
