package dataplane

import (
	"context"
	"fmt"
	"time"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/apierror"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/limit"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// tenant is a namespace in a FileStore.
type tenant struct{ namespace, store string }

// shares are what this replica has taken of each namespace in each store: how fast, and how much at
// this moment. The limits are the replica's own: to divide them by the number of replicas would
// starve a client whose connections all lead to one of them.
type shares struct{ limit.Keyed[tenant] }

// wantsOf are what a body takes of the rates of its namespace.
func wantsOf(size int64, limits upload.Limits) []limit.Want {
	return []limit.Want{
		{Amount: 1, Rate: limit.PerSecond(int64(limits.PartsPerSecond))},
		{Amount: float64(size), Rate: limit.PerSecond(limits.BytesPerSecond)},
	}
}

// takeRate takes a body of size bytes off the namespace's rates, and gives the time to wait before
// it is asked for. Where that is more than maxWait nothing is taken, and the answer is 429 with
// the time after which it would be.
func (s *shares) takeRate(of tenant, size int64, limits upload.Limits, now time.Time, maxWait time.Duration) (time.Duration, error) {
	if limits.PartsPerSecond == 0 && limits.BytesPerSecond == 0 {
		return 0, nil
	}
	switch wait, over := s.Take(of, now, maxWait, wantsOf(size, limits)...); over {
	case 0:
		return 0, apierror.TooMany(fmt.Sprintf("the namespace may send %d parts or files per second: send the request again", limits.PartsPerSecond), wait)
	case 1:
		return 0, apierror.TooMany(fmt.Sprintf("the namespace may send %d bytes per second: send the request again", limits.BytesPerSecond), wait)
	default:
		return wait, nil
	}
}

// awaitRate holds the rates of the namespace against a body of size bytes: it waits as long as the
// request may, or answers 429.
func (s *Server) awaitRate(ctx context.Context, c *call, store string, size int64, limits upload.Limits) error {
	of := tenant{c.file.Namespace, store}
	wait, err := s.shares.takeRate(of, size, limits, s.opts.Clock.Now(), max(0, time.Until(c.until)))
	if err != nil || wait == 0 {
		return err
	}
	giveUp := func(err error) error {
		s.shares.Give(of, s.opts.Clock.Now(), wantsOf(size, limits)...)
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
	return s.Hold(tenant{u.Namespace, upload.StoreNameOf(u)}, size, time.Now(), func(inFlight int64) error {
		return upload.AdmitBytes(upload.IncompleteBytes(u)+size, held+inFlight, limits)
	})
}

// admitLoad holds the limits of the namespace against part number of an upload, before its body is
// asked for. The caller calls release once, with whether the part has landed.
func (s *Server) admitLoad(ctx context.Context, c *call, of subject, number int32, size int64) (release func(landed bool), err error) {
	u, limits := of.u, of.limits()
	release = func(bool) {}
	if u.Spec.Size != nil { // its room was reserved when it was started
		if release, err = s.takeDeclared(ctx, of, number, size); err != nil {
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
