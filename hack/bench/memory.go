package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// measureMemory streams 32 parts of 64 MiB at once through the operator and prints its resident memory before, at the peak, and after.
func measureMemory(ctx context.Context, system *devcluster.System, s settings) error {
	const parts, size = 32, 64 << 20
	url := fmt.Sprintf("%s/api/iotfile/v3/files/%s/memory", system.URL, entity)
	if err := putPart(ctx, http.DefaultClient, url+"?upload=start", http.NoBody, 0); err != nil {
		return err
	}
	defer func() { _ = putPart(ctx, http.DefaultClient, url+"?upload=abort", http.NoBody, 0) }()
	pid := system.Operator.PID()
	before, err := memoryOf(pid, "VmRSS")
	if err != nil {
		return err
	}
	var inFlight int
	watched, stop := context.WithCancel(ctx)
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		for watched.Err() == nil {
			inFlight = max(inFlight, partsInFlight(watched, system))
			time.Sleep(50 * time.Millisecond)
		}
	}()
	client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: parts}}
	group, sending := errgroup.WithContext(ctx)
	for n := 1; n <= parts; n++ {
		group.Go(func() error { return putPart(sending, client, fmt.Sprintf("%s?part=%d", url, n), newBody(size), size) })
	}
	err = group.Wait()
	stop()
	<-watching
	if err != nil {
		return err
	}
	peak, err := memoryOf(pid, "VmHWM")
	if err != nil {
		return err
	}
	after, err := memoryOf(pid, "VmRSS")
	if err != nil {
		return err
	}
	fmt.Printf("\n%s: %d parts of %d MiB at once (%d seen in flight in the operator)\n\n", s.store, parts, size>>20, inFlight)
	fmt.Printf("| operator's resident memory | MiB |\n|---|---|\n| before | %.0f |\n| peak (VmHWM) | %.0f |\n| after | %.0f |\n| bytes of all parts | %d |\n",
		before, peak, after, parts*size>>20)
	return nil
}

// memoryOf is a value of /proc/PID/status in MiB.
func memoryOf(pid int, name string) (float64, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(data)) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			kib, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 64)
			return kib / 1024, err
		}
	}
	return 0, fmt.Errorf("no %s in the status of process %d", name, pid)
}

// partsInFlight reads the operator's own gauge; 0 if it cannot.
func partsInFlight(ctx context.Context, system *devcluster.System) int {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, system.Operator.MetricsURL+"/metrics", nil)
	if err != nil {
		return 0
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "iotfile_parts_in_flight "); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err == nil {
				return int(n)
			}
		}
	}
	return 0
}
