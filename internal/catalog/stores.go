package catalog

import (
	"context"
	"errors"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// ErrNoNamespace means that a namespace is not there, or not in the cache yet.
var ErrNoNamespace = errors.New("the namespace does not exist")

// StoreOf finds the FileStore that serves a namespace, by the cache: the one named, else the one
// that upload.ResolveStore chooses. Errors: *upload.StoreError where there is none; ErrNoNamespace
// where the namespace has to be known, because none is named.
func (c *Catalog) StoreOf(ctx context.Context, namespace, name string) (*v1alpha1.FileStore, error) {
	if name == "" {
		if fs := c.serving.of(namespace); fs != nil {
			return fs, nil
		}
	}
	epoch := c.serving.begin()
	ns, err := c.namespaces.get(ctx, client.ObjectKey{Name: namespace})
	fs, err := resolve(ns, err, namespace, name, func() ([]*v1alpha1.FileStore, error) { return c.FileStores(ctx) })
	if err == nil && name == "" {
		c.serving.remember(namespace, fs, epoch)
	}
	return fs, err
}

// LiveStoreOf is StoreOf by the API server.
func (c *Catalog) LiveStoreOf(ctx context.Context, namespace, name string) (*v1alpha1.FileStore, error) {
	ns := &corev1.Namespace{}
	err := c.live.Get(ctx, client.ObjectKey{Name: namespace}, ns)
	return resolve(ns, err, namespace, name, func() ([]*v1alpha1.FileStore, error) {
		var found v1alpha1.FileStoreList
		if err := c.live.List(ctx, &found); err != nil {
			return nil, fmt.Errorf("list FileStores: %w", err)
		}
		return pointers(found.Items), nil
	})
}

// resolve chooses among the stores that list gives. err is what came of reading ns.
func resolve(ns *corev1.Namespace, err error, namespace, name string, list func() ([]*v1alpha1.FileStore, error)) (*v1alpha1.FileStore, error) {
	var known upload.Namespace
	switch {
	case err == nil:
		known = upload.Namespace{Labels: ns.Labels, Annotations: ns.Annotations}
	case !apierrors.IsNotFound(err):
		return nil, fmt.Errorf("get namespace: %w", err)
	case name == "":
		return nil, fmt.Errorf("%w: %s", ErrNoNamespace, namespace)
	}
	stores, err := list()
	if err != nil {
		return nil, err
	}
	return upload.ResolveStore(name, known, stores)
}

// FileStore finds a FileStore by its name in the cache. The error of one that is not there is
// NotFound.
func (c *Catalog) FileStore(ctx context.Context, name string) (*v1alpha1.FileStore, error) {
	return c.stores.get(ctx, client.ObjectKey{Name: name})
}

// LiveFileStore is FileStore by the API server.
func (c *Catalog) LiveFileStore(ctx context.Context, name string) (*v1alpha1.FileStore, error) {
	fs := &v1alpha1.FileStore{}
	if err := c.live.Get(ctx, client.ObjectKey{Name: name}, fs); err != nil {
		return nil, fmt.Errorf("get FileStore: %w", err)
	}
	return fs, nil
}

// FileStores are all FileStores that the cache has, in no order.
func (c *Catalog) FileStores(ctx context.Context) ([]*v1alpha1.FileStore, error) {
	var out []*v1alpha1.FileStore
	err := c.stores.each(ctx, query{}, func(options []client.ListOption) ([]*v1alpha1.FileStore, error) {
		var found v1alpha1.FileStoreList
		err := c.stores.cached.List(ctx, &found, options...)
		return pointers(found.Items), err
	}, func(fs *v1alpha1.FileStore) bool {
		out = append(out, fs)
		return true
	})
	return out, err
}

// serving remembers which FileStore serves a namespace, until an event of either tells of a change.
// Only those that are served are remembered: a refusal is always decided anew. It remembers nothing
// before it is fed.
type serving struct {
	mu          sync.RWMutex
	byNamespace map[string]*v1alpha1.FileStore // nil until it is fed
	// epoch counts the events: what was decided before one is not remembered after it.
	epoch int64
}

func (s *serving) of(namespace string) *v1alpha1.FileStore {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.byNamespace[namespace]
}

// begin is called before the cache is read for what remember is given.
func (s *serving) begin() (epoch int64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.epoch
}

func (s *serving) remember(namespace string, fs *v1alpha1.FileStore, epoch int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byNamespace != nil && s.epoch == epoch {
		s.byNamespace[namespace] = fs
	}
}

// feed begins to remember.
func (s *serving) feed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byNamespace = map[string]*v1alpha1.FileStore{}
}

// changed forgets what a changed FileStore, or Namespace, may have decided.
func (s *serving) changed(obj any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.epoch++
	if ns, ok := obj.(*corev1.Namespace); ok {
		delete(s.byNamespace, ns.Name)
		return
	}
	clear(s.byNamespace)
}
