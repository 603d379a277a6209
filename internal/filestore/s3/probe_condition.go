package s3

import (
	"context"
	"errors"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

// findConditionalPut stores the object under conditions that do not hold, and under ones that do.
// If-Match and If-None-Match are two capabilities: Swift has the second alone.
func (p *probe) findConditionalPut(ctx context.Context, caps *v1alpha1.FileStoreCapabilities) error {
	create, err := p.refusesPut(ctx, filestore.Condition{Absent: true})
	if err != nil {
		return err
	}
	replace := false
	spellings := []v1alpha1.ETagSpelling{v1alpha1.ETagQuoted, v1alpha1.ETagBare}
	if p.cfg.BareETags {
		spellings[0], spellings[1] = spellings[1], spellings[0]
	}
	for _, spelling := range spellings {
		if replace, err = p.findSpelling(ctx, spelling); err != nil {
			return err
		}
		if replace {
			caps.MatchETag = spelling
			break
		}
	}
	caps.ConditionalCreate, caps.ConditionalPut = &create, &replace
	return nil
}

// findSpelling reports whether ETags of If-Match are compared in this spelling: the right one is
// taken, a wrong one refused.
func (p *probe) findSpelling(ctx context.Context, spelling v1alpha1.ETagSpelling) (bool, error) {
	before := p.store
	defer func() { p.store = before }()
	spelled := *before
	spelled.cfg.BareETags = spelling == v1alpha1.ETagBare
	p.store = &spelled
	refused, err := p.refusesPut(ctx, filestore.Condition{ETag: noETag})
	if err != nil || !refused {
		return false, err
	}
	err = p.putSmall(ctx, filestore.Condition{ETag: p.etag})
	if filestore.Terminal(err) {
		return false, nil
	}
	return err == nil, err
}

// refusesPut reports whether the object is refused for a condition that does not hold. One that is
// not understood, or not even looked at, is not.
func (p *probe) refusesPut(ctx context.Context, cond filestore.Condition) (bool, error) {
	err := p.putSmall(ctx, cond)
	switch {
	case errors.Is(err, filestore.ErrPrecondition):
		return true, nil
	case err == nil, filestore.Terminal(err):
		return false, nil
	}
	return false, err
}
