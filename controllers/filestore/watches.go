package filestore

import (
	"context"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// storesOfSecret names the FileStores whose credentials a Secret holds.
func (r *Reconciler) storesOfSecret(ctx context.Context, secret client.Object) []reconcile.Request {
	var stores v1alpha1.FileStoreList
	if err := r.Client.List(ctx, &stores); err != nil {
		return nil // the next probe sees the change
	}
	var out []reconcile.Request
	for i := range stores.Items {
		c := stores.Items[i].Spec.Credentials
		if c != nil && c.SecretRef != nil && c.SecretRef.Name == secret.GetName() {
			out = append(out, reconcile.Request{NamespacedName: types.NamespacedName{Name: stores.Items[i].Name}})
		}
	}
	return out
}

// countOpen has a store's uploads counted a while after one of them was opened or ended, so that
// many changes make one status write.
func countOpen() handler.EventHandler {
	type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]
	add := func(q queue, u client.Object) {
		if mpu, ok := u.(*v1alpha1.MultipartUpload); ok && upload.OpenedIn(mpu) != "" {
			q.AddAfter(reconcile.Request{NamespacedName: types.NamespacedName{Name: upload.OpenedIn(mpu)}}, countDelay)
		}
	}
	return handler.Funcs{
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue) {
			before, ok1 := e.ObjectOld.(*v1alpha1.MultipartUpload)
			after, ok2 := e.ObjectNew.(*v1alpha1.MultipartUpload)
			if ok1 && ok2 && (upload.OpenedIn(before) != upload.OpenedIn(after) || (before.Status.CompletionTime == nil) != (after.Status.CompletionTime == nil)) {
				add(q, after)
			}
		},
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, q queue) { add(q, e.Object) },
	}
}

// isOpenIn reports whether the upload is open in a store.
func isOpenIn(u *v1alpha1.MultipartUpload, store string) bool {
	return upload.OpenedIn(u) == store && !upload.Ended(u)
}
