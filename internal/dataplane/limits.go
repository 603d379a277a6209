package dataplane

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/apierror"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// sharesKept is how many namespaces' shares are kept before those that are full, and as good as
// new, are dropped.
const sharesKept = 1024

// shares are what this replica has taken of each namespace in each store: how fast, and how much at
// this moment. The limits are the replica's own: to divide them by the number of replicas would
// starve a client whose connections all lead to one of them.
type shares struct {
	mu    sync.Mutex
	known map[string]*share
	// sweepAt is how many have to be known for the next sweep: each costs as many steps, and comes
	// after as many namespaces.
	sweepAt int
}

// share is what was taken of one namespace in one store.
type share struct {
	parts, bytes bucket
	// inFlight is how many bytes of parts are on their way, under a limit of incomplete bytes.
	inFlight int64
}

// of finds the share. The caller holds the lock.
func (s *shares) of(namespace, store string, now time.Time) *share {
	if len(s.known) >= max(sharesKept, s.sweepAt) {
		for key, share := range s.known {
			if share.inFlight == 0 && share.parts.full(now) && share.bytes.full(now) {
				delete(s.known, key)
			}
		}
		s.sweepAt = 2 * len(s.known)
	}
	key := namespace + "/" + store
	found := s.known[key]
	if found == nil {
		if s.known == nil {
			s.known = map[string]*share{}
		}
		found = &share{}
		s.known[key] = found
	}
	return found
}

// bucket is a rate, of which a second's worth may be taken at once. What is taken beyond it is owed
// by those that come after: a body larger than a second's worth would else never pass.
type bucket struct {
	perSecond float64 // 0 for no limit
	level     float64 // negative while something is owed
	at        time.Time
}

// adjust fills the bucket up to now. It begins anew, full, when the limit was changed.
func (b *bucket) adjust(perSecond int64, now time.Time) {
	if limit := float64(perSecond); limit != b.perSecond {
		*b = bucket{perSecond: limit, level: limit, at: now}
		return
	}
	if passed := now.Sub(b.at); passed > 0 {
		b.level, b.at = min(b.perSecond, b.level+b.perSecond*passed.Seconds()), now
	}
}

// wait is how long until n may be taken.
func (b *bucket) wait(n float64) time.Duration {
	if missing := min(n, b.perSecond) - b.level; b.perSecond > 0 && missing > 0 {
		return time.Duration(math.Ceil(missing / b.perSecond * float64(time.Second)))
	}
	return 0
}

func (b *bucket) take(n float64) { b.level -= n }

func (b *bucket) full(now time.Time) bool {
	return b.perSecond == 0 || b.level+b.perSecond*now.Sub(b.at).Seconds() >= b.perSecond
}

// takeRate takes a body of size bytes off the namespace's rates, and gives the time to wait before
// it is asked for. Where that is more than patience nothing is taken, and the answer is 429 with
// the time after which it would be.
func (s *shares) takeRate(namespace, store string, size int64, limits upload.Limits, now time.Time, patience time.Duration) (time.Duration, error) {
	if limits.PartsPerSecond == 0 && limits.BytesPerSecond == 0 {
		return 0, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	share := s.of(namespace, store, now)
	share.parts.adjust(int64(limits.PartsPerSecond), now)
	share.bytes.adjust(limits.BytesPerSecond, now)
	forParts, forBytes := share.parts.wait(1), share.bytes.wait(float64(size))
	switch {
	case forParts > patience && forParts >= forBytes:
		return 0, apierror.TooMany(fmt.Sprintf("the namespace may send %d parts or files per second: send the request again", limits.PartsPerSecond), forParts)
	case forBytes > patience:
		return 0, apierror.TooMany(fmt.Sprintf("the namespace may send %d bytes per second: send the request again", limits.BytesPerSecond), forBytes)
	}
	share.parts.take(1)
	share.bytes.take(float64(size))
	return max(forParts, forBytes), nil
}

// giveRate gives back what was taken for a request that was given up while it waited.
func (s *shares) giveRate(namespace, store string, size int64, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	share := s.of(namespace, store, now)
	share.parts.take(-1)
	share.bytes.take(-float64(size))
}

// awaitRate holds the rates of the namespace against a body of size bytes: it waits as long as the
// request may, or answers 429.
func (s *Server) awaitRate(ctx context.Context, c *call, store string, size int64, limits upload.Limits) error {
	wait, err := s.shares.takeRate(c.file.Namespace, store, size, limits, s.opts.Clock.Now(), time.Until(c.until))
	if err != nil || wait == 0 {
		return err
	}
	giveUp := func(err error) error {
		s.shares.giveRate(c.file.Namespace, store, size, s.opts.Clock.Now())
		s.metrics.waits.WithLabelValues(waitRefused).Inc()
		return err
	}
	leave, ok := s.budget.wait(c.file.Namespace)
	if !ok {
		return giveUp(apierror.TooMany("too many requests of the namespace wait already: send the request again", wait))
	}
	defer leave()
	select {
	case <-time.After(wait):
		s.metrics.waits.WithLabelValues(waitServed).Inc()
		return nil
	case <-ctx.Done():
		return giveUp(context.Cause(ctx))
	}
}

// takeRoom reserves room for a part beside what the namespace holds, or refuses it. The caller
// calls release once.
func (s *shares) takeRoom(u *v1alpha1.MultipartUpload, size, held int64, limits upload.Limits) (release func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	share := s.of(u.Namespace, upload.StoreNameOf(u), time.Now())
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

// admitLoad holds the limits of the namespace against part number of u, before its body is asked
// for. The caller calls release once, with whether the part has landed.
func (s *Server) admitLoad(ctx context.Context, c *call, u *v1alpha1.MultipartUpload, number int32, size int64) (release func(landed bool), err error) {
	limits := s.limitsOf(ctx, u, nil)
	release = func(bool) {}
	if u.Spec.Size != nil { // its room was reserved when it was started
		if release, err = s.takeDeclared(ctx, u, number, size); err != nil {
			return nil, err
		}
	} else if limits.MaxIncompleteBytes > 0 {
		held, err := s.uploads.incompleteIn(ctx, u.Namespace, upload.StoreNameOf(u), u.Name)
		if err != nil {
			return nil, err
		}
		give, err := s.shares.takeRoom(u, size, held, limits)
		if err != nil {
			return nil, err
		}
		release = func(bool) { give() }
	}
	if err := s.awaitRate(ctx, c, upload.StoreNameOf(u), size, limits); err != nil {
		release(false)
		return nil, err
	}
	return release, nil
}
