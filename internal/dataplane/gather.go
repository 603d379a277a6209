package dataplane

import (
	"context"

	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/apierror"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// gather takes a body of unknown length into memory, step by step as it arrives, so that it goes on
// like one that has a length. One that has is left as it is.
func (s *Server) gather(c *call) error {
	if c.body.Length() >= 0 {
		return nil
	}
	take := func() error { return s.budget.takeStep(c.file.Namespace) }
	if err := c.body.Gather(take, func() { s.budget.giveStep(c.file.Namespace) }); err != nil {
		return err
	}
	if c.digests != nil && c.body.Length() == 0 {
		if err := c.digests.Check(); err != nil {
			return apierror.BadRequest(err.Error())
		}
	}
	return nil
}

// admitSize checks the size of a part, as far as it is known by now.
func (c *call) admitSize(final bool, limits upload.Limits) error {
	if c.body.Length() < 0 {
		return nil
	}
	return upload.AdmitSize(c.body.Length(), final, limits)
}

// gatherPart gathers the body of a part of an upload, which was admitted without its size.
func (s *Server) gatherPart(c *call, of subject) error {
	if c.body.Length() >= 0 {
		return nil
	}
	if err := s.gather(c); err != nil {
		return err
	}
	return c.admitSize(false, of.limits())
}

// gatherFinal gathers the body of a completion of u, whose parts before it are all there.
func (s *Server) gatherFinal(ctx context.Context, c *call, of subject, parts []filestore.Part, done *completion) error {
	if c.body.Length() >= 0 {
		return nil
	}
	if err := s.gather(c); err != nil {
		return err
	}
	if err := c.admitSize(true, of.limits()); err != nil {
		return err
	}
	err := c.checkParts(parts, of.u, done)
	if err != nil && s.moved(ctx, of.u) {
		return errChanged
	}
	return err
}

// gatherFile gathers the body of a file that is sent in one request, unless the file is not as the
// request demands. A request with an Idempotency-Key may be the repetition of one that has stored
// the file: that shows when its length is known.
func (s *Server) gatherFile(ctx context.Context, c *call, at target, key string) error {
	if c.body.Length() >= 0 {
		return nil
	}
	if key == "" {
		object, file, exists, err := at.stat(ctx)
		if err == nil {
			err = c.checkFile(exists, file.Version, object.Modified)
		}
		if err != nil {
			return err
		}
	}
	if err := s.gather(c); err != nil {
		return err
	}
	return admitFileSize(c.body.Length(), upload.LimitsOf(at.fs))
}
