package main

import (
	"context"
	"fmt"
	"time"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/s3"
)

// latencyWay is a way of one part, to an upload of its own, over connections that stay open.
type latencyWay struct {
	label string
	send  func(ctx context.Context, number int) error
	times latencies
	cpu   float64 // seconds that the operator has taken meanwhile
}

// measureLatency sends single parts through the operator and straight to the store, in turn, and
// prints how long each takes.
func measureLatency(ctx context.Context, b *testbed, s settings) error {
	parts := s.mebibyte / s.part
	fmt.Printf("\n%s; load average %s. %d parts of %d MiB each way, one at a time, all ways in turn, connections warm.\n\n", machine(), loadAverage(), parts, s.part)
	fmt.Println("| store | way | p50 | p99 | p50 × unsigned | p50 × same payload mode | operator CPU |\n|---|---|--:|--:|--:|--:|--:|")
	for _, st := range b.stores {
		if err := latencyOf(ctx, b, st, s.part<<20, parts); err != nil {
			return fmt.Errorf("%s: %w", st.name, err)
		}
	}
	if err := refusalCost(ctx, b); err != nil {
		return err
	}
	return partOverhead(ctx)
}

func latencyOf(ctx context.Context, b *testbed, st *store, size, parts int) error {
	ways, err := latencyWays(ctx, b, st, size)
	if err != nil {
		return err
	}
	warm := parts/10 + 1
	for i := range warm + parts {
		if i == warm {
			for _, w := range ways {
				w.times, w.cpu = nil, 0
			}
		}
		for at := range ways {
			w := ways[(at+i)%len(ways)] // so that none always comes after the same
			if err := w.measure(ctx, b.system.Operator.PID(), i%20+1); err != nil {
				return fmt.Errorf("%s: %w", w.label, err)
			}
		}
	}
	for i, w := range ways {
		spent := "–"
		if i == 0 {
			spent = fmt.Sprintf("%.2f ms", 1000*w.cpu/float64(parts))
		}
		p50 := percentile(w.times, 50)
		fmt.Printf("| %s | %s | %.2f ms | %.2f ms | %s | %s | %s |\n", st.name, w.label, 1000*p50, 1000*percentile(w.times, 99),
			ratio(p50, percentile(ways[2].times, 50)), ratio(p50, percentile(ways[1].times, 50)), spent)
	}
	return nil
}

// measure sends one part. The operator's CPU is read around it: only its own way has work for it.
func (w *latencyWay) measure(ctx context.Context, operator, number int) error {
	before, err := cpuOfProcess(operator)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := w.send(ctx, number); err != nil {
		return err
	}
	w.times = append(w.times, time.Since(began).Seconds())
	after, err := cpuOfProcess(operator)
	w.cpu += after - before
	return err
}

// latencyWays are the operator, the same payload mode straight to the store, and plain unsigned
// bodies straight to the store.
func latencyWays(ctx context.Context, b *testbed, st *store, size int) ([]*latencyWay, error) {
	front, err := startOurs(ctx, b, st)
	if err != nil {
		return nil, err
	}
	rest, err := wayOf("ours").open(ctx, st, front, traffic{}, 1, size, 0)
	if err != nil {
		return nil, err
	}
	straight, err := wayOf("unsigned").open(ctx, st, nil, traffic{}, 2, size, 0)
	if err != nil {
		return nil, err
	}
	rest.Size, straight.Size = size, size
	ours, err := rest.putter()
	if err != nil {
		return nil, err
	}
	unsigned, err := straight.putter()
	if err != nil {
		return nil, err
	}
	trailing, err := s3.New(filestore.Config{
		Name: st.name, Endpoint: st.endpoint, Region: region, Bucket: bucket, PayloadMode: v1alpha1.PayloadTrailingCRC64NVME,
		Credentials: &filestore.Credentials{AccessKeyID: st.accessKey, SecretAccessKey: st.secretKey},
	})
	if err != nil {
		return nil, err
	}
	ref := filestore.UploadRef{Key: straight.Uploads[1].Key, UploadID: straight.Uploads[1].ID}
	return []*latencyWay{
		{label: "iotfile-operator, trailing CRC64NVME", send: func(ctx context.Context, number int) error { return ours(ctx, rest.Uploads[0], number) }},
		{label: "straight, minio-go with the same trailing CRC64NVME", send: func(ctx context.Context, number int) error {
			_, err := trailing.PutPart(ctx, ref, int32(number), newBody(size), int64(size)) //nolint:gosec // at most 20
			return err
		}},
		{label: "straight, minio-go unsigned", send: func(ctx context.Context, number int) error { return unsigned(ctx, straight.Uploads[0], number) }},
	}, nil
}

func wayOf(name string) way {
	for _, w := range ways {
		if w.name == name {
			return w
		}
	}
	return way{}
}
