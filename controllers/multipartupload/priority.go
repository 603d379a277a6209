package multipartupload

import (
	"context"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// Priorities in the queue of uploads. They follow from what an upload needs and not, as is usual,
// from whether its event is news: after a change of leaders all uploads come as a list, and after a
// change of a FileStore all of its own are looked at; those that clients wait for must not stand in
// line behind thousands that are merely there. Within one priority it is first come, first served.
const (
	// priorityUrgent: somebody waits, see upload.Urgent.
	priorityUrgent = 0
	// priorityOpen: it takes parts, until it expires or is found to be lost.
	priorityOpen = handler.LowPriority
	// priorityCleared: it has expired and its parts are gone, which is to be recorded. Of many
	// uploads that expire at once the parts of all go first.
	priorityCleared = 2 * handler.LowPriority
	// priorityEnded: only its record is left, to be tidied up when all ends are recorded.
	priorityEnded = 3 * handler.LowPriority
)

func priorityOf(u *v1alpha1.MultipartUpload) int {
	switch {
	case upload.Urgent(u):
		return priorityUrgent
	case upload.Ended(u):
		return priorityEnded
	default:
		return priorityOpen
	}
}

// byPriority enqueues, by their priority, the uploads that an event concerns.
func byPriority(concerned func(context.Context, client.Object) []*v1alpha1.MultipartUpload) handler.EventHandler {
	add := func(ctx context.Context, obj client.Object, q workqueue.TypedRateLimitingInterface[reconcile.Request]) {
		for _, u := range concerned(ctx, obj) {
			req := reconcile.Request{NamespacedName: types.NamespacedName{Namespace: u.Namespace, Name: u.Name}}
			if pq, ok := q.(priorityqueue.PriorityQueue[reconcile.Request]); ok {
				pq.AddWithOpts(priorityqueue.AddOpts{Priority: ptr.To(priorityOf(u))}, req)
				continue
			}
			q.Add(req)
		}
	}
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q workqueue.TypedRateLimitingInterface[reconcile.Request]) {
			add(ctx, e.Object, q)
		},
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q workqueue.TypedRateLimitingInterface[reconcile.Request]) {
			add(ctx, e.ObjectNew, q)
		},
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q workqueue.TypedRateLimitingInterface[reconcile.Request]) {
			add(ctx, e.Object, q)
		},
	}
}

// itself is the upload that an event is about.
func itself(_ context.Context, obj client.Object) []*v1alpha1.MultipartUpload {
	u, ok := obj.(*v1alpha1.MultipartUpload)
	if !ok {
		return nil
	}
	return []*v1alpha1.MultipartUpload{u}
}
