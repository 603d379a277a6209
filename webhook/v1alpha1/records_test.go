package v1alpha1

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/cache"
	crcache "sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// filled is a cache that has what it is given, by the indexes that controller-runtime makes.
type filled struct {
	crcache.Cache
	informer cache.SharedIndexInformer
}

func (f filled) GetInformer(context.Context, client.Object, ...crcache.InformerGetOption) (crcache.Informer, error) {
	return f.informer, nil
}

func newFilled(t *testing.T, uploads []*v1alpha1.MultipartUpload) filled {
	t.Helper()
	indexers := cache.Indexers{}
	for name, values := range upload.Indexes() {
		indexers["field:"+name] = func(obj any) (out []string, _ error) {
			u := obj.(*v1alpha1.MultipartUpload)
			for _, value := range values(u) {
				out = append(out, u.Namespace+"/"+value)
			}
			return out, nil
		}
	}
	f := filled{informer: cache.NewSharedIndexInformer(&cache.ListWatch{}, &v1alpha1.MultipartUpload{}, 0, indexers)}
	for _, u := range uploads {
		if err := f.informer.GetIndexer().Add(u); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// A review looks at what a tenant has, and copies none of it: else each would take as much memory
// as the tenant likes.
func TestLookUpsCopyNoRecords(t *testing.T) {
	const many = 20_000
	size := int64(10)
	var uploads []*v1alpha1.MultipartUpload
	for i := range many {
		u := testkit.Upload(testkit.Named("team-a", fmt.Sprint("u-", i)), testkit.InStore("store"), testkit.Opened("id"))
		u.Spec.Size = &size
		uploads = append(uploads, u)
	}
	uploads = append(uploads, testkit.Upload(testkit.Named("team-b", "u"), testkit.InStore("store"), testkit.Opened("id")))
	live := &absent{}
	w := &world{records: records{newFilled(t, uploads)}, live: live}
	ctx := t.Context()
	for name, look := range map[string]func() error{
		"what is held": func() error {
			held, err := w.heldBy(ctx, "team-a", "store", "u-0")
			if held.Open != many-1 || held.Bytes != (many-1)*size {
				return fmt.Errorf("%+v, %w", held, err)
			}
			return err
		},
		"holder": func() error { // all are of one file, as far as the index can tell, and none is there any more
			holder, err := w.holderOf(ctx, uploads[0])
			if holder != nil || live.asked != looksForHolder {
				return fmt.Errorf("%v after %d questions, %w", holder, live.asked, err)
			}
			return err
		},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if err := look(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > 3<<20 {
			t.Errorf("%s: a look at %d records takes %d KiB", name, many, took>>10)
		}
	}
}

// absent is an API server that has nothing.
type absent struct {
	client.Reader
	asked int
}

func (a *absent) Get(_ context.Context, key client.ObjectKey, _ client.Object, _ ...client.GetOption) error {
	a.asked++
	return apierrors.NewNotFound(schema.GroupResource{}, key.Name)
}
