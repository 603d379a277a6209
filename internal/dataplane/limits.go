package dataplane

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// sharesKept is how many namespaces' shares are kept before those that are full, and as good as new, are dropped.
const sharesKept = 1024

// shares are what this replica has taken of each namespace in each store: how fast, and how much at this moment. The limits are the replica's own: to divide them
// by the number of replicas would starve a client whose connections all lead to one of them.
type shares struct {
	mu    sync.Mutex
	known map[string]*share
}

// share is what was taken of one namespace in one store.
type share struct {
	parts, bytes *rate.Limiter
	// inFlight is how many bytes of parts are on their way, under a limit of incomplete bytes.
	inFlight int64
}

// of finds the share, with the limits as they are now. The caller holds the lock.
func (s *shares) of(namespace, store string, limits upload.Limits) *share {
	if len(s.known) >= sharesKept {
		for key, share := range s.known {
			if share.idle() {
				delete(s.known, key)
			}
		}
	}
	key := namespace + "/" + store
	found := s.known[key]
	if found == nil {
		if s.known == nil {
			s.known = map[string]*share{}
		}
		found = &share{parts: rate.NewLimiter(rate.Inf, 0), bytes: rate.NewLimiter(rate.Inf, 0)}
		s.known[key] = found
	}
	adjust(&found.parts, int64(limits.PartsPerSecond))
	adjust(&found.bytes, limits.BytesPerSecond)
	return found
}

// adjust begins anew, with a full bucket, when the limit was changed. A second's worth may come at once.
func adjust(limiter **rate.Limiter, perSecond int64) {
	limit, burst := rate.Inf, 0
	if perSecond > 0 {
		limit, burst = rate.Limit(perSecond), int(perSecond)
	}
	if (*limiter).Limit() != limit {
		*limiter = rate.NewLimiter(limit, burst)
	}
}

func (s *share) idle() bool {
	full := func(l *rate.Limiter) bool { return l.Limit() == rate.Inf || l.Tokens() >= float64(l.Burst()) }
	return s.inFlight == 0 && full(s.parts) && full(s.bytes)
}

// takeRate takes a body of size bytes off the namespace's rates, or answers 429 with the time after which it would be taken. A body that is larger than a second's worth is
// taken as soon as a second's worth is there, and the rest is owed by those that come after it.
func (s *shares) takeRate(namespace, store string, size int64, limits upload.Limits, now time.Time) error {
	if limits.PartsPerSecond == 0 && limits.BytesPerSecond == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	share := s.of(namespace, store, limits)
	first := int(min(size, max(limits.BytesPerSecond, 1)))
	parts := share.parts.ReserveN(now, 1)
	if wait := parts.DelayFrom(now); wait > 0 {
		parts.CancelAt(now)
		return errTooMany(fmt.Sprintf("the namespace may send %d parts or files per second: send the request again", limits.PartsPerSecond), wait)
	}
	if limits.BytesPerSecond == 0 {
		return nil
	}
	bytes := share.bytes.ReserveN(now, first)
	if wait := bytes.DelayFrom(now); wait > 0 {
		bytes.CancelAt(now)
		parts.CancelAt(now)
		return errTooMany(fmt.Sprintf("the namespace may send %d bytes per second: send the request again", limits.BytesPerSecond), wait)
	}
	for owed := size - int64(first); owed > 0; owed -= limits.BytesPerSecond {
		share.bytes.ReserveN(now, int(min(owed, limits.BytesPerSecond)))
	}
	return nil
}

// takeRoom reserves room for a part beside what the namespace holds, or refuses it. The caller calls release once.
func (s *shares) takeRoom(u *v1alpha1.MultipartUpload, size, held int64, limits upload.Limits) (release func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	share := s.of(u.Namespace, u.Status.StoreName, limits)
	if err := upload.AdmitBytes(upload.IncompleteBytes(u)+size, held+share.inFlight, limits); err != nil {
		return nil, err
	}
	share.inFlight += size
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		share.inFlight -= size
	}, nil
}

func errTooMany(message string, retryAfter time.Duration) *answer {
	return &answer{status: http.StatusTooManyRequests, message: message, retryAfter: retryAfter}
}

// admitLoad holds the limits of the namespace against a part of u, before its body is asked for. The caller calls release once.
func (s *Server) admitLoad(ctx context.Context, u *v1alpha1.MultipartUpload, size int64) (release func(), err error) {
	limits := s.limitsOf(ctx, u, nil)
	release = func() {}
	if declared := u.Spec.Size; declared != nil {
		// Its room was reserved when it was started.
		if size > *declared {
			return nil, &upload.Refusal{Kind: upload.RefusalTooLarge, Message: fmt.Sprintf("the part has %d bytes, and the upload was started for a file of %d", size, *declared)}
		}
	} else if limits.MaxIncompleteBytes > 0 {
		held, err := s.uploads.incompleteIn(ctx, u.Namespace, u.Status.StoreName, u.Name)
		if err != nil {
			return nil, err
		}
		if release, err = s.shares.takeRoom(u, size, held, limits); err != nil {
			return nil, err
		}
	}
	if err := s.shares.takeRate(u.Namespace, u.Status.StoreName, size, limits, s.opts.Clock.Now()); err != nil {
		release()
		return nil, err
	}
	return release, nil
}

// admitSize refuses to start an upload whose declared size has no room.
func (s *Server) admitSize(ctx context.Context, fs *v1alpha1.FileStore, namespace string, declared *int64) error {
	limits := upload.LimitsOf(fs)
	if declared == nil || limits.MaxIncompleteBytes == 0 {
		return nil
	}
	held, err := s.uploads.incompleteIn(ctx, namespace, fs.Name, "")
	if err != nil {
		return err
	}
	return upload.AdmitBytes(*declared, held, limits)
}

// incompleteIn adds up what the namespace's uploads in a store count with, but for one, by the cache: it is behind by as much as progress is.
func (k *uploads) incompleteIn(ctx context.Context, namespace, store, except string) (int64, error) {
	var list v1alpha1.MultipartUploadList
	err := k.cached.List(ctx, &list, client.InNamespace(namespace), client.MatchingFields{upload.OpenIndex: store}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return 0, &clusterError{"list uploads in the cache", err}
	}
	return upload.IncompleteBytesOf(list.Items, except), nil
}
