package dataplane

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// countedCache counts the objects and lists that are read from it, whichever way.
type countedCache struct {
	cache.Cache
	reads *atomic.Int64
}

func (c countedCache) Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
	c.reads.Add(1)
	return c.Cache.Get(ctx, key, obj, opts...)
}

func (c countedCache) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	c.reads.Add(1)
	return c.Cache.List(ctx, list, opts...)
}

func (c countedCache) GetInformer(ctx context.Context, kind client.Object, opts ...cache.InformerGetOption) (cache.Informer, error) {
	informer, err := c.Cache.GetInformer(ctx, kind, opts...)
	if err != nil {
		return nil, err
	}
	return countedInformer{informer.(toolscache.SharedIndexInformer), c.reads}, nil
}

type countedInformer struct {
	toolscache.SharedIndexInformer
	reads *atomic.Int64
}

func (i countedInformer) GetIndexer() toolscache.Indexer {
	return countedIndexer{i.SharedIndexInformer.GetIndexer(), i.reads}
}

type countedIndexer struct {
	toolscache.Indexer
	reads *atomic.Int64
}

func (i countedIndexer) GetByKey(key string) (any, bool, error) {
	i.reads.Add(1)
	return i.Indexer.GetByKey(key)
}

func (i countedIndexer) ByIndex(index, value string) ([]any, error) {
	i.reads.Add(1)
	return i.Indexer.ByIndex(index, value)
}

func (i countedIndexer) List() []any {
	i.reads.Add(1)
	return i.Indexer.List()
}

// TestPartReadsTheCacheTwice: the upload is found once, and read again when its stream is
// registered; the FileStore of the namespace is known from the part before.
func TestPartReadsTheCacheTwice(t *testing.T) {
	var reads atomic.Int64
	s := benchServer(t, 2, func(known cache.Cache) cache.Cache { return countedCache{known, &reads} })
	part := func(i int) int64 {
		t.Helper()
		before := reads.Load()
		r := httptest.NewRequest(http.MethodPut, "http://127.0.0.1/namespaces/bench/api/iotfile/v3/files/"+benchEntity+"/"+benchPath(i)+"?part=1", strings.NewReader("x"))
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != http.StatusCreated {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		return reads.Load() - before
	}
	if n := part(0); n <= 2 {
		t.Errorf("the first part of a namespace read the cache %d times: the counter does not count", n)
	}
	for i := range 2 {
		if n := part(i); n > 2 {
			t.Errorf("a part read the cache %d times", n)
		}
	}
}
