package controllers

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// observeStore begins to gather: it finds the FileStore that serves the upload, and its backend,
// without asking either. Errors as observe.
func (r *MultipartUploadReconciler) observeStore(ctx context.Context, u *v1alpha1.MultipartUpload) (*observation, error) {
	o := &observation{Observation: upload.Observation{Upload: u, GiveUpAfter: r.FinalizerTimeout}, at: r.Clock.Now()}
	return o, r.resolveStore(ctx, o)
}

func (r *MultipartUploadReconciler) resolveStore(ctx context.Context, o *observation) error {
	u := o.Upload
	var stores v1alpha1.FileStoreList
	if err := r.Client.List(ctx, &stores); err != nil {
		return fmt.Errorf("list FileStores: %w", err)
	}
	var ns corev1.Namespace
	if err := r.Client.Get(ctx, client.ObjectKey{Name: u.Namespace}, &ns); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("get namespace: %w", err)
	}
	name := upload.StoreNameOf(u)
	fs, err := upload.ResolveStore(name, upload.Namespace{Labels: ns.Labels, Annotations: ns.Annotations}, stores.Items)
	var refused *upload.StoreError
	if errors.As(err, &refused) && refused.Reason == v1alpha1.ReasonStoreNotAllowed && u.Status.UploadID != "" {
		// A selector that changes later does not strand what is open: it may end.
		fs, err = upload.ResolveStore(name, upload.Namespace{}, withoutSelectors(stores.Items))
	}
	if errors.As(err, &refused) {
		o.Problem = &upload.Problem{Reason: refused.Reason, Message: refused.Message, Stalled: true}
		return nil
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

func withoutSelectors(stores []v1alpha1.FileStore) []v1alpha1.FileStore {
	out := make([]v1alpha1.FileStore, len(stores))
	for i := range stores {
		out[i] = stores[i]
		out[i].Spec.NamespaceSelector = nil
	}
	return out
}
