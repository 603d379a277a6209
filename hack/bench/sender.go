package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"golang.org/x/sync/errgroup"
)

// senderCommand makes this program send the bytes in a process of its own, whose CPU time is measured.
const senderCommand = "send"

// sent is what a sender prints as JSON.
type sent struct {
	Seconds    float64 `json:"seconds"`
	CPUSeconds float64 `json:"cpuSeconds"`
}

// sender sends parts to one upload.
type sender struct {
	mode, url               string
	bucket, key, id, secret string
	access                  string
	parts, size, parallel   int
}

func runSender(args []string) error {
	var s sender
	flags := flag.NewFlagSet(senderCommand, flag.ContinueOnError)
	flags.StringVar(&s.mode, "mode", "", "http, signed or unsigned")
	flags.StringVar(&s.url, "url", "", "of the file, or of the store")
	flags.StringVar(&s.bucket, "bucket", "", "")
	flags.StringVar(&s.key, "key", "", "")
	flags.StringVar(&s.id, "upload-id", "", "")
	flags.IntVar(&s.parts, "parts", 0, "")
	flags.IntVar(&s.size, "size", 0, "bytes of a part")
	flags.IntVar(&s.parallel, "parallel", 1, "")
	if err := flags.Parse(args); err != nil {
		return err
	}
	s.access, s.secret = os.Getenv("BENCH_ACCESS_KEY"), os.Getenv("BENCH_SECRET_KEY")
	put, err := s.putter()
	if err != nil {
		return err
	}
	var before, after syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &before); err != nil {
		return err
	}
	began := time.Now()
	group, ctx := errgroup.WithContext(context.Background())
	group.SetLimit(s.parallel)
	for n := 1; n <= s.parts; n++ {
		group.Go(func() error { return put(ctx, n, newBody(s.size)) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	elapsed := time.Since(began)
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &after); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(sent{Seconds: elapsed.Seconds(), CPUSeconds: cpuOf(after) - cpuOf(before)})
}

func cpuOf(r syscall.Rusage) float64 {
	return time.Duration(r.Utime.Nano() + r.Stime.Nano()).Seconds()
}

// putter is how one part is sent.
func (s *sender) putter() (func(ctx context.Context, number int, body io.Reader) error, error) {
	if s.mode == "http" {
		client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: s.parallel, WriteBufferSize: 256 << 10}}
		return func(ctx context.Context, number int, body io.Reader) error {
			return putPart(ctx, client, fmt.Sprintf("%s?part=%d", s.url, number), body, int64(s.size))
		}, nil
	}
	core, err := newCore(s.url, s.access, s.secret)
	if err != nil {
		return nil, err
	}
	opts := minio.PutObjectPartOptions{DisableContentSha256: s.mode == "unsigned"}
	return func(ctx context.Context, number int, body io.Reader) error {
		_, err := core.PutObjectPart(ctx, s.bucket, s.key, s.id, number, body, int64(s.size), opts)
		return err
	}, nil
}

func newCore(endpoint, access, secret string) (*minio.Core, error) {
	return minio.NewCore(strings.TrimPrefix(endpoint, "http://"), &minio.Options{
		Creds: credentials.NewStaticV4(access, secret, ""), Region: "us-east-1", BucketLookup: minio.BucketLookupPath, MaxRetries: 1,
	})
}

// putPart sends a part over the REST API.
func putPart(ctx context.Context, client *http.Client, url string, body io.Reader, size int64) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, url, body)
	if err != nil {
		return err
	}
	req.ContentLength = size
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode/100 != 2 {
		return errors.New(res.Status + ": " + string(text))
	}
	return nil
}

// noise is random, so that nothing on the way can make it small.
var noise = func() []byte {
	b := make([]byte, 1<<20)
	_, _ = rand.Read(b)
	return b
}()

// newBody is size bytes of noise that cost the sender next to nothing.
func newBody(size int) io.Reader {
	readers := make([]io.Reader, 0, size/len(noise)+1)
	for left := size; left > 0; left -= len(noise) {
		readers = append(readers, bytes.NewReader(noise[:min(left, len(noise))]))
	}
	return io.MultiReader(readers...)
}
