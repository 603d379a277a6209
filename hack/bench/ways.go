package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

const entity = "0123456789abcdef0123456789abcdef"

// way is one way of the bytes to a store.
type way struct {
	name, label string
	mode        string // of the sender
	// start starts what stands in front of the store; nil for nothing.
	start func(ctx context.Context, b *testbed, s *store) (*forwarder, error)
	// overTLS: what stands in front of the store can speak TLS, as far as it is started here.
	overTLS bool
}

// base is the way whose throughput is 1. It hashes nothing: what minio-go does over TLS, too.
const base = "unsigned"

// ways in the order in which they are shown.
var ways = []way{
	{"unsigned", "straight to the store, minio-go unsigned", modeUnsigned, nil, true},
	{"signed", "straight to the store, minio-go default (signed chunks)", modeSigned, nil, false},
	{"splice", "floor: HTTP/1.1 forwarder on splice(2), sees no byte", modeUnsigned, startSplice, false},
	{"ours", "iotfile-operator, REST with a token, trailing CRC64NVME", modeREST, startOurs, true},
	{"versitygw", "versitygw as S3 proxy, no checksum, client unsigned", modeUnsigned, startVersityGW, true},
	{"nginx", "nginx, proxy_request_buffering off, sees no byte", modeUnsigned, startNginx, true},
	{"haproxy", "haproxy, sees no byte", modeUnsigned, startHAProxy, true},
	{"tusd", "tusd, S3 store, default", modeTus, startTusd(), true},
	{"tusd-fast", "tusd, S3 store, content hashes off", modeTus, startTusd("-s3-disable-content-hashes"), true},
}

// carries reports whether such traffic can take the way.
func (w way) carries(t traffic) bool {
	return (t.tls == "" || w.overTLS) && (!t.down || w.mode != modeTus)
}

func wayNames() []string {
	names := make([]string, 0, len(ways))
	for _, w := range ways {
		names = append(names, w.name)
	}
	return names
}

func startSplice(ctx context.Context, b *testbed, s *store) (*forwarder, error) {
	return startSelf(ctx, b.dir, spliceCommand, s.host())
}

// startOurs starts nothing: the operator runs, and the namespace chooses the store. The sender is a
// service account of that namespace.
func startOurs(ctx context.Context, b *testbed, s *store) (*forwarder, error) {
	token, err := b.system.ControlPlane.ApplicationToken(ctx, s.name, "bench", 24*time.Hour)
	return &forwarder{
		url: b.system.URL + "/namespaces/" + s.name + "/api/iotfile/v3/files/" + entity, token: token, pid: b.system.Operator.PID(),
		stop: func() error { return nil },
	}, err
}

// startVersityGW starts a gateway that can only send unsigned bodies on: over plain HTTP its SDK
// would have to read each twice otherwise.
func startVersityGW(ctx context.Context, b *testbed, s *store) (*forwarder, error) {
	path, err := devcluster.FindTool(ctx, os.Stderr, devcluster.VersityGW)
	if err != nil {
		return nil, err
	}
	return b.startForeign(ctx, path, func(port string) []string {
		return slices.Concat([]string{"--port=127.0.0.1:" + port, "--region=" + region, "--keep-alive", "--quiet"}, b.certFlagsIn("--cert=", "--key="), []string{
			"s3", "--endpoint=" + s.endpoint, "--region=" + region, "--use-path-style", "--disable-checksum", "--disable-data-integrity-check", "--ssl-skip-verify",
		})
	}, "ROOT_ACCESS_KEY="+s.accessKey, "ROOT_SECRET_KEY="+s.secretKey, "VGW_S3_ACCESS_KEY="+s.accessKey, "VGW_S3_SECRET_KEY="+s.secretKey)
}

// startTusd starts a tusd that sends each request on as one part, and as many at once as come. Its
// temporary files lie in the testbed's directory.
func startTusd(flags ...string) func(ctx context.Context, b *testbed, s *store) (*forwarder, error) {
	return func(ctx context.Context, b *testbed, s *store) (*forwarder, error) {
		path, err := devcluster.FindTool(ctx, os.Stderr, devcluster.Tusd)
		if err != nil {
			return nil, err
		}
		f, err := b.startForeign(ctx, path, func(port string) []string {
			return slices.Concat([]string{
				"-host=127.0.0.1", "-port=" + port, "-base-path=/files/", "-verbose=false", "-show-startup-logs=false", "-s3-bucket=" + bucket, "-s3-endpoint=" + s.endpoint,
				"-s3-part-size=" + strconv.Itoa(b.partBytes), "-s3-concurrent-part-uploads=64",
			}, b.certFlagsIn("-tls-certificate=", "-tls-key="), flags)
		}, "AWS_ACCESS_KEY_ID="+s.accessKey, "AWS_SECRET_ACCESS_KEY="+s.secretKey, "AWS_REGION="+region, "SSL_CERT_FILE="+filepath.Join(b.cert, devcluster.ServingCAFile))
		if f != nil {
			f.url += "/files/"
		}
		return f, err
	}
}

