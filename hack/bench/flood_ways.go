package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"
)

const (
	// partConnections send parts, one after the other without a pause.
	partConnections = 64
	// startConnections open uploads and abort them.
	startConnections = 32
	// slowConnections each send slowBytes a second of a body of slowLength, and begin anew
	// slowPause after an answer.
	slowConnections = 300
	slowBytes       = 4
	slowLength      = 1 << 30
	slowPause       = 100 * time.Millisecond
)

// flood is a tenant that takes all that it can get. It heeds no Retry-After.
type flood struct {
	tenant *tenant
	way    func(*flood, context.Context) ([]func(context.Context), error)
	// ended is called at the end; nil for nothing.
	ended func()

	mu      sync.Mutex
	answers map[string]int // by status
}

// newFlood floods in a way, which gives what is to be repeated side by side.
func newFlood(t *tenant, way func(*flood, context.Context) ([]func(context.Context), error)) *flood {
	return &flood{tenant: t, way: way, answers: map[string]int{}}
}

// begin starts the flood. stop ends it and returns when the last connection has ended.
func (f *flood) begin(ctx context.Context) (stop func() error, err error) {
	repeated, err := f.way(f, ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	for _, once := range repeated {
		group.Go(func() {
			for ctx.Err() == nil {
				once(ctx)
			}
		})
	}
	return func() error {
		cancel()
		group.Wait()
		if f.ended != nil {
			f.ended()
		}
		f.tenant.client.CloseIdleConnections()
		if len(f.answers) == 0 {
			return errors.New("the flood got no answer at all")
		}
		return nil
	}, nil
}

// count notes an answer. What the end of the flood has cut off does not count.
func (f *flood) count(ctx context.Context, what string) {
	if ctx.Err() != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answers[what]++
}

func (f *flood) put(ctx context.Context, kind, url string, body []byte) {
	status, _, err := f.tenant.send(ctx, http.MethodPut, url, body, nil)
	if err != nil {
		f.count(ctx, kind+" cut off")
		return
	}
	f.count(ctx, fmt.Sprintf("%s %d", kind, status))
}

// open starts an upload for the flood to send to. It stays open.
func (f *flood) open(ctx context.Context, name string) (at string, err error) {
	at = f.tenant.url + "/" + rand.Text() + "/" + name
	_, err = request(ctx, f.tenant.client, http.MethodPut, at+"?upload=start", http.NoBody, 0, f.tenant.header)
	return at, err
}

// parts replaces the same parts again and again: the disk does not fill.
func (f *flood) parts(ctx context.Context) ([]func(context.Context), error) {
	at, err := f.open(ctx, "parts.bin")
	if err != nil {
		return nil, err
	}
	var all []func(context.Context)
	for number := range partConnections {
		to := fmt.Sprintf("%s?part=%d", at, number+1)
		all = append(all, func(ctx context.Context) { f.put(ctx, "part", to, partBody) })
	}
	return all, nil
}

// straight is parts without the operator: what of the neighbour's delay is the store's and the
// machine's.
func (f *flood) straight(ctx context.Context, s *store) ([]func(context.Context), error) {
	core, err := newCore(s.endpoint, s.accessKey, s.secretKey, f.tenant.client.Transport)
	if err != nil {
		return nil, err
	}
	const key = "straight.bin"
	id, err := core.NewMultipartUpload(ctx, bucket, key, minio.PutObjectOptions{})
	if err != nil {
		return nil, err
	}
	var all []func(context.Context)
	for number := range partConnections {
		all = append(all, func(ctx context.Context) {
			_, err := core.PutObjectPart(ctx, bucket, key, id, number+1, bytes.NewReader(partBody), floodPart, minio.PutObjectPartOptions{DisableContentSha256: true})
			if err != nil {
				f.count(ctx, "part failed")
				return
			}
			f.count(ctx, "part stored")
		})
	}
	return all, nil
}

// starts opens uploads and aborts them.
func (f *flood) starts(context.Context) ([]func(context.Context), error) {
	var all []func(context.Context)
	for worker := range startConnections {
		number := 0
		all = append(all, func(ctx context.Context) {
			number++
			at := fmt.Sprintf("%s/starts/%d-%d.bin", f.tenant.url, worker, number)
			f.put(ctx, "start", at+"?upload=start", nil)
			f.put(ctx, "abort", at+"?upload=abort", nil)
		})
	}
	return all, nil
}

// slowBodies holds places.
func (f *flood) slowBodies(ctx context.Context) ([]func(context.Context), error) {
	at, err := f.open(ctx, "slow.bin")
	if err != nil {
		return nil, err
	}
	var all []func(context.Context)
	for number := range slowConnections {
		to, err := url.Parse(fmt.Sprintf("%s?part=%d", at, number+1))
		if err != nil {
			return nil, err
		}
		all = append(all, func(ctx context.Context) {
			if status, err := f.trickle(ctx, to); err != nil {
				f.count(ctx, "part cut off")
			} else {
				f.count(ctx, "part "+status)
			}
			_ = sleep(ctx, slowPause)
		})
	}
	return all, nil
}

// trickle sends a body slowly until it is answered, and returns the status.
func (f *flood) trickle(ctx context.Context, to *url.URL) (status string, err error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", to.Host)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	_, err = fmt.Fprintf(conn, "PUT %s HTTP/1.1\r\nHost: %s\r\nAuthorization: %s\r\nContent-Length: %d\r\n\r\n", to.RequestURI(), to.Host, f.tenant.header["Authorization"], slowLength)
	answer := bufio.NewReader(conn)
	for err == nil && ctx.Err() == nil {
		if _, err = conn.Write(noise[:slowBytes]); err != nil {
			break
		}
		if err = conn.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			break
		}
		var line []byte
		if line, err = answer.Peek(len("HTTP/1.1 200")); err == nil {
			return string(line[len(line)-3:]), nil
		}
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			err = nil
		}
	}
	return "", errors.Join(err, ctx.Err())
}
