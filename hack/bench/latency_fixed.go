package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// refusals is how many parts are sent that are refused for their size: after authentication,
// authorisation and look-up, before a byte is read.
const refusals = 3000

// refusalCost has the operator refuse parts that are too small, and prints what one costs it.
func refusalCost(ctx context.Context, b *testbed) error {
	t, err := b.tenant(ctx, "refused", 1)
	if err != nil {
		return err
	}
	if _, err := request(ctx, t.client, http.MethodPut, t.url+"/a?upload=start", http.NoBody, 0, t.header); err != nil {
		return err
	}
	fmt.Println("\n| a part that is refused for its size | p50 | p99 | operator CPU |\n|---|--:|--:|--:|")
	return t.refuse(ctx, b.system.Operator, t.url+"/a", []byte("x"), "a few uploads in the cache")
}

// refuse sends parts that are too small to an open upload, and prints a row.
func (t *tenant) refuse(ctx context.Context, o *devcluster.Operator, url string, body []byte, name string) error {
	var times latencies
	cpu := 0.0
	for i := range refusals + refusals/10 {
		if i == refusals/10 {
			used, err := cpuOfProcess(o.PID())
			if err != nil {
				return err
			}
			cpu, times = used, nil
		}
		began := time.Now()
		status, _, err := t.send(ctx, http.MethodPut, url+"?part=1", body, nil)
		if err != nil || status != http.StatusBadRequest {
			return errors.Join(fmt.Errorf("a part that is too small gets %d", status), err)
		}
		times = append(times, time.Since(began).Seconds())
	}
	used, err := cpuOfProcess(o.PID())
	if err != nil {
		return err
	}
	fmt.Printf("| %s | %.3f ms | %.3f ms | %.0f µs |\n", name, 1000*percentile(times, 50), 1000*percentile(times, 99), 1e6*(used-cpu)/refusals)
	return nil
}

var overheadLine = regexp.MustCompile(`BenchmarkPartOverhead\S*\s.*?(\d+)(?:\.\d+)? cpu-ns/op\s+(\d+) B/op\s+(\d+) allocs/op`)

// partOverhead runs BenchmarkPartOverhead: all that a part costs in the process but its bytes, with
// 100,000 uploads in the cache.
func partOverhead(ctx context.Context) error {
	root, err := devcluster.ModuleRoot()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "test", "-trimpath", "-run=^$", "-bench=^BenchmarkPartOverhead$", "-benchmem", "./internal/dataplane")
	cmd.Dir, cmd.Stderr = root, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("BenchmarkPartOverhead: %w\n%s", err, out)
	}
	found := overheadLine.FindStringSubmatch(string(out))
	if found == nil {
		return fmt.Errorf("BenchmarkPartOverhead says %q", out)
	}
	fmt.Print("\n| BenchmarkPartOverhead: a part but its bytes, 100,000 open uploads in the cache | CPU | allocated | allocations |\n|---|--:|--:|--:|\n")
	fmt.Printf("| in the process, without sockets and tokens | %s ns | %s B | %s |\n", found[1], found[2], found[3])
	return nil
}
