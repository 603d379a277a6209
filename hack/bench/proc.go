package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// usage is what a process has used so far.
type usage struct {
	cpu     float64 // seconds
	written float64 // MiB that it has written to files
}

func usageOf(pid int) (u usage, err error) {
	if u.cpu, err = cpuOfProcess(pid); err != nil {
		return u, err
	}
	written, err := procValue(fmt.Sprintf("/proc/%d/io", pid), "write_bytes")
	u.written = written / (1 << 20)
	return u, err
}

// cpuOfProcess is the CPU time in seconds that a process has taken so far, threads that have ended
// included. It is read from the process's clock, whose id clock_getcpuclockid(3) makes like this:
// /proc/PID/stat has the same number in steps of 10 ms, which short measurements would show.
func cpuOfProcess(pid int) (float64, error) {
	const sched = 2
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid)<<3|sched, &t); err != nil { //nolint:gosec // process ids have 22 bits
		return 0, fmt.Errorf("CPU clock of process %d: %w", pid, err)
	}
	return float64(t.Nano()) / 1e9, nil
}

// memoryOf is a value of /proc/PID/status in MiB, such as VmHWM, the peak of the resident memory.
func memoryOf(pid int, name string) (float64, error) {
	kib, err := procValue(fmt.Sprintf("/proc/%d/status", pid), name)
	return kib / 1024, err
}

// resetPeak makes VmHWM begin anew with what is resident now.
func resetPeak(pid int) error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0)
}

// procValue is a number that stands behind "name:" in a file of /proc.
func procValue(path, name string) (float64, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(data)) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 64)
		}
	}
	return 0, fmt.Errorf("no %s in %s", name, path)
}
