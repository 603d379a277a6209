package progress

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	apply "github.com/iotfile-operator/iotfile-operator/api/applyconfiguration/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/failpoint"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/sharing"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

const (
	// FieldManager owns status.progress of uploads that take parts.
	FieldManager = "iotfile-data-plane"
	// workers bounds the uploads whose parts are listed at once: a distant store takes a
	// tenth of a second for each.
	workers = 32
	// writesAtOnce bounds the status writes at once, for which nobody waits: the API server has
	// others to serve.
	writesAtOnce = 4
	// retry is the pause after a write that somebody else's came before.
	retry = time.Second
	// timeout bounds one listing and its write.
	timeout = 20 * time.Second
)

// Options configure a Recorder. All are required.
type Options struct {
	// Client reads uploads from the cache, and writes their status.
	Client client.Client
	// Parts lists the parts of an upload in object storage.
	Parts func(ctx context.Context, u *v1alpha1.MultipartUpload) ([]filestore.Part, error)
	// Delay is how long after its first part an upload is first recorded, Interval how often at
	// most after that.
	Delay, Interval time.Duration
	// Clock paces it.
	Clock clock.WithTicker
	// Updates counts the attempts to write, by result.
	Updates *prometheus.CounterVec
	// Log gets what has failed.
	Log logr.Logger
}

// Recorder records how far uploads are: a part that has landed marks its upload, and the replica
// that took it lists the parts once per interval at most and applies status.progress.
type Recorder struct {
	opts   Options
	mu     sync.Mutex
	marked map[types.UID]*mark
	// changed wakes Run when there may be an earlier due time.
	changed chan struct{}
	// workers are the listings under way, which the FileStores share: those of one that does not
	// answer take their time.
	workers sharing.Limit[string]
	// writes has room for writesAtOnce.
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
	// missing: object storage has told a client that it does not know the upload.
	missing bool
}

// New makes a Recorder. It records nothing before Run.
func New(opts Options) *Recorder {
	return &Recorder{
		opts: opts, marked: map[types.UID]*mark{}, changed: make(chan struct{}, 1),
		workers: sharing.NewLimit[string](workers), writes: make(chan struct{}, writesAtOnce),
	}
}

// Mark notes that a part of u has landed. It costs no request.
func (r *Recorder) Mark(u *v1alpha1.MultipartUpload) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m := r.markOf(u); !m.dirty {
		m.dirty = true
		r.wake()
	}
}

// markOf is the mark of u, a new one if there is none. The caller holds the lock.
func (r *Recorder) markOf(u *v1alpha1.MultipartUpload) *mark {
	m := r.marked[u.UID]
	if m == nil {
		m = &mark{key: client.ObjectKeyFromObject(u), uid: u.UID, store: u.Status.StoreName, due: r.opts.Clock.Now().Add(r.opts.Delay)}
		r.marked[u.UID] = m
	}
	return m
}

