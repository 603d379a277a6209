package dataplane_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane"
	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/memory"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/s3"
	"github.com/iotfile-operator/iotfile-operator/internal/progress"
)

// TestProgress: parts that have landed soon show in the status, at few listings, and the last word
// is the reconciler's.
func TestProgress(t *testing.T) {
	store := memory.New(memory.Options{MinPartSize: -1})
	s := newSystem(t, setup{store: store, options: func(o *dataplane.Options) { o.ProgressInterval = 2 * time.Second }})
	s.want(s.put(s.path("x?upload=start"), nil), 201)
	recorded := func(parts int32, display string) {
		t.Helper()
		s.eventually("recorded", func() error {
			p := s.records()[0].Status.Progress
			if p == nil || *p.Parts != parts || p.DisplayBytes != display || p.LastPartTime == nil {
				return fmt.Errorf("progress is %+v", p)
			}
			return nil
		})
	}
	s.want(s.put(s.path("x?part=1"), randomBytes(1<<20)), 201)
	recorded(1, "1 MiB")
	for i := 2; i <= 20; i++ {
		s.want(s.put(fmt.Sprintf("%s?part=%d", s.path("x"), i), randomBytes(1<<20)), 201)
	}
	recorded(20, "20 MiB")
	if n := store.Calls(memory.ListParts); n > 10 {
		t.Errorf("%d listings for 20 parts", n)
	}
	u := s.records()[0]
	for _, f := range u.ManagedFields {
		if f.Manager == progress.FieldManager && (f.Subresource != "status" || strings.Contains(f.FieldsV1.String(), "f:uploadID")) {
			t.Errorf("%s owns more than the progress: %s", f.Manager, f.FieldsV1)
		}
	}
	s.want(s.put(s.path("x?upload=complete"), []byte("last")), 201)
	recorded(21, "20 MiB")
	if p := s.records()[0].Status.Progress; *p.Bytes != 20<<20+4 {
		t.Errorf("the final progress has %d bytes", *p.Bytes)
	}
}

// TestProgressOfSuccessor: a mark of an upload that has ended does not touch the next one of the
// same name.
func TestProgressOfSuccessor(t *testing.T) {
	s := newSystem(t, setup{options: func(o *dataplane.Options) { o.ProgressDelay = 700 * time.Millisecond }})
	s.started("x")
	s.want(s.put(s.path("x?upload=abort"), nil), 204)
	s.want(s.put(s.path("x?upload=start"), nil), 201)
	time.Sleep(1500 * time.Millisecond) // the mark has come due
	if p := s.records()[0].Status.Progress; p != nil && p.Parts != nil && *p.Parts != 0 {
		t.Errorf("the new upload has %+v", p)
	}
}

// TestShutdown: not ready first, parts in flight end, new ones are not taken; what outlasts the
// grace period is cut and leaves nothing.
func TestShutdown(t *testing.T) {
	s := newSystem(t, setup{options: func(o *dataplane.Options) {
		o.DrainDelay, o.GracePeriod = 2*time.Second, 6*time.Second
	}})
	part := s.started("x")
	finishing, stuck := s.dial(), s.dial()
	header := fmt.Sprintf("Content-Length: %d", len(part))
	finishing.head(s, "PUT", s.path("x?part=2"), header)
	stuck.head(s, "PUT", s.path("x?part=1"), header)
	_, err := finishing.Write(part[:1000])
	must(t, err)
	_, err = stuck.Write(make([]byte, 1000))
	must(t, err)
	s.eventually("in flight", func() error {
		if s.store.(*memory.Store).Calls(memory.PutPart) != 3 {
			return errors.New("not both")
		}
		return nil
	})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		s.stop()
	}()
	s.eventually("not ready", func() error {
		if s.server.Ready() == nil {
			return errors.New("ready")
		}
		return nil
	})
	moment := s.dial() // not ready, but serving: load balancers need it
	moment.head(s, "GET", s.list("x"))
	if got := moment.reply(); got.status != 200 || !got.closes {
		t.Errorf("while draining: %v, which ends the connection: %t", got, got.closes)
	}
	s.eventually("closed to new requests", func() error {
		if got := s.get(s.list("x")); got.err == nil {
			return fmt.Errorf("%v", got)
		}
		return nil
	})
	_, err = finishing.Write(part[1000:])
	must(t, err)
	if got := finishing.reply(); got.status != 201 {
		t.Errorf("a part in flight: %v", got)
	}
	if got := stuck.reply(); got.err == nil && got.status == 201 {
		t.Errorf("the stuck part: %v", got)
	}
	<-stopped
	u := s.records()[0]
	parts, err := s.store.ListParts(t.Context(), filestore.UploadRef{Key: u.Status.ObjectKey, UploadID: u.Status.UploadID})
	if err != nil || len(parts) != 2 || parts[0].Size != int64(len(part)) {
		t.Errorf("after the shutdown: %+v, %v", parts, err)
	}
}

