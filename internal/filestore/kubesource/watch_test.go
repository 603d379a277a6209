package kubesource_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/cache"
	fakesource "k8s.io/client-go/tools/cache/testing"
	crcache "sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/kubesource"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

// informers are a cache's, of two kinds.
type informers struct {
	crcache.Cache
	stores, secrets cache.SharedIndexInformer
}

func (i informers) GetInformer(_ context.Context, kind client.Object, _ ...crcache.InformerGetOption) (crcache.Informer, error) {
	if _, ok := kind.(*corev1.Secret); ok {
		return i.secrets, nil
	}
	return i.stores, nil
}

// TestWatch: each event of a FileStore or a Secret is told of.
func TestWatch(t *testing.T) {
	stores, secrets := fakesource.NewFakeControllerSource(), fakesource.NewFakeControllerSource()
	i := informers{
		stores:  cache.NewSharedIndexInformer(stores, &v1alpha1.FileStore{}, 0, cache.Indexers{}),
		secrets: cache.NewSharedIndexInformer(secrets, &corev1.Secret{}, 0, cache.Indexers{}),
	}
	var told atomic.Int64
	if err := kubesource.Watch(i, func() { told.Add(1) }); err != nil {
		t.Fatal(err)
	}
	go i.stores.Run(t.Context().Done())
	go i.secrets.Run(t.Context().Done())
	for name, happen := range map[string]func(){
		"FileStore": func() { stores.Add(store("main", "keys", 1, 1)) },
		"Secret":    func() { secrets.Add(secret("system", "keys", nil)) },
	} {
		before := told.Load()
		happen()
		testkit.Eventually(t, func() error {
			if told.Load() == before {
				return fmt.Errorf("nobody was told of a new %s", name)
			}
			return nil
		})
	}
	before := told.Load()
	stores.Modify(store("main", "others", 2, 1))
	secrets.Delete(secret("system", "keys", nil))
	testkit.Eventually(t, func() error {
		if n := told.Load() - before; n < 2 {
			return fmt.Errorf("of a change and a deletion %d were told", n)
		}
		return nil
	})
}
