package dataplane

import (
	"context"
	"errors"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/apierror"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

const (
	// confirmAfter is how long a part may take before its upload is read from the API server once
	// more: a replica that was suspended, or whose watch hangs, learns so that the upload has
	// ended.
	confirmAfter = 5 * time.Second
	// confirmTimeout bounds that read. Without an answer the part is taken, as all parts are while
	// the API server is away.
	confirmTimeout = 2 * time.Second
)

// Why the stream of a part was cut. A cut body leaves nothing in any payload mode.
var (
	errEnded      = apierror.Conflict("the upload was ended while this request was under way, and nothing of it was kept: start it again with upload=start")
	errExpired    = apierror.Conflict("the upload's time was over while this request was under way, and nothing of it was kept: start it again with upload=start")
	errCompleting = apierror.Conflict("the upload was completed while this request was under way, which is no part of the file: read the file, or update it")
)

// startedAnew answers for a part that was judged by a record that the cache had kept too long.
const startedAnew = "the upload was started anew a moment ago: send the part again"

// wasCut reports whether err says that a stream was cut because its upload takes no more parts.
func wasCut(err error) bool {
	return errors.Is(err, errEnded) || errors.Is(err, errExpired) || errors.Is(err, errCompleting)
}

// causeOf is what a client is told of an end, nil for none.
func causeOf(end upload.End) error {
	switch end {
	case upload.EndOver:
		return errEnded
	case upload.EndExpired:
		return errExpired
	case upload.EndCompleting:
		return errCompleting
	default:
		return nil
	}
}

// streams are the bodies that this replica streams into open uploads. When the record of an upload
// says that it has ended, or is to end, they are cut: a part that lands after an abort is in no
// listing of some stores. The reconciler gives all replicas time for that before it aborts
// (upload.FenceDelay).
type streams struct {
	mu    sync.Mutex
	byUID map[types.UID]map[*flow]struct{}
	now   func() time.Time
	// find gives the FileStore of an upload, which may be nil: when its time is over follows from
	// it.
	find func(*v1alpha1.MultipartUpload) subject
}

// flow is one body on its way.
type flow struct {
	cut   context.CancelCauseFunc
	timer *time.Timer // fires at the upload's expiration; nil if it has none
	cause error       // why it was cut; guarded by streams.mu
	begun time.Time
	// final: the body belongs to a completing request. That the upload is completing does not cut
	// it.
	final bool
	// unseen: the cache did not have the record when the stream began, so no event can be relied
	// on.
	unseen bool
}

// begin registers a stream of an upload, which cut ends. The caller calls end.
func (s *streams) begin(of subject, cut context.CancelCauseFunc, final bool) *flow {
	u := of.u
	f := &flow{cut: cut, begun: time.Now(), final: final}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byUID == nil {
		s.byUID = map[types.UID]map[*flow]struct{}{}
	}
	if s.byUID[u.UID] == nil {
		s.byUID[u.UID] = map[*flow]struct{}{}
	}
	s.byUID[u.UID][f] = struct{}{}
	s.expire(f, of)
	return f
}

// end forgets a stream. It is idempotent.
func (s *streams) end(u *v1alpha1.MultipartUpload, f *flow) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.timer != nil {
		f.timer.Stop()
	}
	delete(s.byUID[u.UID], f)
	if len(s.byUID[u.UID]) == 0 {
		delete(s.byUID, u.UID)
	}
}

// over reports why the stream was cut, nil if it was not.
func (s *streams) over(f *flow) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return f.cause
}

// told cuts the streams of an upload whose record says that it takes no more parts. A nil record is
// one that is gone.
func (s *streams) told(uid types.UID, u *v1alpha1.MultipartUpload) {
	s.mu.Lock()
	defer s.mu.Unlock()
	flows := s.byUID[uid]
	if len(flows) == 0 {
		return
	}
	of := s.find(u)
	cause := causeOf(upload.EndOf(of.u, of.fs, s.now()))
	for f := range flows {
		if cause != nil {
			f.stop(cause)
		} else {
			s.expire(f, of) // its ttl may have been changed
		}
	}
}

// expire has the stream cut when the upload's time is over. The caller holds the lock.
func (s *streams) expire(f *flow, of subject) {
	if f.timer != nil {
		f.timer.Stop()
	}
	at := upload.ExpirationTime(of.u, of.fs)
	if at.IsZero() {
		return
	}
	f.timer = time.AfterFunc(at.Sub(s.now()), func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		f.stop(errExpired)
	})
}

// stop cuts the stream. The first cause counts. The caller holds the lock.
func (f *flow) stop(cause error) {
	if f.cause != nil {
		return
	}
	f.cause = cause
	if !f.final || !errors.Is(cause, errCompleting) {
		f.cut(cause)
	}
}

// handler feeds the streams from an informer.
func (s *streams) handler() toolscache.ResourceEventHandler {
	told := func(obj any) {
		if u, ok := obj.(*v1alpha1.MultipartUpload); ok {
			s.told(u.UID, u)
		}
	}
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc:    told,
		UpdateFunc: func(_, obj any) { told(obj) },
		DeleteFunc: func(obj any) {
			if tombstone, ok := obj.(toolscache.DeletedFinalStateUnknown); ok {
				obj = tombstone.Obj
			}
			if u, ok := obj.(*v1alpha1.MultipartUpload); ok {
				s.told(u.UID, nil)
			}
		},
	}
}

// register registers a stream of an upload, and reads that again: an event that came before the
// stream was registered cuts nothing. The caller calls streams.end, also after an error.
func (s *Server) register(ctx context.Context, of subject, cut context.CancelCauseFunc, final bool) (*flow, error) {
	f := s.streams.begin(of, cut, final)
	now, known := s.uploads.Reread(ctx, of.u)
	if f.unseen = !known; f.unseen {
		return f, nil
	}
	return f, causeOf(s.endOf(subject{now, of.fs}))
}

// confirm is the last look at an upload before the end of a body is given away. It costs a request
// only for parts that took long, and where the cache had no record to tell by.
func (s *Server) confirm(ctx context.Context, f *flow, of subject) error {
	if err := s.streams.over(f); err != nil {
		return err
	}
	if !f.unseen && time.Since(f.begun) < confirmAfter {
		return causeOf(s.endOf(of))
	}
	ctx, cancel := context.WithTimeout(ctx, confirmTimeout)
	defer cancel()
	now, known := s.uploads.LiveReread(ctx, of.u)
	if !known {
		return nil
	}
	return causeOf(s.endOf(s.subject(ctx, now)))
}
