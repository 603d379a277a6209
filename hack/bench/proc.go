package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
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

// cpuOfProcess is the CPU time in seconds that a process has taken so far, from proc(5).
func cpuOfProcess(pid int) (float64, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The fields behind the command's name, which is in parentheses and may hold anything; utime and stime are the 14th and 15th of all.
	fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
	const utime, stime, ticksPerSecond = 14 - 3, 15 - 3, 100
	var ticks float64
	for _, i := range []int{utime, stime} {
		n, err := strconv.ParseFloat(fields[i], 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return ticks / ticksPerSecond, nil
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
