package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"golang.org/x/sync/errgroup"
)

// senderCommand makes this program send the bytes in a process of its own, whose CPU time is
// measured.
const senderCommand = "send"

// How parts are sent.
const (
	modeSigned   = "signed"   // minio-go as it is: on plain HTTP every chunk is signed
	modeUnsigned = "unsigned" // minio-go without hashes
	modeREST     = "rest"
	modeTus      = "tus"
)

// job is what a sender reads from its standard input.
type job struct {
	Mode                           string
	Pace                           float64 // MB/s of each upload; 0 for as fast as can be
	Down                           bool    // files are read
	Endpoint, AccessKey, SecretKey string  // of S3
	Token                          string  // of REST
	// Uploads get parts at once, each of them one part after the other, as tus wants it.
	Uploads []target
	Parts   int // of all uploads together
	Size    int // bytes of a part
}

// target is an open upload.
type target struct {
	URL string // of REST and tus
	Key string // of S3
	ID  string
}

// sent is what it prints.
type sent struct {
	Seconds    float64
	CPUSeconds float64
	PeakMiB    float64   // of the sender's resident memory
	Parts      []float64 // seconds that each part has taken, in no order
}

// put sends one part to the upload.
type put func(ctx context.Context, to target, number int) error

func runSender([]string) error {
	var j job
	if err := json.NewDecoder(os.Stdin).Decode(&j); err != nil {
		return err
	}
	send, err := j.putter()
	if err != nil {
		return err
	}
	var before, after syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &before); err != nil {
		return err
	}
	began := time.Now()
	result, err := j.sendAll(send)
	if err != nil {
		return err
	}
	result.Seconds = time.Since(began).Seconds()
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &after); err != nil {
		return err
	}
	result.CPUSeconds = cpuOf(after) - cpuOf(before)
	if result.PeakMiB, err = memoryOf(os.Getpid(), "VmHWM"); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(result)
}

func cpuOf(r syscall.Rusage) float64 {
	return time.Duration(r.Utime.Nano() + r.Stime.Nano()).Seconds()
}

// sendAll deals the parts out to the uploads: who is done with one takes the next.
func (j *job) sendAll(send put) (sent, error) {
	var result sent
	var mu sync.Mutex
	var taken atomic.Int64
	group, ctx := errgroup.WithContext(context.Background())
	for _, to := range j.Uploads {
		group.Go(func() error {
			for number := 1; taken.Add(1) <= int64(j.Parts); number++ {
				began := time.Now()
				if err := send(ctx, to, number); err != nil {
					return err
				}
				mu.Lock()
				result.Parts = append(result.Parts, time.Since(began).Seconds())
				mu.Unlock()
			}
			return nil
		})
	}
	return result, group.Wait()
}

// putter is how one part is sent.
func (j *job) putter() (put, error) {
	client := &http.Client{Transport: j.transport()}
	if j.Down {
		return j.getter(client)
	}
	switch j.Mode {
	case modeREST:
		return func(ctx context.Context, to target, number int) error {
			_, err := request(ctx, client, http.MethodPut, fmt.Sprintf("%s?part=%d", to.URL, number), j.body(), int64(j.Size), j.restHeader())
			return err
		}, nil
	case modeTus:
		return func(ctx context.Context, to target, number int) error {
			_, err := request(ctx, client, http.MethodPatch, to.URL, j.body(), int64(j.Size), map[string]string{
				"Content-Type": "application/offset+octet-stream", "Upload-Offset": fmt.Sprint((number - 1) * j.Size),
			})
			return err
		}, nil
	}
	core, err := newCore(j.Endpoint, j.AccessKey, j.SecretKey, client.Transport)
	if err != nil {
		return nil, err
	}
	opts := minio.PutObjectPartOptions{DisableContentSha256: j.Mode == modeUnsigned}
	return func(ctx context.Context, to target, number int) error {
		_, err := core.PutObjectPart(ctx, bucket, to.Key, to.ID, number, j.body(), int64(j.Size), opts)
		return err
	}, nil
}

func (j *job) restHeader() map[string]string {
	return map[string]string{"Authorization": "Bearer " + j.Token}
}

// pacedWrite is the size of a write of a sender that is paced, in bytes.
const pacedWrite = 16 << 10

// newTransport is the same for all senders, so that they differ by what they send alone.
func newTransport(connections int) *http.Transport {
	return &http.Transport{
		MaxIdleConnsPerHost: connections, WriteBufferSize: 256 << 10, DisableCompression: true,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, DynamicRecordSizingDisabled: true}, //nolint:gosec // of servers that this program has started
	}
}

// transport is newTransport, but that one that is paced makes small writes.
func (j *job) transport() *http.Transport {
	transport := newTransport(len(j.Uploads))
	if j.Pace > 0 {
		transport.WriteBufferSize = pacedWrite
	}
	return transport
}

// body is that of a part.
func (j *job) body() io.Reader {
	if j.Pace == 0 {
		return newBody(j.Size)
	}
	return &pacedBody{body: newBody(j.Size), perSecond: 1e6 * j.Pace}
}

// pacedBody gives its bytes at a steady rate.
type pacedBody struct {
	body      io.Reader
	perSecond float64
	began     time.Time
	given     float64
}

// Read implements io.Reader.
func (p *pacedBody) Read(b []byte) (int, error) {
	if p.began.IsZero() {
		p.began = time.Now()
	}
	time.Sleep(time.Until(p.began.Add(time.Duration(p.given / p.perSecond * float64(time.Second)))))
	n, err := p.body.Read(b[:min(len(b), pacedWrite)])
	p.given += float64(n)
	return n, err
}

func newCore(endpoint, access, secret string, transport http.RoundTripper) (*minio.Core, error) {
	_, host, _ := strings.Cut(endpoint, "://")
	return minio.NewCore(host, &minio.Options{
		Secure: strings.HasPrefix(endpoint, "https:"),
		Creds:  credentials.NewStaticV4(access, secret, ""), Region: region, BucketLookup: minio.BucketLookupPath, MaxRetries: 1, Transport: transport,
	})
}

// request sends one request and returns the header of its answer, which has to be a success.
func request(ctx context.Context, client *http.Client, method, url string, body io.Reader, size int64, header map[string]string) (http.Header, error) {
	res, err := exchange(ctx, client, method, url, body, size, header)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	_, err = io.Copy(io.Discard, res.Body)
	return res.Header, err
}

// exchange sends one request and returns its answer, which has to be a success. The caller closes
// the body.
func exchange(ctx context.Context, client *http.Client, method, url string, body io.Reader, size int64, header map[string]string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return nil, err
	}
	req.ContentLength = size
	if method == http.MethodPatch || method == http.MethodPost || method == http.MethodDelete {
		req.Header.Set("Tus-Resumable", "1.0.0")
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	res, err := client.Do(req)
	if err != nil || res.StatusCode/100 == 2 {
		return res, err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	return nil, errors.New(res.Status + ": " + string(text))
}

// get reads a page, which has to be a success.
func get(ctx context.Context, client *http.Client, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = errors.New(res.Status + ": " + string(text))
	}
	return text, err
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
