package dataplane

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// waiters wakes requests that wait for the reconciler, when the informer tells of a change of their
// upload. It is fed by one event handler; what changed is read from the informer's cache, which is
// never behind its events, but for a record that is gone by then: last has what it was.
type waiters struct {
	mu    sync.Mutex
	byUID map[types.UID]map[*waiter]struct{}
}

// waiter is one request that waits.
type waiter struct {
	// woken gets a value when something has changed since the last one was taken.
	woken chan struct{}
	stop  func()
	// last gives what the last event told of the object, nil if there was none. It belongs to the
	// cache.
	last func() *v1alpha1.MultipartUpload
	seen *v1alpha1.MultipartUpload // by last; guarded by waiters.mu
}

// subscribe wakes the waiter at changes and deletion of the object with this UID from now on. The
// caller calls stop.
func (ws *waiters) subscribe(uid types.UID) *waiter {
	w := &waiter{woken: make(chan struct{}, 1)}
	w.stop = func() {
		ws.mu.Lock()
		defer ws.mu.Unlock()
		delete(ws.byUID[uid], w)
		if len(ws.byUID[uid]) == 0 {
			delete(ws.byUID, uid)
		}
	}
	w.last = func() *v1alpha1.MultipartUpload {
		ws.mu.Lock()
		defer ws.mu.Unlock()
		return w.seen
	}
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.byUID == nil {
		ws.byUID = map[types.UID]map[*waiter]struct{}{}
	}
	if ws.byUID[uid] == nil {
		ws.byUID[uid] = map[*waiter]struct{}{}
	}
	ws.byUID[uid][w] = struct{}{}
	return w
}

func (ws *waiters) wake(obj any) {
	if tombstone, ok := obj.(toolscache.DeletedFinalStateUnknown); ok {
		obj = tombstone.Obj
	}
	u, ok := obj.(*v1alpha1.MultipartUpload)
	if !ok {
		return
	}
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for w := range ws.byUID[u.UID] {
		w.seen = u
		select {
		case w.woken <- struct{}{}:
		default: // it has not looked since the last time
		}
	}
}

// handler feeds the waiters from an informer.
func (ws *waiters) handler() toolscache.ResourceEventHandler {
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc:    ws.wake,
		UpdateFunc: func(_, obj any) { ws.wake(obj) },
		DeleteFunc: ws.wake,
	}
}
