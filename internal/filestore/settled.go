package filestore

import (
	"context"
	"errors"
	"maps"
	"time"
)

// looks bounds how often StatSettled looks. Each more means that the object was replaced within the
// last round trip.
const looks = 8

// errRestless is the cause of what StatSettled fails with.
var errRestless = errors.New("it is replaced too fast to be looked at")

// StatSettled looks at an object, with stat, the Stat of its Store, until two looks, one after the
// other, say the same, so that all that it gives is of one object. seen is the first of the looks,
// which the caller had to take anyway: where nothing is there, or it shows what is refused at once,
// no other is needed.
//
// It is sound because ETags do not come back. A backend reads the properties of an object one by
// one; if one of them, read in the first look, is read again in the second and is the same, the
// object was not replaced in between. What was read in the second look before the ETag was read
// there, lies between two readings of the same ETag; what was read after it equals what was read in
// the first look, when the object was not yet another. And whoever writes on the condition of this
// ETag extends that to the moment of the write.
//
// Two objects of the same bytes, stored one after the other, have the same ETag; where both ETag
// and Checksum agree, a mixture of the two shows only in the rest, which is compared as well.
//
// Errors: those of Stat; ErrPrecondition when it is replaced as fast as it can be looked at.
func StatSettled(ctx context.Context, stat func(ctx context.Context, key string) (Object, error), seen Object) (Object, error) {
	for range looks {
		now, err := stat(ctx, seen.Key)
		if err != nil {
			return Object{}, err
		}
		if Same(now, seen) && now.Checksum == seen.Checksum {
			return now, nil
		}
		seen = now
	}
	return Object{}, &Error{Op: "HeadObject", Kind: ErrPrecondition, Cause: errRestless}
}

// Same reports whether two answers tell of one object, by all that an answer with bytes of it tells
// too: that has no Checksum of the whole.
func Same(a, b Object) bool {
	return a.Key == b.Key && a.Size == b.Size && a.ETag == b.ETag && a.Modified.Equal(b.Modified) && a.ContentType == b.ContentType &&
		a.ContentHeaders == b.ContentHeaders && maps.Equal(a.Metadata, b.Metadata)
}

// endPause is how far two lists of parts are apart that have to end with the same number. MinIO
// leaves a part out of its list for a moment while it is replaced, by a copy that was sent again or
// that a slow replica still had: 82 ms at most were seen, on a busy machine.
const endPause = 150 * time.Millisecond

// ListSettled lists parts, with list, until two lists in a row end with the same number. It is for
// whoever takes the end of the list for the end of the file: a last part that is just being
// replaced would be cut off. Where parts go on arriving it gives the last of some lists.
//
// Errors: those of list; the cause of ctx when it is over.
func ListSettled(ctx context.Context, list func(context.Context) ([]Part, error)) ([]Part, error) {
	parts, err := list(ctx)
	for range looks {
		if err != nil {
			return nil, err
		}
		before := lastNumber(parts)
		pause := time.NewTimer(endPause)
		select {
		case <-ctx.Done():
			pause.Stop()
			return nil, context.Cause(ctx)
		case <-pause.C:
		}
		if parts, err = list(ctx); err == nil && lastNumber(parts) == before {
			break
		}
	}
	return parts, err
}

// lastNumber is the highest number of listed parts, 0 for none.
func lastNumber(parts []Part) int32 {
	if len(parts) == 0 {
		return 0
	}
	return parts[len(parts)-1].Number
}
