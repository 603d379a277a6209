package catalog_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/cache"
	crcache "sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/catalog"
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

func newFilled(t *testing.T, uploads ...*v1alpha1.MultipartUpload) filled {
	t.Helper()
	indexers := cache.Indexers{}
	for name, values := range catalog.Indexes() {
		indexers["field:"+string(name)] = func(obj any) (out []string, _ error) {
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

// A file is found by what it is, and by nothing else, also among those that share its place in the
// index.
func TestOfFile(t *testing.T) {
	file := upload.File{Namespace: "team-a", EntityID: testkit.Entity, Path: "a/b.bin"}
	neighbour := file
	for i := 0; neighbour == file || catalog.FileKey(neighbour) != catalog.FileKey(file); i++ {
		neighbour.Path = fmt.Sprintf("a/%d.bin", i)
	}
	of := func(f upload.File, name string) *v1alpha1.MultipartUpload {
		return testkit.Upload(testkit.ForFile(f.EntityID, f.Path), testkit.Named(f.Namespace, name), testkit.InStore("gold"))
	}
	derived := of(file, upload.Name("gold", file))
	known := catalog.New(newFilled(t,
		of(neighbour, "neighbour"), of(file, "one"), of(upload.File{Namespace: "team-b", EntityID: file.EntityID, Path: file.Path}, "of-another-team"),
		of(upload.File{Namespace: "team-a", EntityID: "f" + file.EntityID[1:], Path: file.Path}, "of-another-entity"), derived,
		of(neighbour, upload.Name("silver", file)),
	), &absent{})
	picked, err := known.OfFile(t.Context(), file)
	if err != nil || len(picked) != 2 || !slices.Contains(picked, derived) || !slices.ContainsFunc(picked, func(u *v1alpha1.MultipartUpload) bool { return u.Name == "one" }) {
		t.Errorf("picked %+v, %v", picked, err)
	}
	if u := known.Named(t.Context(), file, "gold"); u != derived {
		t.Errorf("by its name: %+v", u)
	}
	if u := known.Named(t.Context(), file, "silver"); u != nil {
		t.Errorf("an upload of another file was given for the name: %+v", u)
	}
}

// Which record has the file, and which became it last.
func TestRecords(t *testing.T) {
	at := func(name string, options ...testkit.UploadOption) *v1alpha1.MultipartUpload {
		return testkit.Upload(append([]testkit.UploadOption{testkit.Named("team-a", name)}, options...)...)
	}
	waiting, opened := at("waiting", testkit.StalledBy(v1alpha1.ReasonVersionConflict)), at("opened", testkit.Opened("id"))
	ended := at("ended", testkit.Opened("id"), testkit.Ended(testkit.Epoch))
	rs := catalog.Records{waiting, ended, opened}
	if rs.Open() != opened || rs.Holder() != opened || rs.Completed() != nil {
		t.Errorf("open is %v, holder %v, completed %v", rs.Open(), rs.Holder(), rs.Completed())
	}
	if rs := (catalog.Records{waiting, ended}); rs.Open() != waiting || rs.Holder() != nil {
		t.Errorf("without the opened one, open is %v, and holder %v", rs.Open(), rs.Holder())
	}
}

// A lookup looks at what a tenant has, and copies none of it: else each would take as much memory
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
	known := catalog.New(newFilled(t, uploads...), live)
	ctx := t.Context()
	for name, look := range map[string]func() error{
		"what is held": func() error {
			held, err := known.Held(ctx, upload.Tenant{Namespace: "team-a", Store: "store"}, catalog.ByOpen, nil, "u-0")
			if held.Open != many-1 || held.Bytes != (many-1)*size {
				return fmt.Errorf("%+v, %w", held, err)
			}
			return err
		},
		"what is held of those that were opened": func() error {
			held, err := known.Held(ctx, upload.Tenant{Namespace: "team-a", Store: "store"}, catalog.ByOpened, nil, "u-0")
			if held.Open != many-1 {
				return fmt.Errorf("%+v, %w", held, err)
			}
			return err
		},
		"holder": func() error { // all are of one file, as far as the index can tell, and none is there any more
			holder, err := known.LiveHolder(ctx, upload.FileOf(uploads[0]))
			if holder != nil || live.asked != 8 {
				return fmt.Errorf("%v after %d questions, %w", holder, live.asked, err)
			}
			return err
		},
		"all": func() error {
			n := 0
			if err := known.EachUpload(ctx, func(*v1alpha1.MultipartUpload) { n++ }); err != nil || n != many+1 {
				return errors.Join(fmt.Errorf("%d records", n), err)
			}
			return nil
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
