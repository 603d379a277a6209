package catalog

import (
	"context"
	"fmt"
	"sync/atomic"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// shelf is what the cache has of one kind. It reads the informer's own index where there is one to
// see: a client copies each record of a list, if not deeply, which for a hundred thousand records
// is a hundred megabytes, and this copies a pointer for each.
type shelf[T client.Object] struct {
	resource  string
	cached    client.Reader
	informers cache.Informers // nil where cached is no cache
	blank     func() T

	index atomic.Pointer[toolscache.Indexer]
}

// indexer is the informer's own index. It is nil where cached is no cache, and where that is one of
// some namespaces, which has an informer for each and does not show them.
func (s *shelf[T]) indexer(ctx context.Context) (toolscache.Indexer, error) {
	if known := s.index.Load(); known != nil {
		return *known, nil
	}
	if s.informers == nil {
		return nil, nil
	}
	informer, err := s.informers.GetInformer(ctx, s.blank())
	if err != nil {
		return nil, fmt.Errorf("informer of %s: %w", s.resource, err)
	}
	var indexer toolscache.Indexer
	if shared, ok := informer.(toolscache.SharedIndexInformer); ok {
		indexer = shared.GetIndexer()
	}
	if informer.HasSynced() {
		s.index.Store(&indexer)
	}
	return indexer, nil
}

// get gives the object of that key. The error of one that is not there is NotFound.
func (s *shelf[T]) get(ctx context.Context, key client.ObjectKey) (T, error) {
	indexer, err := s.indexer(ctx)
	if err != nil {
		return *new(T), err
	}
	if indexer == nil {
		obj := s.blank()
		return obj, s.cached.Get(ctx, key, obj, client.UnsafeDisableDeepCopy)
	}
	name := key.Name
	if key.Namespace != "" {
		name = key.Namespace + "/" + key.Name
	}
	obj, exists, err := indexer.GetByKey(name)
	if err != nil {
		return *new(T), fmt.Errorf("look up in the cache: %w", err)
	}
	if typed, ok := obj.(T); exists && ok {
		return typed, nil
	}
	return *new(T), apierrors.NewNotFound(schema.GroupResource{Resource: s.resource}, key.Name)
}

// query selects objects: all of them, or those of a namespace that an index has under a value.
type query struct{ namespace, index, value string }

// objects are those that the informer's index has for q.
func (q query) objects(indexer toolscache.Indexer) ([]any, error) {
	if q.index == "" {
		return indexer.List(), nil
	}
	// The names are controller-runtime's, for what IndexField makes.
	return indexer.ByIndex("field:"+q.index, q.namespace+"/"+q.value)
}

// options are q for a client.
func (q query) options() []client.ListOption {
	out := []client.ListOption{client.UnsafeDisableDeepCopy}
	if q.index != "" {
		out = append(out, client.InNamespace(q.namespace), client.MatchingFields{q.index: q.value})
	}
	return out
}

// each calls yield for the objects of q, in no order, until that returns false. list gives them
// where the informer's index is not to be seen.
func (s *shelf[T]) each(ctx context.Context, q query, list func([]client.ListOption) ([]T, error), yield func(T) bool) error {
	indexer, err := s.indexer(ctx)
	if err != nil {
		return err
	}
	if indexer == nil {
		found, err := list(q.options())
		if err != nil {
			return fmt.Errorf("list %s in the cache: %w", s.resource, err)
		}
		for _, obj := range found {
			if !yield(obj) {
				return nil
			}
		}
		return nil
	}
	found, err := q.objects(indexer)
	if err != nil {
		return fmt.Errorf("look %s up in the cache: %w", s.resource, err)
	}
	for _, obj := range found {
		if typed, ok := obj.(T); ok && !yield(typed) {
			return nil
		}
	}
	return nil
}
