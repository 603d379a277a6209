package catalog

import (
	"context"
	"errors"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// Follow has events wake waiters, and keep what is known of namespaces true. It is called once, and
// needs a Catalog that was made of a cache, which may not have been started yet.
func (c *Catalog) Follow() error {
	if c.uploads.informers == nil {
		return errors.New("catalog: there is no cache to follow")
	}
	c.serving.feed()
	for _, f := range []struct {
		kind client.Object
		told func(any)
	}{{&v1alpha1.MultipartUpload{}, c.waiters.wake}, {&v1alpha1.FileStore{}, c.serving.changed}, {&corev1.Namespace{}, c.serving.changed}} {
		informer, err := c.uploads.informers.GetInformer(context.Background(), f.kind, cache.BlockUntilSynced(false))
		if err == nil {
			_, err = informer.AddEventHandler(every(f.told))
		}
		if err != nil {
			return fmt.Errorf("watch %T: %w", f.kind, err)
		}
	}
	return nil
}

// every is a handler that tells of each event what the object is now, or last was.
func every(told func(any)) toolscache.ResourceEventHandler {
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc:    told,
		UpdateFunc: func(_, obj any) { told(obj) },
		DeleteFunc: func(obj any) {
			if tombstone, ok := obj.(toolscache.DeletedFinalStateUnknown); ok {
				obj = tombstone.Obj
			}
			told(obj)
		},
	}
}

// waiters wakes those who wait for a change of an upload. What changed is read from the cache,
// which is never behind its events, but for a record that is gone by then: Last has what that was.
type waiters struct {
	mu    sync.Mutex
	byUID map[types.UID]map[*Waiter]struct{}
}

// Waiter is one who waits for changes of an upload.
type Waiter struct {
	waiters *waiters
	uid     types.UID
	// woken gets a value when something has changed since the last one was taken.
	woken chan struct{}
	last  *v1alpha1.MultipartUpload // guarded by waiters.mu
}

// Watch wakes the Waiter at changes and deletion of the upload with this UID from now on. The
// caller calls Stop.
func (c *Catalog) Watch(uid types.UID) *Waiter {
	ws := &c.waiters
	w := &Waiter{waiters: ws, uid: uid, woken: make(chan struct{}, 1)}
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.byUID == nil {
		ws.byUID = map[types.UID]map[*Waiter]struct{}{}
	}
	if ws.byUID[uid] == nil {
		ws.byUID[uid] = map[*Waiter]struct{}{}
	}
	ws.byUID[uid][w] = struct{}{}
	return w
}

// Stop ends the watch. It is idempotent.
func (w *Waiter) Stop() {
	w.waiters.mu.Lock()
	defer w.waiters.mu.Unlock()
	delete(w.waiters.byUID[w.uid], w)
	if len(w.waiters.byUID[w.uid]) == 0 {
		delete(w.waiters.byUID, w.uid)
	}
}

// Last is what the last event told of the upload, nil if there was none.
func (w *Waiter) Last() *v1alpha1.MultipartUpload {
	w.waiters.mu.Lock()
	defer w.waiters.mu.Unlock()
	return w.last
}

func (ws *waiters) wake(obj any) {
	u, ok := obj.(*v1alpha1.MultipartUpload)
	if !ok {
		return
	}
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for w := range ws.byUID[u.UID] {
		w.last = u
		select {
		case w.woken <- struct{}{}:
		default: // it has not read since the last time
		}
	}
}
