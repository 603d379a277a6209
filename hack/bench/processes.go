package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// workers are the processes that share the work of a benchmark, in the order of tables, as the
// kernel names them.
var workers = []string{"operator", "kube-apiserver", "etcd", "versitygw", "bench"}

// cpuTimes is the CPU time in seconds that processes have taken so far, by name.
type cpuTimes map[string]float64

// readCPU adds up this process and its children, by name. A child that ends between two looks takes
// its time with it.
func readCPU() (cpuTimes, error) {
	own, err := cpuOfProcess(os.Getpid())
	if err != nil {
		return nil, err
	}
	times := cpuTimes{"bench": own}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		// PID (NAME) STATE PARENT …, see proc(5)
		head, tail, ok := strings.Cut(string(text), ") ")
		fields := strings.Fields(tail)
		number, name, named := strings.Cut(head, " (")
		if !ok || !named || len(fields) < 2 || fields[1] != strconv.Itoa(os.Getpid()) {
			continue
		}
		pid, err := strconv.Atoi(number)
		if err != nil {
			continue
		}
		if used, err := cpuOfProcess(pid); err == nil {
			times[name] += used
		}
	}
	return times, nil
}

// load is what the processes did in a time.
type load struct {
	cpu  cpuTimes
	took time.Duration
}

// underLoad measures what the processes do while do runs.
func underLoad(do func() error) (load, error) {
	before, err := readCPU()
	if err != nil {
		return load{}, err
	}
	began := time.Now()
	if err := do(); err != nil {
		return load{}, err
	}
	took := time.Since(began)
	after, err := readCPU()
	if err != nil {
		return load{}, err
	}
	for name := range after {
		after[name] -= before[name]
	}
	return load{after, took}, nil
}

// loadHead and row are the columns of a table: CPU milliseconds of each process for each of count
// things, and how many cores all of them kept busy.
func loadHead() (head, line string) {
	for _, name := range workers {
		head, line = head+" "+name+" |", line+"--:|"
	}
	return head + " cores busy |", line + "--:|"
}

func (l load) row(count int) string {
	text, sum := "", 0.0
	for _, name := range workers {
		text += fmt.Sprintf(" %.1f |", 1000*l.cpu[name]/float64(count))
		sum += l.cpu[name]
	}
	return text + fmt.Sprintf(" %.2f |", sum/l.took.Seconds())
}
