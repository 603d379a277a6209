package transfer

import (
	"context"
	"errors"
	"hash"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/apierror"
	"github.com/iotfile-operator/iotfile-operator/internal/digest"
	"github.com/iotfile-operator/iotfile-operator/internal/failpoint"
)

// Stream is an inbound body on its way to object storage. It watches both sides: the client by the
// inbound's sliding deadline, the store by the time that it takes to come back for more, and, at
// the end, to answer.
type Stream struct {
	inbound *Inbound
	timer   *time.Timer
	idle    time.Duration
	cancel  context.CancelCauseFunc
	unhook  func() bool
	// digests is what the client announced of the body, nil if nothing.
	digests *digest.Set
	// Last is asked before the end of the body is given away; nil for nobody. An error withholds
	// the end.
	Last func() error
	// Ended is asked after each read, and ends the body with an error; nil for nobody. The client
	// is not interrupted: what it goes on to send can be dropped before it is answered.
	Ended func() error
	// refused is why the end of the body is withheld.
	refused error
}

// NewStream returns the stream and the context to store it with, which ends with
// apierror.ErrStoreStalled when the store takes no byte for storeIdle. The caller calls Stop.
// digests, if any, is compared with the body before its end.
func NewStream(ctx context.Context, b *Inbound, digests *digest.Set, storeIdle time.Duration) (*Stream, context.Context) {
	ctx, cancel := context.WithCancelCause(ctx)
	s := &Stream{inbound: b, digests: digests, idle: storeIdle, cancel: cancel}
	s.timer = time.AfterFunc(storeIdle, func() { cancel(apierror.ErrStoreStalled) })
	// A Read that blocks on a silent client would keep PutPart from returning after the context's
	// end.
	s.unhook = context.AfterFunc(ctx, b.stop)
	return s, ctx
}

// Read implements io.Reader. It withholds the last bytes, and for good, if the body is not what was
// announced, or last says so: object storage then sees a body that is cut short, which leaves no
// trace in any payload mode that a store is used with (docs/rest-api.md, "Parts").
func (s *Stream) Read(p []byte) (int, error) {
	s.timer.Stop()
	defer s.timer.Reset(s.idle)
	failpoint.Hit(failpoint.BodyRead)
	if s.refused != nil {
		return 0, s.refused
	}
	n, err := s.inbound.Read(p)
	if s.Ended != nil {
		if s.refused = s.Ended(); s.refused != nil {
			return 0, s.refused
		}
	}
	if s.digests != nil {
		_, _ = s.digests.Write(p[:n]) // never fails
	}
	if s.inbound.Unread() || s.inbound.err != nil || (n == 0 && err == nil) {
		return n, err
	}
	if s.refused = s.judge(); s.refused != nil {
		return 0, s.refused
	}
	return n, err
}

// judge decides, once, whether the end of the body may be given away.
func (s *Stream) judge() error {
	if s.digests != nil {
		if wrong := s.digests.Check(); wrong != nil {
			return apierror.BadRequest(wrong.Error())
		}
	}
	if last := s.Last; last != nil {
		s.Last = nil
		return last()
	}
	return nil
}

// Running implements filestore.Summing: what is compared here need not be computed once more on the
// way to object storage.
func (s *Stream) Running(algorithm string) hash.Hash {
	if s.digests == nil {
		return nil
	}
	return s.digests.Running(algorithm)
}

// Cut ends the stream, and the context that its body is stored with, for that cause.
func (s *Stream) Cut(cause error) { s.cancel(cause) }

// Stop ends the watch. It is idempotent.
func (s *Stream) Stop() {
	s.unhook()
	s.timer.Stop()
	s.cancel(nil)
}

// Verdict says who is to blame for a failed transfer: the store that stalled, the client that left
// or whose body failed, or err. It is asked before Stop.
func (s *Stream) Verdict(ctx context.Context, err error) error {
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

// Blame is Verdict, where why the end of the body was withheld is all that counts: object storage
// can only say that it ended.
func (s *Stream) Blame(ctx context.Context, err error) error {
	if s.refused != nil && !errors.As(s.refused, new(*apierror.Error)) {
		return s.refused
	}
	return s.Verdict(ctx, err)
}