// TestPanic: a panic is a 500 with an id, and the stack is in the log alone.
func TestPanic(t *testing.T) {
	store := memory.New(memory.Options{MinPartSize: -1})
	s := newSystem(t, setup{store: store})
	s.started("x")
	store.Inject(memory.Fault{Operation: memory.PutPart, Times: 1, Before: func(context.Context) error { panic("secret-bucket exploded") }})
	got := s.want(s.put(s.path("x?part=2"), randomBytes(3000)), 500)
	s.eventually("logged", func() error {
		if lines := s.log.with(got.header.Get("X-Request-Id")); len(lines) != 1 || !strings.Contains(lines[0], "exploded") {
			return fmt.Errorf("%q", lines)
		}
		return nil
	})
	s.want(s.put(s.path("x?part=2"), randomBytes(3000)), 201)
}

// TestMetrics: what is counted, and that clients cannot make up labels.
func TestMetrics(t *testing.T) {
	registry := prometheus.NewRegistry()
	s := newSystem(t, setup{options: func(o *dataplane.Options) { o.Registerer = registry }})
	s.started("x")
	s.want(s.do("BREW", s.path("x"), nil), 405)
	s.want(s.get("/"), 404)
	s.eventually("counted", func() error {
		families, err := registry.Gather()
		must(t, err)
		if problems, err := promlint.NewWithMetricFamilies(families).Lint(); err != nil || len(problems) != 0 {
			t.Errorf("lint: %v, %v", problems, err)
		}
		text := fmt.Sprint(families)
		for _, want := range []string{`value:"part"`, `value:"start"`, `value:"other"`, `value:"none"`, "iotfile_parts_in_flight", "iotfile_http_received_bytes_total"} {
			if !strings.Contains(text, want) {
				return fmt.Errorf("no %s", want)
			}
		}
		for _, never := range []string{"BREW", entity, s.namespace} {
			if strings.Contains(text, never) {
				t.Errorf("a label with %s", never)
			}
		}
		return nil
	})
	// A second server of the process shares the metrics.
	newSystem(t, setup{options: func(o *dataplane.Options) { o.Registerer = registry }})
}

