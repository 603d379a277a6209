package dataplane

import (
	"context"
	"errors"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/failpoint"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

const (
	// FieldManager owns status.progress of uploads that take parts.
	FieldManager = "iotfile-data-plane"
	// progressWorkers bounds the uploads whose parts are listed at once: a distant store takes a
	// tenth of a second for each.
	progressWorkers = 32
	// progressWrites bounds the status writes at once, for which nobody waits: the API server has
	// others to serve.
	progressWrites = 4
	// progressRetry is the pause after a write that somebody else's came before.
	progressRetry = time.Second
	// progressTimeout bounds one listing and its write.
	progressTimeout = 20 * time.Second
)

// progress records how far uploads are: a part that has landed marks its upload, and the replica
// that took it lists the parts once per interval at most and applies status.progress.
type progress struct {
	server *Server
	clock  clock.WithTicker
	mu     sync.Mutex
	marked map[types.UID]*mark
	// changed wakes run when there may be an earlier due time.
	changed chan struct{}
	// workers are the listings under way, which the FileStores share: those of one that does not
	// answer take their time.
	workers shared
	// writes has room for progressWrites.
	writes chan struct{}
}

// mark is an upload that has parts which its status does not tell of, or was written less than an
// interval ago.
type mark struct {
	key   client.ObjectKey
	uid   types.UID
	store string
	dirty bool
	busy  bool
	due   time.Time
}

func newProgress(s *Server) *progress {
	return &progress{
		server: s, clock: s.opts.Clock,
		marked: map[types.UID]*mark{}, changed: make(chan struct{}, 1), workers: newShared(progressWorkers),
		writes: make(chan struct{}, progressWrites),
	}
}

// mark notes that a part of u has landed. It costs no request.
func (p *progress) mark(u *v1alpha1.MultipartUpload) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.marked[u.UID]
	if m == nil {
		m = &mark{key: client.ObjectKeyFromObject(u), uid: u.UID, store: u.Status.StoreName, due: p.clock.Now().Add(p.server.opts.ProgressDelay)}
		p.marked[u.UID] = m
	}
	if !m.dirty {
		m.dirty = true
		p.wake()
	}
}

func (p *progress) wake() {
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

// run records progress until ctx is done, and waits for what is being written.
func (p *progress) run(ctx context.Context) {
	var writers sync.WaitGroup
	defer writers.Wait()
	for {
		due, next := p.take()
		for _, m := range due {
			writers.Go(func() { p.finish(m, p.write(ctx, m)) })
		}
		timer := p.clock.NewTimer(next)
		select {
		case <-timer.C():
		case <-p.changed:
			timer.Stop()
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// take returns the marks that are due and for which there is a worker, and how long until the next
// one is: the end of a listing brings another look. Clean marks whose interval is over are
// forgotten.
func (p *progress) take() (due []*mark, next time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.clock.Now()
	next = p.server.opts.ProgressInterval
	for uid, m := range p.marked {
		switch {
		case m.busy:
		case m.due.After(now):
			next = min(next, m.due.Sub(now))
		case !m.dirty:
			delete(p.marked, uid)
		case !p.workers.room(m.store, 1):
		default:
			p.workers.take(m.store, 1)
			m.busy, m.dirty = true, false
			due = append(due, m)
		}
	}
	return due, next
}

// finish decides when the upload is next looked at.
func (p *progress) finish(m *mark, result string) {
	p.server.metrics.progress.WithLabelValues(result).Inc()
	p.mu.Lock()
	defer p.mu.Unlock()
	m.busy = false
	p.workers.take(m.store, -1)
	switch result {
	case progressOver:
		delete(p.marked, m.uid)
	case progressConflict:
		m.dirty, m.due = true, p.clock.Now().Add(progressRetry)
	case progressFailed:
		m.dirty, m.due = true, p.clock.Now().Add(p.server.opts.ProgressInterval)
	default:
		m.due = p.clock.Now().Add(p.server.opts.ProgressInterval)
	}
	p.wake()
}

// Results of an attempt, as the metric names them.
const (
	progressWritten  = "written"
	progressConflict = "conflict"
	progressFailed   = "failed"
	// progressOver: the upload takes no more parts; its last progress is the reconciler's to write.
	progressOver = "over"
)

// write lists the parts and applies status.progress, unless the upload has moved on.
func (p *progress) write(ctx context.Context, m *mark) string {
	ctx, cancel := context.WithTimeout(ctx, progressTimeout)
	defer cancel()
	u := &v1alpha1.MultipartUpload{}
	if err := p.server.uploads.cached.Get(ctx, m.key, u); err != nil || u.UID != m.uid || !upload.TakesParts(u) {
		return progressOver
	}
	err := p.apply(ctx, u)
	switch {
	case err == nil:
		return progressWritten
	case errors.Is(err, filestore.ErrNoSuchUpload), apierrors.IsNotFound(err):
		return progressOver
	case apierrors.IsConflict(err):
		return progressConflict
	}
	p.server.log.Error(err, "record the progress of an upload", "namespace", m.key.Namespace, "upload", m.key.Name)
	return progressFailed
}

func (p *progress) apply(ctx context.Context, u *v1alpha1.MultipartUpload) error {
	at, err := p.server.locate(ctx, u)
	if err != nil {
		return err
	}
	parts, err := at.store.ListParts(ctx, at.ref)
	if err != nil {
		return err
	}
	failpoint.Hit(failpoint.ProgressListed)
	select {
	case p.writes <- struct{}{}:
		defer func() { <-p.writes }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	err = p.server.opts.Client.Status().Apply(ctx,
		client.ApplyConfigurationFromUnstructured(progressConfiguration(u, parts)), client.FieldOwner(FieldManager))
	if err == nil {
		failpoint.Hit(failpoint.ProgressRecorded)
	}
	return err
}

// progressConfiguration is what is applied. Not forced, and bound to the version that was read: the
// last progress, which the reconciler writes, is never overwritten, and a successor of the same
// name is never touched.
func progressConfiguration(u *v1alpha1.MultipartUpload, parts []filestore.Part) *unstructured.Unstructured {
	bytes, last := int64(0), time.Time{}
	for _, part := range parts {
		bytes += part.Size
		if part.Modified.After(last) {
			last = part.Modified
		}
	}
	state := map[string]any{"parts": int64(len(parts)), "bytes": bytes, "displayBytes": upload.DisplayBytes(bytes)}
	if percent := upload.Percent(u, bytes); percent != nil {
		state["percent"] = int64(*percent)
	}
	if !last.IsZero() {
		state["lastPartTime"] = last.UTC().Format(time.RFC3339)
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": v1alpha1.GroupVersion.String(),
		"kind":       "MultipartUpload",
		"metadata": map[string]any{
			"namespace": u.Namespace, "name": u.Name, "uid": string(u.UID), "resourceVersion": u.ResourceVersion,
		},
		"status": map[string]any{"progress": state},
	}}
}
