package multipartupload

import (
	"context"
	"errors"

	"k8s.io/utils/ptr"

	"github.com/iotfile-operator/iotfile-operator/internal/catalog"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// errNoPlace ends an Admit where another upload has taken the last place.
var errNoPlace = errors.New("no place")

// placeOf is where the upload takes a place. o.Store must not be nil.
func placeOf(o *observation) upload.Tenant {
	return upload.Tenant{Namespace: o.Upload.Namespace, Store: o.Store.Name}
}

// claimPlace takes one of its namespace's places for the upload that is about to be opened: several
// workers decide at once, by a cache that does not show yet what they have opened a moment ago.
// Where another upload has taken the last place, or the last bytes, it gives what is to be done
// instead.
func (r *Reconciler) claimPlace(ctx context.Context, o *observation) (instead *upload.Decision, err error) {
	if !upload.LimitsOf(o.Store).Count(true) {
		return nil, nil
	}
	now := r.Clock.Now()
	err = r.claims.Admit(placeOf(o), o.Upload.Name, ptr.Deref(o.Upload.Spec.Size, 0), now, func(others upload.Claimed) error {
		if err := r.countHeld(ctx, o, others); err != nil {
			return err
		}
		if d := upload.Decide(o.Observation, now); d.Step != upload.StepInitiate {
			instead = &d
			return errNoPlace
		}
		return nil
	})
	if errors.Is(err, errNoPlace) {
		return instead, nil
	}
	return nil, err
}

// countHeld finds out what the namespace's other uploads hold in the store, as far as that is
// limited: those that the cache shows as opened, and those that are claimed. What ended before an
// upload was created has ended in a cache that shows that upload.
func (r *Reconciler) countHeld(ctx context.Context, o *observation, claimed upload.Claimed) error {
	if !upload.LimitsOf(o.Store).Count(o.Upload.Spec.Size != nil) {
		return nil
	}
	held, err := r.Catalog.Held(ctx, placeOf(o), catalog.ByOpened, claimed, o.Upload.Name)
	if err != nil {
		return err
	}
	o.OtherOpen = held.Open + r.Orphans.Of(o.Store.Name, o.Upload.Namespace)
	o.OtherBytes = held.Bytes
	return nil
}