// anyServer is a client of servers on loopback.
var anyServer = &http.Client{Transport: newTransport(1)}

// opened are uploads that a sender can send to, and the way to give them up. They are never
// completed: their parts are what is measured.
type opened struct {
	job
	aborts []func(context.Context)
}

// open opens count uploads in front of f, or of the store if that is nil: for downloads, it makes
// count files of so many bytes.
func (w way) open(ctx context.Context, s *store, f *forwarder, t traffic, count, size, bytes int) (*opened, error) {
	if f == nil {
		f = &forwarder{url: s.endpoint}
	}
	url := f.url
	o := &opened{job: job{Mode: w.mode, Pace: t.pace, Down: t.down, Endpoint: url, AccessKey: s.accessKey, SecretKey: s.secretKey, Token: f.token}}
	openOne := map[string]func(context.Context, string, int, int) error{modeREST: o.openREST, modeTus: o.openTus}[w.mode]
	if openOne == nil {
		openOne = o.openS3
	}
	if t.down {
		bytes, openOne = size, o.makeS3
		if w.mode == modeREST {
			openOne = o.makeREST
		}
	}
	for i := range count {
		if err := openOne(ctx, url, i, bytes); err != nil {
			return nil, err
		}
	}
	return o, nil
}

func (o *opened) openS3(ctx context.Context, url string, i, _ int) error {
	core, err := newCore(url, o.AccessKey, o.SecretKey, newTransport(1))
	if err != nil {
		return err
	}
	key := fmt.Sprintf("direct/%d", i)
	id, err := core.NewMultipartUpload(ctx, bucket, key, minio.PutObjectOptions{})
	o.add(target{Key: key, ID: id}, func(ctx context.Context) { _ = core.AbortMultipartUpload(ctx, bucket, key, id) })
	return err
}

func (o *opened) openREST(ctx context.Context, url string, i, _ int) error {
	url = fmt.Sprintf("%s/%d", url, i)
	_, err := request(ctx, anyServer, http.MethodPut, url+"?upload=start", http.NoBody, 0, o.restHeader())
	o.add(target{URL: url}, func(ctx context.Context) {
		_, _ = request(ctx, anyServer, http.MethodPut, url+"?upload=abort", http.NoBody, 0, o.restHeader())
	})
	return err
}

func (o *opened) makeS3(ctx context.Context, url string, i, bytes int) error {
	core, err := newCore(url, o.AccessKey, o.SecretKey, newTransport(1))
	if err != nil {
		return err
	}
	key := fmt.Sprintf("direct/down-%d", i)
	_, err = core.PutObject(ctx, bucket, key, newBody(bytes), int64(bytes), "", "", minio.PutObjectOptions{DisableContentSha256: true})
	o.add(target{Key: key}, func(ctx context.Context) { _ = core.RemoveObject(ctx, bucket, key, minio.RemoveObjectOptions{}) })
	return err
}

func (o *opened) makeREST(ctx context.Context, url string, i, bytes int) error {
	url = fmt.Sprintf("%s/down-%d", url, i)
	_, err := request(ctx, anyServer, http.MethodPut, url, newBody(bytes), int64(bytes), o.restHeader())
	o.add(target{URL: url}, func(ctx context.Context) {
		_, _ = request(ctx, anyServer, http.MethodDelete, url, http.NoBody, 0, o.restHeader())
	})
	return err
}

// openTus announces one byte more than will be sent, so that the upload stays open.
func (o *opened) openTus(ctx context.Context, url string, _, bytes int) error {
	header, err := request(ctx, anyServer, http.MethodPost, url, io.Reader(http.NoBody), 0, map[string]string{"Upload-Length": strconv.Itoa(bytes + 1)})
	if err != nil {
		return err
	}
	location := header.Get("Location")
	o.add(target{URL: location}, func(ctx context.Context) {
		_, _ = request(ctx, anyServer, http.MethodDelete, location, http.NoBody, 0, nil)
	})
	return nil
}

func (o *opened) add(to target, abort func(context.Context)) {
	o.Uploads = append(o.Uploads, to)
	o.aborts = append(o.aborts, abort)
}

// abort gives all uploads up, at once: the operator takes the better part of a second for each,
// in which parts that are late arrive. It does its best: all of it goes with the testbed.
func (o *opened) abort(ctx context.Context) {
	var aborting sync.WaitGroup
	for _, abort := range o.aborts {
		aborting.Go(func() { abort(ctx) })
	}
	aborting.Wait()
}
