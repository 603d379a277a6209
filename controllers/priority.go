package controllers

import (
	"context"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// Priorities in the queue of uploads. They follow from what an upload needs and not, as is usual, from whether its event is news: after a
// change of leaders all uploads come as a list, and those that clients wait for must not stand in line behind thousands that are merely there. Within one priority it is first come,
// first served.
const (
	// priorityUrgent: somebody waits, see upload.Urgent.
	priorityUrgent = 0
	// priorityOpen: it takes parts, until it expires or is found to be lost.
	priorityOpen = handler.LowPriority
	// priorityEnded: only its record is left. Of many uploads that expire at once all are aborted before the first record is tidied up.
	priorityEnded = 2 * handler.LowPriority
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

// byPriority enqueues uploads by their priority.
func byPriority() handler.EventHandler {
	add := func(obj client.Object, q workqueue.TypedRateLimitingInterface[reconcile.Request]) {
		u, ok := obj.(*v1alpha1.MultipartUpload)
		if !ok {
			return
		}
		req := reconcile.Request{NamespacedName: types.NamespacedName{Namespace: u.Namespace, Name: u.Name}}
		priority := priorityOf(u)
		if pq, ok := q.(priorityqueue.PriorityQueue[reconcile.Request]); ok {
			pq.AddWithOpts(priorityqueue.AddOpts{Priority: &priority}, req)
			return
		}
		q.Add(req)
	}
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q workqueue.TypedRateLimitingInterface[reconcile.Request]) {
			add(e.Object, q)
		},
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q workqueue.TypedRateLimitingInterface[reconcile.Request]) {
			add(e.ObjectNew, q)
		},
	}
}
