package controllers_test

import (
	"sync"
	"testing"
	"time"

	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/memory"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// What was written to a record is known before the cache shows it: nothing is aborted or looked at
// once more.
func TestOwnWritesAreKnown(t *testing.T) {
	r := newRig(t)
	r.open("up", testkit.TTL(time.Hour))
	late := sync.Mutex{} // held while the events of the API server come late
	known, err := cache.New(plane.config, cache.Options{
		Scheme: scheme, DefaultNamespaces: map[string]cache.Config{r.ns: {}},
		ByObject: map[client.Object]cache.ByObject{&v1alpha1.MultipartUpload{}: {Transform: func(obj any) (any, error) {
			late.Lock()
			defer late.Unlock()
			return obj, nil
		}}},
	})
	r.must(err)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		_ = known.Start(t.Context())
	}()
	t.Cleanup(func() { <-stopped })
	r.uploads.Client, err = client.New(plane.config, client.Options{
		Scheme: scheme, Cache: &client.CacheOptions{Reader: known, EnableReadYourWritesConsistency: ptr.To(true)},
	})
	r.must(err)
	r.must(r.uploads.Client.Get(r.ctx, client.ObjectKey{Namespace: r.ns, Name: "up"}, &v1alpha1.MultipartUpload{}))
	r.clock.Step(time.Hour + upload.FenceDelay)
	late.Lock()
	_, err = r.step("up") // it ends
	r.must(err)
	r.expect("up", v1alpha1.ReasonExpired)
	aborts, looks := r.backend.Calls(memory.AbortUpload), r.backend.Calls(memory.Stat)
	next := make(chan error)
	go func() {
		_, err := r.uploads.Reconcile(r.ctx, reconcile.Request{NamespacedName: client.ObjectKey{Namespace: r.ns, Name: "up"}})
		next <- err
	}()
	select {
	case <-next:
		t.Error("a pass goes on by a record that is older than what was written to it")
	case <-time.After(time.Second):
	}
	late.Unlock()
	r.must(<-next)
	if r.backend.Calls(memory.AbortUpload) != aborts || r.backend.Calls(memory.Stat) != looks {
		t.Errorf("%d more aborts, %d more looks", r.backend.Calls(memory.AbortUpload)-aborts, r.backend.Calls(memory.Stat)-looks)
	}
	if u := r.get("up"); len(u.Finalizers) != 0 {
		t.Errorf("finalizers are %v", u.Finalizers)
	}
}
