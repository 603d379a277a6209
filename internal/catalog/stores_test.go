package catalog_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/cache"
	fakesource "k8s.io/client-go/tools/cache/testing"
	crcache "sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/catalog"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// followed is a cache of informers that run, each fed by a source.
type followed struct {
	crcache.Cache
	uploads, stores, namespaces *watched
}

// watched is one kind of it, which counts what is read.
type watched struct {
	cache.SharedIndexInformer
	source *fakesource.FakeControllerSource
	reads  int
}

// GetIndexer counts: each lookup asks for the index that it reads.
func (w *watched) GetIndexer() cache.Indexer { return counting{w.SharedIndexInformer.GetIndexer(), w} }

type counting struct {
	cache.Indexer
	kind *watched
}

func (c counting) GetByKey(key string) (any, bool, error) {
	c.kind.reads++
	return c.Indexer.GetByKey(key)
}

func (c counting) List() []any {
	c.kind.reads++
	return c.Indexer.List()
}

func newWatched(t *testing.T, kind runtime.Object, objects ...runtime.Object) *watched {
	t.Helper()
	w := &watched{source: fakesource.NewFakeControllerSource()}
	for _, obj := range objects {
		w.source.Add(obj)
	}
	w.SharedIndexInformer = cache.NewSharedIndexInformer(w.source, kind, 0, cache.Indexers{})
	return w
}

func (f followed) GetInformer(_ context.Context, kind client.Object, _ ...crcache.InformerGetOption) (crcache.Informer, error) {
	switch kind.(type) {
	case *v1alpha1.MultipartUpload:
		return f.uploads, nil
	case *v1alpha1.FileStore:
		return f.stores, nil
	default:
		return f.namespaces, nil
	}
}

func (f followed) run(t *testing.T) {
	t.Helper()
	for _, w := range []*watched{f.uploads, f.stores, f.namespaces} {
		go w.Run(t.Context().Done())
	}
	testkit.Eventually(t, func() error {
		if !f.uploads.HasSynced() || !f.stores.HasSynced() || !f.namespaces.HasSynced() {
			return errors.New("not filled")
		}
		return nil
	})
}

func namespace(name, store string) *corev1.Namespace {
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if store != "" {
		ns.Annotations = map[string]string{v1alpha1.AnnotationNamespaceStore: store}
	}
	return ns
}

// The store of a namespace is found by reading once, and again after an event that may change it; a
// refusal is never remembered.
func TestStoreOf(t *testing.T) {
	f := followed{
		uploads:    newWatched(t, &v1alpha1.MultipartUpload{}),
		stores:     newWatched(t, &v1alpha1.FileStore{}, testkit.Store("plain"), testkit.Store("standard", testkit.Default())),
		namespaces: newWatched(t, &corev1.Namespace{}, namespace("team-a", ""), namespace("team-b", "gone")),
	}
	known := catalog.New(f, &absent{})
	if err := known.Follow(); err != nil {
		t.Fatal(err)
	}
	f.run(t)
	becomes := func(want string) {
		t.Helper()
		testkit.Eventually(t, func() error {
			if fs, err := known.StoreOf(t.Context(), "team-a", ""); err != nil || fs.Name != want {
				return fmt.Errorf("it has %v, %w", fs, err)
			}
			return nil
		})
	}
	becomes("standard")
	testkit.Eventually(t, func() error { // until the events of the beginning are over
		before := f.stores.reads + f.namespaces.reads
		becomes("standard")
		if n := f.stores.reads + f.namespaces.reads; n != before {
			return fmt.Errorf("%d reads", n-before)
		}
		return nil
	})
	f.namespaces.source.Modify(namespace("team-a", "plain"))
	becomes("plain")
	f.stores.source.Modify(testkit.Store("plain", testkit.OnlyFor("tier", "gold")))
	var refused *upload.StoreError
	testkit.Eventually(t, func() error {
		fs, err := known.StoreOf(t.Context(), "team-a", "")
		if !errors.As(err, &refused) || refused.Store == nil {
			return fmt.Errorf("it has %v, %w", fs, err)
		}
		return nil
	})
	if fs, err := known.StoreOf(t.Context(), "team-a", "standard"); err != nil || fs.Name != "standard" {
		t.Errorf("the one that is named is %v, %v", fs, err)
	}
	if _, err := known.StoreOf(t.Context(), "team-b", ""); !errors.As(err, &refused) || refused.Reason != v1alpha1.ReasonStoreNotFound {
		t.Errorf("a namespace whose store is gone: %v", err)
	}
	f.stores.source.Add(testkit.Store("gone"))
	testkit.Eventually(t, func() error {
		_, err := known.StoreOf(t.Context(), "team-b", "")
		return err
	})
	if _, err := known.StoreOf(t.Context(), "team-c", ""); !errors.Is(err, catalog.ErrNoNamespace) {
		t.Errorf("a namespace that is not there: %v", err)
	}
}

// Whoever waits is woken by events, and told how a record ended that is gone.
func TestAwait(t *testing.T) {
	u := testkit.Upload(testkit.Named("team-a", "up"))
	f := followed{
		uploads: newWatched(t, &v1alpha1.MultipartUpload{}, u), stores: newWatched(t, &v1alpha1.FileStore{}), namespaces: newWatched(t, &corev1.Namespace{}),
	}
	known := catalog.New(f, &absent{})
	if err := known.Follow(); err != nil {
		t.Fatal(err)
	}
	f.run(t)
	w := known.Watch(u.UID)
	defer w.Stop()
	seen := make(chan *v1alpha1.MultipartUpload, 10)
	ended := make(chan error)
	go func() {
		ended <- known.Await(t.Context(), w, u, func(now *v1alpha1.MultipartUpload) (bool, error) {
			seen <- now
			return now == nil, nil
		})
	}()
	if now := <-seen; now == nil || now.Status.UploadID != "" {
		t.Errorf("first it is %v", now)
	}
	opened := u.DeepCopy()
	testkit.Opened("id")(opened)
	f.uploads.source.Modify(opened)
	for now := range seen { // the first events may tell nothing new
		if now.Status.UploadID != "" {
			break
		}
	}
	f.uploads.source.Delete(opened)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if last := w.Last(); last == nil || last.Status.UploadID != "id" {
		t.Errorf("it was %v", last)
	}
}
