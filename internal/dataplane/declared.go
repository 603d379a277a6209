package dataplane

import (
	"context"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

const (
	// listingGood is for how long a list of parts is gone by. Other replicas may have taken some
	// since. An upload is listed that often at most, whatever the number of its parts.
	listingGood = time.Second
	// roomKept is how long what is known of an upload is kept after its last part: longer than its
	// progress is behind.
	roomKept = time.Minute
)

// declaredRooms hold, for each upload whose size was declared, its parts against that size: those
// that are there, those that are on their way through this replica, and the one that is to come.
// What other replicas have on their way at the same moment, or have taken since the parts were
// listed, is not known here: n replicas that are asked at one moment take n times the declared size
// at most, and the next part is refused by all of them.
type declaredRooms struct {
	mu    sync.Mutex
	byUID map[types.UID]*declaredRoom
	swept time.Time
}

// declaredRoom is what this replica knows of one upload. declaredRooms.mu guards all but listing.
type declaredRoom struct {
	// sizes are the parts as they were listed last, and as they have landed through this replica
	// since.
	sizes upload.Sizes
	// landed are those of them that have landed while they were being listed, nil if they are not.
	landed upload.Sizes
	// listed is when the list was asked for, zero if it is not to be believed.
	listed time.Time
	// failed is when object storage could not list them, and failure why.
	failed  time.Time
	failure error
	// flights are the parts on their way, waiting those that wait for a list.
	flights []flightSize
	waiting int
	used    time.Time
	// listing has room for one who lists; the others wait, and share what it finds.
	listing chan struct{}
}

type flightSize struct {
	number int32
	size   int64
}

// of finds the room. The caller holds the lock.
func (d *declaredRooms) of(uid types.UID, now time.Time) *declaredRoom {
	if now.Sub(d.swept) > roomKept {
		d.swept = now
		for other, r := range d.byUID {
			if len(r.flights) == 0 && r.waiting == 0 && now.Sub(r.used) > roomKept {
				delete(d.byUID, other)
			}
		}
	}
	r := d.byUID[uid]
	if r == nil {
		if d.byUID == nil {
			d.byUID = map[types.UID]*declaredRoom{}
		}
		r = &declaredRoom{sizes: upload.Sizes{}, listing: make(chan struct{}, 1)}
		d.byUID[uid] = r
	}
	r.used = now
	return r
}

// takeDeclared takes the room of a part, or refuses one with which the upload would have more than
// was declared for it. It asks object storage for the parts only where what is known is too old,
// and before it refuses. The caller calls release once, with whether the part has landed.
func (s *Server) takeDeclared(ctx context.Context, of subject, number int32, size int64) (release func(landed bool), err error) {
	declared, came := *of.u.Spec.Size, time.Now()
	if err := upload.AdmitDeclared(declared, 0, 0, size); err != nil {
		return nil, err
	}
	d, part := &s.declared, flightSize{number, size}
	r, ok := d.takeKnown(of.u, part, came)
	if !ok {
		if err := s.listRoom(ctx, of, r, came); err != nil {
			return nil, err
		}
		if err := d.take(r, declared, part); err != nil {
			return nil, err
		}
	}
	return func(landed bool) { d.give(r, part, landed) }, nil
}

// takeKnown takes the room by what is known; ok is false if that is not enough, and then the room
// waits for a list.
func (d *declaredRooms) takeKnown(u *v1alpha1.MultipartUpload, part flightSize, now time.Time) (r *declaredRoom, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r = d.of(u.UID, now)
	held, coming := r.sizes.Sum(), r.coming()
	growth := coming.Growth(part.number, part.size)
	if p := u.Status.Progress; p != nil && p.Bytes != nil {
		held = max(held, *p.Bytes)
	}
	held += coming.Sum() - r.sizes.Sum()
	if held+growth > *u.Spec.Size || now.Sub(r.listed) > listingGood {
		r.waiting++
		return r, false
	}
	r.flights = append(r.flights, part)
	return r, true
}

// listRoom lists the parts, unless somebody has done so since the request came, and ends its wait
// for that.
func (s *Server) listRoom(ctx context.Context, of subject, r *declaredRoom, came time.Time) error {
	d := &s.declared
	defer d.waited(r)
	select {
	case r.listing <- struct{}{}:
		defer func() { <-r.listing }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	now := time.Now()
	if done, err := d.beginListing(r, came); done {
		return err
	}
	parts, err := s.partsOf(ctx, of)
	d.endListing(r, parts, now, err, ctx.Err() == nil)
	return err
}

func (d *declaredRooms) waited(r *declaredRoom) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r.waiting--
}

// beginListing reports whether the parts were listed, or could not be, since the request came.
func (d *declaredRooms) beginListing(r *declaredRoom, came time.Time) (done bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case r.listed.After(came):
		return true, nil
	case r.failed.After(came):
		return true, r.failure
	}
	r.landed = upload.Sizes{}
	return false, nil
}

// endListing keeps what came of a list that was asked for at that time. An error is told to the
// others that wait if it is not of the request alone that has asked.
func (d *declaredRooms) endListing(r *declaredRoom, parts []filestore.Part, at time.Time, err error, shared bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	landed := r.landed
	r.landed = nil
	if err != nil {
		if shared {
			r.failed, r.failure = time.Now(), err
		}
		return
	}
	r.listed, r.sizes = at, make(upload.Sizes, len(parts))
	for _, p := range parts {
		r.sizes[p.Number] = p.Size
	}
	for number, size := range landed {
		r.sizes[number] = size
	}
}

// take takes the room by a list that was just made.
func (d *declaredRooms) take(r *declaredRoom, declared int64, part flightSize) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	coming := r.coming()
	if err := upload.AdmitDeclared(declared, coming.Sum(), coming.Growth(part.number, part.size), part.size); err != nil {
		return err
	}
	r.flights = append(r.flights, part)
	return nil
}

// give ends a part. One that has failed may be there all the same: the parts are listed before that
// is believed.
func (d *declaredRooms) give(r *declaredRoom, part flightSize, landed bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if at := slices.Index(r.flights, part); at >= 0 {
		r.flights = slices.Delete(r.flights, at, at+1)
	}
	r.used = time.Now()
	if !landed {
		r.listed = time.Time{}
		return
	}
	r.sizes[part.number] = part.size
	if r.landed != nil {
		r.landed[part.number] = part.size
	}
}

// coming are the parts as they will be at most, when all that are on their way have landed. The
// caller holds the lock.
func (r *declaredRoom) coming() upload.Sizes {
	if len(r.flights) == 0 {
		return r.sizes
	}
	out := make(upload.Sizes, len(r.sizes)+len(r.flights))
	for number, size := range r.sizes {
		out[number] = size
	}
	for _, f := range r.flights {
		out[f.number] = max(out[f.number], f.size)
	}
	return out
}
