package catalog

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// liveCheck is how often Await reads from the API server itself, in case an event got lost.
const liveCheck = 5 * time.Second

// Await waits until done is content with the upload as it is recorded, or fails. done gets nil when
// the record is gone, and never a state older than u's generation. It fails with the context's
// cause when that is over. w watches u.
func (c *Catalog) Await(ctx context.Context, w *Waiter, u *v1alpha1.MultipartUpload, done func(*v1alpha1.MultipartUpload) (bool, error)) error {
	check := func(now *v1alpha1.MultipartUpload, known bool) (bool, error) {
		if !known {
			return false, nil
		}
		return done(now)
	}
	ok, err := check(c.Reread(ctx, u))
	safety := time.NewTicker(liveCheck)
	defer safety.Stop()
	for !ok && err == nil {
		select {
		case <-w.woken:
			now, known := c.Reread(ctx, u)
			if !known { // gone, or not there yet: only the API server knows
				now, known = c.LiveReread(ctx, u)
			}
			ok, err = check(now, known)
		case <-safety.C:
			ok, err = check(c.LiveReread(ctx, u))
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return err
}

// Reread reads u again from the cache. known is false where that tells nothing: the cache has not
// u, or is behind it.
func (c *Catalog) Reread(ctx context.Context, u *v1alpha1.MultipartUpload) (now *v1alpha1.MultipartUpload, known bool) {
	now, err := c.uploads.get(ctx, client.ObjectKeyFromObject(u))
	if err != nil || now.UID != u.UID || now.Generation < u.Generation {
		return nil, false
	}
	return now, true
}

// LiveReread reads u again from the API server. now is nil when the record is gone, and known false
// where the API server does not answer.
func (c *Catalog) LiveReread(ctx context.Context, u *v1alpha1.MultipartUpload) (now *v1alpha1.MultipartUpload, known bool) {
	now = &v1alpha1.MultipartUpload{}
	err := c.live.Get(ctx, client.ObjectKeyFromObject(u), now)
	switch {
	case apierrors.IsNotFound(err), err == nil && now.UID != u.UID:
		return nil, true
	case err != nil, now.Generation < u.Generation:
		return nil, false
	}
	return now, true
}

// Cached reports whether the cache has u, in whatever state.
func (c *Catalog) Cached(ctx context.Context, u *v1alpha1.MultipartUpload) bool {
	now, err := c.uploads.get(ctx, client.ObjectKeyFromObject(u))
	return err == nil && now.UID == u.UID
}
