package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// expiryWatch sees uploads expire as any other client of the API server does.
type expiryWatch struct {
	mu sync.Mutex
	// due is when each upload expires, as its status says; seen when it was seen to have ended;
	// free are those without finalizer.
	due, seen map[string]time.Time
	free      map[string]bool
	// reasons counts ends by phase: all should be Expired.
	phases map[v1alpha1.UploadPhase]int
}

func watchExpiries(ctx context.Context, b *testbed, namespaces []string) (*expiryWatch, error) {
	opts := cache.Options{Scheme: b.scheme, DefaultNamespaces: map[string]cache.Config{}}
	for _, name := range namespaces {
		opts.DefaultNamespaces[name] = cache.Config{}
	}
	known, err := cache.New(b.system.ControlPlane.RESTConfig(), opts)
	if err != nil {
		return nil, err
	}
	go func() { _ = known.Start(ctx) }()
	informer, err := known.GetInformer(ctx, &v1alpha1.MultipartUpload{})
	if err != nil {
		return nil, err
	}
	w := &expiryWatch{due: map[string]time.Time{}, seen: map[string]time.Time{}, free: map[string]bool{}, phases: map[v1alpha1.UploadPhase]int{}}
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    w.note,
		UpdateFunc: func(_, now any) { w.note(now) },
	})
	return w, err
}

func (w *expiryWatch) note(obj any) {
	u, ok := obj.(*v1alpha1.MultipartUpload)
	if !ok {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if at := u.Status.ExpirationTime; at != nil {
		w.due[u.Name] = at.Time
	}
	if !upload.Ended(u) {
		return
	}
	if w.seen[u.Name].IsZero() {
		w.seen[u.Name] = time.Now()
		w.phases[u.Status.Phase]++
	}
	if len(u.Finalizers) == 0 {
		w.free[u.Name] = true
	}
}

func (w *expiryWatch) count(number func() int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return number()
}

func (w *expiryWatch) opened() int   { return w.count(func() int { return len(w.due) }) }
func (w *expiryWatch) ended() int    { return w.count(func() int { return len(w.seen) }) }
func (w *expiryWatch) released() int { return w.count(func() int { return len(w.free) }) }

// wait waits until all uploads are what they have to be.
func (w *expiryWatch) wait(ctx context.Context, limit time.Duration, what string, all func() bool) error {
	deadline := time.Now().Add(limit)
	for !all() {
		if time.Now().After(deadline) {
			return fmt.Errorf("not all uploads are %s after %s: %d are open or were, %d have ended, %d are released", what, limit, w.opened(), w.ended(), w.released())
		}
		if err := sleep(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// report prints how late they ended. What was seen before its time counts as negative.
func (w *expiryWatch) report() {
	w.mu.Lock()
	defer w.mu.Unlock()
	var late latencies
	var first, last time.Time
	for name, seen := range w.seen {
		late = append(late, seen.Sub(w.due[name]).Seconds())
		if first.IsZero() || w.due[name].Before(first) {
			first = w.due[name]
		}
		if w.due[name].After(last) {
			last = w.due[name]
		}
	}
	fmt.Printf("Their expiration times lie in %s; they ended as %v.\n\n| lateness | min | p50 | p99 | max |\n|---|--:|--:|--:|--:|\n| end recorded, as seen by a watch | %.2f s | %.2f s | %.2f s | %.2f s |\n",
		last.Sub(first), w.phases, slices.Min(late), percentile(late, 50), percentile(late, 99), slices.Max(late))
}
