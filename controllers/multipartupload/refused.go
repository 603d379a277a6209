package multipartupload

import (
	"context"
	"errors"
	"slices"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// refusedParts deals with parts that the backend does not assemble: if one of them was replaced
// since they were listed it is tried again, else that is the end of it.
func (r *Reconciler) refusedParts(ctx context.Context, o *observation, failure error) (outcome, error) {
	sent := o.parts
	if err := o.observeParts(ctx); err != nil {
		return r.unavailable(ctx, o, err)
	}
	same := slices.EqualFunc(sent, o.parts, func(a, b filestore.Part) bool { return a.Number == b.Number && a.ETag == b.ETag })
	if !same {
		return outcome{again: true}, nil
	}
	log.FromContext(ctx).Info("object storage refuses the parts", "store", o.Store.Name, "cause", failure.Error())
	return outcome{
		state: upload.State{
			Reason:  v1alpha1.ReasonPartsInvalid,
			Message: "object storage refuses to assemble these parts, for example because one in the middle is too small: abort the upload and start again",
			Stalled: true,
		},
		after: upload.ExpirationTime(o.Upload, o.Store),
	}, nil
}

// refusedFor reports whether a failed assembly is a definite No that ends the upload, or has to be
// counted: of a file that is not as it was observed, only where the upload has to end anyway.
func refusedFor(o *observation, failure error, now time.Time) bool {
	if _, answered := filestore.Answered(failure); !answered {
		return false
	}
	passing := errors.Is(failure, filestore.ErrPrecondition) || errors.Is(failure, filestore.ErrNoSuchUpload)
	return !passing || o.Upload.DeletionTimestamp != nil || upload.Expired(o.Upload, o.Store, now)
}

// refusedStep deals with an assembly, or the opening of an upload, that object storage refuses for
// a reason that no other case knows: it is tried again, less and less often, until the upload has
// to end. The object of an assembly was looked at, and is not ours.
func (r *Reconciler) refusedStep(ctx context.Context, o *observation, failure error, message string) (outcome, error) {
	now := r.Clock.Now()
	status, _ := filestore.Answered(failure)
	log.FromContext(ctx).Error(failure, message, "store", o.Store.Name)
	o.Refused = r.checks.refusal(o.Upload, status, now)
	return r.act(ctx, o, upload.Decide(o.Observation, now))
}

// notOpened deals with an upload that object storage does not open. A definite No of a store that
// the probe finds good is about this file, such as a path that the store cannot keep.
func (r *Reconciler) notOpened(ctx context.Context, o *observation, failure error) (outcome, error) {
	if _, answered := filestore.Answered(failure); !answered {
		return r.unavailable(ctx, o, failure)
	}
	return r.refusedStep(ctx, o, failure, "object storage refuses to open the upload")
}

// givesChecksums reports whether the store tells the checksum of a file that it has assembled. One
// that says Yes without it has not: versitygw does when it was killed in the middle of an earlier
// assembly, whose parts no request reaches any more.
func givesChecksums(fs *v1alpha1.FileStore) bool {
	c := fs.Status.Capabilities
	return c != nil && (c.PayloadMode == v1alpha1.PayloadTrailingCRC64NVME || c.PayloadMode == v1alpha1.PayloadTrailingCRC32C)
}

// notAssembled is what follows when an assembly has failed, and there is no file of the upload:
// absent is what looking for it has said.
func (r *Reconciler) notAssembled(ctx context.Context, o *observation, failure, absent error) (outcome, error) {
	switch err := absent; {
	case err != nil && !errors.Is(err, filestore.ErrNotFound) && !errors.Is(err, filestore.ErrInvalidKey):
		return r.unavailable(ctx, o, err)
	case errors.Is(failure, filestore.ErrInvalidKey):
		return outcome{state: invalidKey, after: upload.ExpirationTime(o.Upload, o.Store)}, nil
	case errors.Is(failure, filestore.ErrInvalidParts):
		return r.refusedParts(ctx, o, failure)
	case refusedFor(o, failure, r.Clock.Now()):
		return r.refusedStep(ctx, o, failure, "object storage refuses to assemble the file")
	case errors.Is(failure, filestore.ErrPrecondition), errors.Is(failure, filestore.ErrNoSuchUpload):
		// The world is not as it was observed: look again.
		return r.retryStep(ctx, o, upload.State{})
	default:
		return r.unavailable(ctx, o, failure)
	}
}