// TestMemoryCeiling: 32 parts of 64 MiB at once take a small fixed amount of memory each.
func TestMemoryCeiling(t *testing.T) {
	const parts, size, ceiling = 32, 64 << 20, 48 << 20
	s := newSystem(t, setup{store: sink{Store: memory.New(memory.Options{MinPartSize: -1}), pause: 5 * time.Millisecond}})
	s.want(s.put(s.path("x?upload=start"), nil), 201)
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	var peak atomic.Uint64
	stop := make(chan struct{})
	var sampler sync.WaitGroup
	sampler.Go(func() {
		for {
			var now runtime.MemStats
			runtime.ReadMemStats(&now)
			peak.Store(max(peak.Load(), now.HeapAlloc))
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	counts := statuses(parts, func(i int) reply {
		body := struct{ io.Reader }{io.LimitReader(zeros{}, size)}
		return s.sized("PUT", fmt.Sprintf("%s?part=%d", s.path("x"), i+1), body, size)
	})
	close(stop)
	sampler.Wait()
	if counts[201] != parts {
		t.Errorf("%v", counts)
	}
	grown := int64(peak.Load()) - int64(before.HeapAlloc)
	t.Logf("%d parts of %d MiB at once: the heap of server and client grew by %.1f MiB", parts, size>>20, float64(grown)/(1<<20))
	if grown > ceiling {
		t.Errorf("more than %d MiB", ceiling>>20)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// TestVersityGW repeats the main path and the cut on a real object store, which keeps a cut part of
// a plain body.
func TestVersityGW(t *testing.T) {
	if testing.Short() {
		t.Skip("needs an object store")
	}
	dir := t.TempDir()
	gateway, err := devcluster.StartVersityGW(t.Context(), devcluster.ObjectStoreOptions{Dir: filepath.Join(dir, "store")})
	must(t, err)
	t.Cleanup(func() { must(t, gateway.Stop()) })
	must(t, gateway.CreateBucket(t.Context(), "secret-bucket"))
	store, err := s3.New(filestore.Config{
		Name: "test", Endpoint: gateway.Endpoint, Region: gateway.Region, Bucket: "secret-bucket", Prefix: secretPrefix,
		Credentials: &filestore.Credentials{AccessKeyID: gateway.AccessKey, SecretAccessKey: gateway.SecretKey},
		PayloadMode: v1alpha1.PayloadTrailingCRC64NVME,
	})
	must(t, err)
	t.Cleanup(store.Close)
	s := newSystem(t, setup{store: store, limits: &v1alpha1.FileStoreLimits{}})
	s.want(s.put(s.path("d/x?upload=start"), nil), 201)
	parts := make([][]byte, 6)
	counts := statuses(len(parts), func(i int) reply {
		parts[i] = randomBytes(5<<20 + i)
		return s.put(fmt.Sprintf("%s?part=%d", s.path("d/x"), i+1), parts[i])
	})
	if counts[201] != len(parts) {
		t.Fatalf("%v", counts)
	}
	c := s.dial()
	c.head(s, "PUT", s.path("d/x?part=3"), fmt.Sprintf("Content-Length: %d", 6<<20))
	_, _ = c.Write(make([]byte, 3<<20))
	must(t, c.CloseWrite())
	if got := c.reply(); got.status != 400 {
		t.Errorf("cut: %v", got)
	}
	last := randomBytes(77)
	s.want(s.put(s.path("d/x?upload=complete"), last), 201)
	s.want(s.put(s.path("d/x?upload=complete"), last), 201)
	whole := append(bytes.Join(parts, nil), last...)
	if got := s.get(s.path("d/x")); !bytes.Equal(got.body, whole) {
		t.Errorf("the file has %d bytes, want %d", len(got.body), len(whole))
	}
	got := s.want(s.get(s.path("d/x"), "Range", "bytes=5242000-5243999"), 206)
	if !bytes.Equal(got.body, whole[5242000:5244000]) {
		t.Error("the range over the border of two parts is wrong")
	}
	// A path below a file: a directory cannot stand where a file is.
	got = s.put(s.path("d/x/y?upload=start"), nil)
	if got.status/100 == 5 || (got.status == 201 && s.put(s.path("d/x/y?upload=abort"), nil).status != 204) {
		t.Errorf("below a file: %v", got)
	}
	s.want(s.put(s.path("d/z?upload=start"), nil), 201)
	s.want(s.put(s.path("d/z?part=1"), parts[0]), 201)
	key := client.ObjectKey{Namespace: s.namespace, Name: s.openName("d/z")}
	s.want(s.put(s.path("d/z?upload=abort"), nil), 204)
	if err := s.kube.Get(t.Context(), key, &v1alpha1.MultipartUpload{}); !apierrors.IsNotFound(err) {
		t.Errorf("the record: %v", err)
	}
	must(t, store.ListUploads(t.Context(), secretPrefix+s.namespace+"/", func(u filestore.Upload) bool {
		t.Errorf("%s is still open in the store", u.Key)
		return true
	}))
}

func (s *system) openName(path string) string {
	s.t.Helper()
	for _, u := range s.records() {
		if u.Spec.Path == path {
			return u.Name
		}
	}
	s.t.Fatalf("no record of %s", path)
	return ""
}