func (r *Recorder) wake() {
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// Run records progress until ctx is done, and waits for what is being written.
func (r *Recorder) Run(ctx context.Context) {
	var writers sync.WaitGroup
	defer writers.Wait()
	for {
		due, next := r.take()
		for _, m := range due {
			writers.Go(func() { r.finish(m, r.write(ctx, m)) })
		}
		timer := r.opts.Clock.NewTimer(next)
		select {
		case <-timer.C():
		case <-r.changed:
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
func (r *Recorder) take() (due []*mark, next time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.opts.Clock.Now()
	next = r.opts.Interval
	for uid, m := range r.marked {
		switch {
		case m.busy:
		case m.due.After(now):
			next = min(next, m.due.Sub(now))
		case !m.dirty:
			delete(r.marked, uid)
		case !r.workers.Room(m.store, 1):
		default:
			r.workers.Take(m.store, 1)
			m.busy, m.dirty = true, false
			due = append(due, m)
		}
	}
	return due, next
}

// finish decides when the upload is next looked at.
func (r *Recorder) finish(m *mark, result string) {
	r.opts.Updates.WithLabelValues(result).Inc()
	r.mu.Lock()
	defer r.mu.Unlock()
	m.busy = false
	r.workers.Take(m.store, -1)
	switch result {
	case over:
		delete(r.marked, m.uid)
	case conflict:
		m.dirty, m.due = true, r.opts.Clock.Now().Add(retry)
	case failed:
		m.dirty, m.due = true, r.opts.Clock.Now().Add(r.opts.Interval)
	case missing:
		m.missing, m.dirty, m.due = true, false, r.opts.Clock.Now().Add(missingInterval)
	default:
		m.missing = false
		m.due = r.opts.Clock.Now().Add(r.opts.Interval)
	}
	r.wake()
}

// Results of an attempt, as the metric names them.
const (
	written  = "written"
	conflict = "conflict"
	failed   = "failed"
	// missing: object storage does not know the upload, which was told to the reconciler.
	missing = "missing"
	// over: the upload takes no more parts; its last progress is the reconciler's to write.
	over = "over"
)

// write lists the parts and applies status.progress, unless the upload has moved on.
func (r *Recorder) write(ctx context.Context, m *mark) string {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	u := &v1alpha1.MultipartUpload{}
	if err := r.opts.Client.Get(ctx, m.key, u); err != nil || u.UID != m.uid || !upload.TakesParts(u) {
		return over
	}
	result, err := r.apply(ctx, u)
	switch {
	case err == nil:
		return result
	case apierrors.IsNotFound(err):
		return over
	case apierrors.IsConflict(err):
		return conflict
	}
	r.opts.Log.Error(err, "record the progress of an upload", "namespace", m.key.Namespace, "upload", m.key.Name)
	return failed
}

func (r *Recorder) apply(ctx context.Context, u *v1alpha1.MultipartUpload) (result string, err error) {
	result = written
	parts, err := r.opts.Parts(ctx, u)
	state := stateOf(u, parts)
	if errors.Is(err, filestore.ErrNoSuchUpload) {
		result, err, state = missing, nil, missingAt(u, r.opts.Clock.Now())
	}
	if err != nil {
		return "", err
	}
	failpoint.Hit(failpoint.ProgressListed)
	select {
	case r.writes <- struct{}{}:
		defer func() { <-r.writes }()
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	err = r.opts.Client.Status().Apply(ctx, configuration(u, state), client.FieldOwner(FieldManager))
	if err == nil {
		failpoint.Hit(failpoint.ProgressRecorded)
	}
	return result, err
}

// stateOf is how far the upload is.
func stateOf(u *v1alpha1.MultipartUpload, parts []filestore.Part) *apply.UploadProgressApplyConfiguration {
	bytes, last := int64(0), time.Time{}
	for _, part := range parts {
		bytes += part.Size
		if part.Modified.After(last) {
			last = part.Modified
		}
	}
	count := int32(len(parts)) //nolint:gosec // 10,000 at most
	state := apply.UploadProgress().WithParts(count).WithBytes(bytes).WithDisplayBytes(upload.DisplayBytes(bytes))
	state.Percent = upload.Percent(u, bytes)
	if !last.IsZero() {
		state.WithLastPartTime(metav1.NewTime(last))
	}
	return state
}

// configuration is what is applied. Not forced, and bound to the version that was read: the
// last progress, which the reconciler writes, is never overwritten, and a successor of the same
// name is never touched.
func configuration(u *v1alpha1.MultipartUpload, state *apply.UploadProgressApplyConfiguration) *apply.MultipartUploadApplyConfiguration {
	return apply.MultipartUpload(u.Name, u.Namespace).WithUID(u.UID).WithResourceVersion(u.ResourceVersion).
		WithStatus(apply.MultipartUploadStatus().WithProgress(state))
}
