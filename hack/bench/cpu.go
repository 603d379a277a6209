package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"github.com/minio/minio-go/v7"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

const entity = "0123456789abcdef0123456789abcdef"

// row is one way of the bytes to the store.
type row struct {
	name         string
	cpu, seconds []float64 // of each round
}

// measureCPU sends the same bytes in three ways, in turn, and prints the CPU time of whoever sent or forwarded them.
func measureCPU(ctx context.Context, system *devcluster.System, s settings) error {
	rows := []*row{{name: "minio-go straight to the store, its default (chunk-signed)"}, {name: "minio-go straight to the store, unsigned"}, {name: "through the operator, trailing CRC64NVME"}}
	for round := range s.rounds {
		for i, mode := range []string{"signed", "unsigned"} {
			result, err := sendDirect(ctx, system, s, mode, round)
			if err != nil {
				return fmt.Errorf("%s: %w", mode, err)
			}
			rows[i].cpu, rows[i].seconds = append(rows[i].cpu, result.CPUSeconds), append(rows[i].seconds, result.Seconds)
		}
		result, err := sendThrough(ctx, system, s, round)
		if err != nil {
			return fmt.Errorf("operator: %w", err)
		}
		rows[2].cpu, rows[2].seconds = append(rows[2].cpu, result.CPUSeconds), append(rows[2].seconds, result.Seconds)
	}
	gib := float64(s.mebibyte) / 1024
	fmt.Printf("\n%s: %d MiB in parts of %d MiB, %d at once; median of %d rounds\n\n", s.store, s.mebibyte, s.part, s.parallel, s.rounds)
	fmt.Printf("| way | CPU-s/GiB of sender or forwarder | × direct, default | MB/s | × direct, default |\n|---|---|---|---|---|\n")
	base, baseRate := median(rows[0].cpu)/gib, float64(s.mebibyte)*1.048576/median(rows[0].seconds)
	for _, r := range rows {
		cpu, rate := median(r.cpu)/gib, float64(s.mebibyte)*1.048576/median(r.seconds)
		fmt.Printf("| %s | %.2f | %.2f | %.0f | %.2f |\n", r.name, cpu, cpu/base, rate, rate/baseRate)
	}
	return nil
}

// sendDirect has a process of its own send the bytes to the store.
func sendDirect(ctx context.Context, system *devcluster.System, s settings, mode string, round int) (sent, error) {
	store := system.ObjectStore
	core, err := newCore(store.Endpoint, store.AccessKey, store.SecretKey)
	if err != nil {
		return sent{}, err
	}
	key := fmt.Sprintf("bench/%s-%d", mode, round)
	id, err := core.NewMultipartUpload(ctx, devcluster.Bucket, key, minio.PutObjectOptions{})
	if err != nil {
		return sent{}, err
	}
	defer func() { _ = core.AbortMultipartUpload(ctx, devcluster.Bucket, key, id) }()
	return send(ctx, system, s, "-mode="+mode, "-url="+store.Endpoint, "-bucket="+devcluster.Bucket, "-key="+key, "-upload-id="+id)
}

// sendThrough has the same process send them through the operator, whose CPU time is taken instead of the sender's.
func sendThrough(ctx context.Context, system *devcluster.System, s settings, round int) (sent, error) {
	url := fmt.Sprintf("%s/api/iotfile/v3/files/%s/bench-%d", system.URL, entity, round)
	if err := putPart(ctx, http.DefaultClient, url+"?upload=start", http.NoBody, 0); err != nil {
		return sent{}, err
	}
	defer func() { _ = putPart(ctx, http.DefaultClient, url+"?upload=abort", http.NoBody, 0) }()
	before, err := cpuOfProcess(system.Operator.PID())
	if err != nil {
		return sent{}, err
	}
	result, err := send(ctx, system, s, "-mode=http", "-url="+url)
	if err != nil {
		return sent{}, err
	}
	after, err := cpuOfProcess(system.Operator.PID())
	result.CPUSeconds = after - before
	return result, err
}

func send(ctx context.Context, system *devcluster.System, s settings, args ...string) (sent, error) {
	self, err := os.Executable()
	if err != nil {
		return sent{}, err
	}
	args = append([]string{senderCommand}, args...)
	args = append(args, "-parts="+strconv.Itoa(s.mebibyte/s.part), "-size="+strconv.Itoa(s.part<<20), "-parallel="+strconv.Itoa(s.parallel))
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Env = append(os.Environ(), "BENCH_ACCESS_KEY="+system.ObjectStore.AccessKey, "BENCH_SECRET_KEY="+system.ObjectStore.SecretKey)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return sent{}, err
	}
	var result sent
	return result, json.Unmarshal(out, &result)
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

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
