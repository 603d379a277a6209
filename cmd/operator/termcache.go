package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	toolscache "k8s.io/client-go/tools/cache"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// termCache is the process's cache as the manager of one term sees it: it does not end with the
// term, but the handlers that the term's controllers have added do, which would else be fed for
// ever.
type termCache struct {
	cache.Cache
	mu       sync.Mutex
	handlers []func() error
}

// Start implements manager.Runnable: whoever owns the cache has started it.
func (c *termCache) Start(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// GetInformer implements cache.Informers.
func (c *termCache) GetInformer(ctx context.Context, obj client.Object, opts ...cache.InformerGetOption) (cache.Informer, error) {
	informer, err := c.Cache.GetInformer(ctx, obj, opts...)
	if err != nil {
		return nil, fmt.Errorf("informer of %T: %w", obj, err)
	}
	return termInformer{informer, c}, nil
}

// leave removes the handlers of the term. It is called once, when nothing adds any more.
func (c *termCache) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, remove := range c.handlers {
		errs = append(errs, remove())
	}
	if err := errors.Join(errs...); err != nil {
		ctrl.Log.Error(err, "cannot remove the handlers of a term")
	}
}

// termInformer remembers who is to be removed.
type termInformer struct {
	cache.Informer
	cache *termCache
}

func (i termInformer) remember(r toolscache.ResourceEventHandlerRegistration, err error) (toolscache.ResourceEventHandlerRegistration, error) {
	if err != nil {
		return nil, err
	}
	i.cache.mu.Lock()
	defer i.cache.mu.Unlock()
	i.cache.handlers = append(i.cache.handlers, func() error { return i.RemoveEventHandler(r) })
	return r, nil
}

// AddEventHandler implements cache.Informer, as do the other two.
func (i termInformer) AddEventHandler(h toolscache.ResourceEventHandler) (toolscache.ResourceEventHandlerRegistration, error) {
	return i.remember(i.Informer.AddEventHandler(h))
}

// AddEventHandlerWithResyncPeriod implements cache.Informer.
func (i termInformer) AddEventHandlerWithResyncPeriod(h toolscache.ResourceEventHandler, every time.Duration) (toolscache.ResourceEventHandlerRegistration, error) {
	return i.remember(i.Informer.AddEventHandlerWithResyncPeriod(h, every))
}

// AddEventHandlerWithOptions implements cache.Informer.
func (i termInformer) AddEventHandlerWithOptions(h toolscache.ResourceEventHandler, o toolscache.HandlerOptions) (toolscache.ResourceEventHandlerRegistration, error) {
	return i.remember(i.Informer.AddEventHandlerWithOptions(h, o))
}
