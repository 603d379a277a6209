package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

const (
	// silentUploads are open in the store that falls silent, and as many more are asked for then.
	// As many connections send parts, and as many starts.
	silentUploads = 64
	silentName    = "silent"
	// silentPause lies between two requests of a connection: a refusal costs next to nothing.
	silentPause = 100 * time.Millisecond
)

// mouth stands before an object store. While it is shut, it accepts connections and passes nothing
// on.
type mouth struct {
	listener net.Listener
	to       string
	shut     atomic.Bool
	mu       sync.Mutex
	conns    map[net.Conn]bool
}

func newMouth(ctx context.Context, endpoint string) (*mouth, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	m := &mouth{listener: listener, to: strings.TrimPrefix(endpoint, "http://"), conns: map[net.Conn]bool{}}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go m.pass(ctx, conn)
		}
	}()
	return m, nil
}

// pass passes bytes on, both ways, until one side ends.
func (m *mouth) pass(ctx context.Context, in net.Conn) {
	defer m.keep(in)()
	for m.shut.Load() && ctx.Err() == nil {
		time.Sleep(silentPause)
	}
	out, err := new(net.Dialer).DialContext(ctx, "tcp", m.to)
	if err != nil {
		return
	}
	defer m.keep(out)()
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{in, out}, {out, in}} {
		both.Go(func() {
			_, _ = io.Copy(&lips{m, way[1]}, way[0])
			_ = in.Close()
			_ = out.Close()
		})
	}
	both.Wait()
}

func (m *mouth) keep(conn net.Conn) (drop func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.conns[conn] = true
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.conns, conn)
		_ = conn.Close()
	}
}

// close ends it, with all connections.
func (m *mouth) close() error {
	m.shut.Store(false)
	err := m.listener.Close()
	m.mu.Lock()
	defer m.mu.Unlock()
	for conn := range m.conns {
		_ = conn.Close()
	}
	return err
}

// lips hold back what is written while the mouth is shut.
type lips struct {
	m  *mouth
	to net.Conn
}

// Write implements io.Writer.
func (l *lips) Write(p []byte) (int, error) {
	for l.m.shut.Load() {
		time.Sleep(silentPause)
	}
	return l.to.Write(p)
}

// silentTenant is a tenant whose FileStore falls silent during its flood.
type silentTenant struct {
	kube  client.Client
	mouth *mouth
}

// newSilent makes the FileStore, and the flood of its tenant.
func (b *testbed) newSilent(ctx context.Context) (*flood, error) {
	kube, err := client.New(b.system.ControlPlane.RESTConfig(), client.Options{Scheme: b.scheme})
	if err != nil {
		return nil, err
	}
	mouth, err := newMouth(ctx, b.stores[0].endpoint)
	if err != nil {
		return nil, err
	}
	b.stops = append(b.stops, mouth.close)
	if err := b.system.ObjectStore.CreateBucket(ctx, silentName); err != nil {
		return nil, err
	}
	s := *b.stores[0]
	s.name, s.endpoint = silentName, "http://"+mouth.listener.Addr().String()
	for _, o := range s.objects()[:2] {
		if fs, ok := o.(*v1alpha1.FileStore); ok {
			fs.Spec.Bucket = silentName
		}
		if err := kube.Create(ctx, o); err != nil {
			return nil, err
		}
	}
	err = wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		fs := &v1alpha1.FileStore{}
		err := kube.Get(ctx, client.ObjectKey{Name: silentName}, fs)
		return meta.IsStatusConditionTrue(fs.Status.Conditions, v1alpha1.ConditionReady), err
	})
	if err != nil {
		return nil, fmt.Errorf("FileStore %s: %w", silentName, err)
	}
	t, err := b.tenantOf(ctx, kube, &s, silentName, 2*silentUploads)
	if err != nil {
		return nil, err
	}
	silent := &silentTenant{kube, mouth}
	f := newFlood(t, func(f *flood, ctx context.Context) ([]func(context.Context), error) { return silent.begin(ctx, f) })
	f.ended = func() { mouth.shut.Store(false) }
	return f, nil
}

// begin opens uploads, has the store fall silent, and asks for more: by manifests, parts and
// starts.
func (s *silentTenant) begin(ctx context.Context, f *flood) ([]func(context.Context), error) {
	var all []func(context.Context)
	for i := range silentUploads {
		at, err := f.open(ctx, fmt.Sprintf("silent-%d.bin", i))
		if err != nil {
			return nil, err
		}
		number := 0
		all = append(all, func(ctx context.Context) {
			f.put(ctx, "part", at+"?part=1", partBody)
			_ = sleep(ctx, silentPause)
		}, func(ctx context.Context) {
			number++
			f.put(ctx, "start", fmt.Sprintf("%s/silent-starts/%d-%d.bin?upload=start", f.tenant.url, i, number), nil)
			_ = sleep(ctx, silentPause)
		})
	}
	s.mouth.shut.Store(true)
	for i := range silentUploads {
		u := &v1alpha1.MultipartUpload{
			ObjectMeta: metav1.ObjectMeta{Namespace: silentName, Name: fmt.Sprintf("silent-%d", i)},
			Spec:       v1alpha1.MultipartUploadSpec{EntityID: entity, Path: fmt.Sprintf("by-manifest/%d.bin", i)},
		}
		if err := s.kube.Create(ctx, u); err != nil {
			return nil, errors.Join(err, ctx.Err())
		}
	}
	return all, nil
}

// ratio is how many times as long the neighbour's requests of a kind took as in the phase alone.
func (p *floodPhase) ratio(alone *floodPhase, kind string) string {
	mine, other := p.neighbour.times[kind], alone.neighbour.times[kind]
	if len(mine) == 0 || len(other) == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f / %.2f", percentile(mine, 50)/percentile(other, 50), percentile(mine, 99)/percentile(other, 99))
}
