package dataplane

import (
	"context"
	"errors"
	"hash"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/apierror"
	"github.com/iotfile-operator/iotfile-operator/internal/digest"
	"github.com/iotfile-operator/iotfile-operator/internal/failpoint"
)

// stream is an inbound body on its way to object storage. It watches both sides: the client by the
// inbound's sliding deadline, the store by the time that it takes to come back for more, and, at
// the end, to answer.
type stream struct {
	inbound *inbound
	timer   *time.Timer
	idle    time.Duration
	cancel  context.CancelCauseFunc
	unhook  func() bool
	// digests is what the client announced of the body, nil if nothing.
	digests *digest.Set
	// last is asked before the end of the body is given away; nil for nobody. An error withholds
	// the end.
	last func() error
	// ended is asked after each read, and ends the body with an error; nil for nobody. The client
	// is not interrupted: what it goes on to send can be dropped before it is answered.
	ended func() error
	// refused is why the end of the body is withheld.
	refused error
}

// newStream returns the stream and the context to store it with, which ends with
// apierror.ErrStoreStalled when the store takes no byte for storeIdle. The caller calls stop.
// digests, if any, is compared with the body before its end.
func newStream(ctx context.Context, b *inbound, digests *digest.Set, storeIdle time.Duration) (*stream, context.Context) {
	ctx, cancel := context.WithCancelCause(ctx)
	s := &stream{inbound: b, digests: digests, idle: storeIdle, cancel: cancel}
	s.timer = time.AfterFunc(storeIdle, func() { cancel(apierror.ErrStoreStalled) })
	// A Read that blocks on a silent client would keep PutPart from returning after the context's
	// end.
	s.unhook = context.AfterFunc(ctx, b.stop)
	return s, ctx
}

// Read implements io.Reader. It withholds the last bytes, and for good, if the body is not what was
// announced, or last says so: object storage then sees a body that is cut short, which leaves no
// trace in any payload mode that a store is used with (docs/rest-api.md, "Parts").
func (s *stream) Read(p []byte) (int, error) {
	s.timer.Stop()
	defer s.timer.Reset(s.idle)
	failpoint.Hit(failpoint.BodyRead)
	if s.refused != nil {
		return 0, s.refused
	}
	n, err := s.inbound.Read(p)
	if s.ended != nil {
		if s.refused = s.ended(); s.refused != nil {
			return 0, s.refused
		}
	}
	if s.digests != nil {
		_, _ = s.digests.Write(p[:n]) // never fails
	}
	if s.inbound.unread() || s.inbound.err != nil || (n == 0 && err == nil) {
		return n, err
	}
	if s.refused = s.judge(); s.refused != nil {
		return 0, s.refused
	}
	return n, err
}

// judge decides, once, whether the end of the body may be given away.
func (s *stream) judge() error {
	if s.digests != nil {
		if wrong := s.digests.Check(); wrong != nil {
			return apierror.BadRequest(wrong.Error())
		}
	}
	if last := s.last; last != nil {
		s.last = nil
		return last()
	}
	return nil
}

// Running implements filestore.Summing: what is compared here need not be computed once more on the
// way to object storage.
func (s *stream) Running(algorithm string) hash.Hash {
	if s.digests == nil {
		return nil
	}
	return s.digests.Running(algorithm)
}

// stop ends the watch. It is idempotent.
func (s *stream) stop() {
	s.unhook()
	s.timer.Stop()
	s.cancel(nil)
}

// verdict says who is to blame for a failed transfer: the store that stalled, the client that left
// or whose body failed, or err. It is asked before stop.
func (s *stream) verdict(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case s.refused != nil:
		return errors.Join(s.refused, err)
	case ctx.Err() != nil:
		return errors.Join(context.Cause(ctx), err)
	case s.inbound.err != nil:
		return errors.Join(s.inbound.err, err)
	default:
		return err
	}
}

// blame is verdict, where why the end of the body was withheld is all that counts: object storage
// can only say that it ended.
func (s *stream) blame(ctx context.Context, err error) error {
	if s.refused != nil && !errors.As(s.refused, new(*apierror.Error)) {
		return s.refused
	}
	return s.verdict(ctx, err)
}
