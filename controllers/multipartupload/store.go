package multipartupload

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// Time limits of calls to object storage. An assembly can take minutes for large files, on backends
// that copy the parts.
const (
	callTimeout     = time.Minute
	completeTimeout = 30 * time.Minute
)

// observeStore begins to gather: it finds the FileStore that serves the upload, and its backend,
// without asking either. Errors as observe.
func (r *Reconciler) observeStore(ctx context.Context, u *v1alpha1.MultipartUpload) (*observation, error) {
	o := &observation{Observation: upload.Observation{Upload: u, GiveUpAfter: r.FinalizerTimeout}, at: r.Clock.Now()}
	return o, r.resolveStore(ctx, o)
}

func (r *Reconciler) resolveStore(ctx context.Context, o *observation) error {
	u := o.Upload
	fs, err := r.Catalog.StoreOf(ctx, u.Namespace, upload.StoreNameOf(u))
	var refused *upload.StoreError
	if errors.As(err, &refused) && refused.Store != nil && u.Status.UploadID != "" {
		fs, err = refused.Store, nil // a selector that changes later does not strand what is open: it may end
	}
	if errors.As(err, &refused) {
		o.Problem = &upload.Problem{Reason: refused.Reason, Message: refused.Message, Stalled: true}
		return nil
	}
	if err != nil {
		return err
	}
	o.Store = fs
	if o.Problem = unready(u, fs); o.Problem != nil {
		return nil
	}
	if o.store, err = r.Stores.Get(ctx, fs.Name); err != nil {
		o.Problem = storeProblem(fs.Name, err)
	}
	return nil
}

// unready is why a store cannot open an upload or assemble a file now, nil if it can: both depend
// on what the last probe found of the spec as it is.
func unready(u *v1alpha1.MultipartUpload, fs *v1alpha1.FileStore) *upload.Problem {
	problem := &upload.Problem{Reason: v1alpha1.ReasonStoreUnavailable, Message: fmt.Sprintf("the FileStore %q is not ready yet", fs.Name)}
	probed := ptr.Deref(fs.Status.ObservedGeneration, 0) == fs.Generation && fs.Status.Capabilities != nil
	if u.Status.UploadID != "" {
		if probed || upload.Ended(u) || upload.Desired(u) != v1alpha1.DesiredStateCompleted {
			return nil
		}
		return problem
	}
	ready := meta.FindStatusCondition(fs.Status.Conditions, v1alpha1.ConditionReady)
	switch {
	case fs.DeletionTimestamp != nil:
		problem.Message = fmt.Sprintf("the FileStore %q is being deleted and takes no new uploads: name another one", fs.Name)
		return problem
	case ready != nil && ready.Status != metav1.ConditionTrue:
		problem.Message = fmt.Sprintf("the FileStore %q is not ready: %s", fs.Name, ready.Message)
		return problem
	case ready == nil || !probed:
		return problem
	default:
		return nil
	}
}
