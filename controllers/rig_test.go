package controllers_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/controllers/abortagain"
	filestorecontroller "github.com/iotfile-operator/iotfile-operator/controllers/filestore"
	"github.com/iotfile-operator/iotfile-operator/controllers/multipartupload"
	"github.com/iotfile-operator/iotfile-operator/controllers/orphans"
	"github.com/iotfile-operator/iotfile-operator/controllers/reconciler"
	"github.com/iotfile-operator/iotfile-operator/internal/catalog"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/kubesource"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/memory"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

const finalizerTimeout = 15 * time.Minute

// rig drives the reconcilers step by step: a real API server, an object store in memory that can be
// made to fail, and a clock that stands still.
type rig struct {
	t       *testing.T
	ctx     context.Context
	ns      string
	store   string // the FileStore's name
	backend *memory.Store
	clock   *clocktesting.FakeClock
	events  *eventLog
	direct  client.Client // past all faults
	faults  *apiFaults

	uploads *multipartupload.Reconciler
	stores  *filestorecontroller.Reconciler
	sweep   *orphans.Sweep
}

// newRig makes a namespace and a FileStore that is ready.
func newRig(t *testing.T, options ...testkit.StoreOption) *rig {
	t.Helper()
	return newRigWith(t, memory.Options{MinPartSize: -1}, options...)
}

func newRigWith(t *testing.T, backend memory.Options, options ...testkit.StoreOption) *rig {
	t.Helper()
	api := apiServer(t)
	r := &rig{t: t, ctx: t.Context(), clock: testkit.Clock(), events: &eventLog{}, direct: api, faults: &apiFaults{}}
	backend.Now = r.clock.Now
	r.backend = memory.New(backend)
	r.ns = newNamespace(t)
	r.store, r.faults.store = r.ns, r.ns
	faulty := interceptor.NewClient(api, r.faults.funcs())
	provider := filestore.NewProvider(kubesource.New(faulty, r.ns), r.backend.Factory())
	t.Cleanup(provider.Close)
	stores, known := storesOf{provider}, catalog.New(faulty, api)
	r.uploads = &multipartupload.Reconciler{
		Assemblies: &multipartupload.Assemblies{},
		Client:     faulty, Catalog: known, Live: api, Stores: stores, Clock: r.clock, Events: r.events, FinalizerTimeout: finalizerTimeout, Workers: 1,
		Ended:   &abortagain.Log{Client: api, Live: api, Namespace: r.ns, Clock: r.clock},
		Orphans: &orphans.Counts{},
	}
	r.stores = &filestorecontroller.Reconciler{Client: faulty, Catalog: known, Stores: stores, Clock: r.clock, Events: r.events, ProbeInterval: 5 * time.Minute}
	r.sweep = &orphans.Sweep{
		Client: faulty, Catalog: known, Stores: stores, Clock: r.clock, Events: r.events, Interval: time.Hour, Grace: time.Hour, Counts: r.uploads.Orphans,
	}
	r.createStore(options...)
	t.Cleanup(r.removeRecords)
	r.probe()
	return r
}

// removeRecords leaves no upload behind: all backends in memory give the same upload ids, and the
// sweep looks at all records.
func (r *rig) removeRecords() {
	ctx := context.Background()
	for _, key := range r.faults.created {
		u := &v1alpha1.MultipartUpload{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
		r.removeByForce(ctx, u)
	}
}

// removeByForce deletes an object that finalizers keep.
func (r *rig) removeByForce(ctx context.Context, obj client.Object) {
	unbind := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))
	r.must(client.IgnoreNotFound(r.direct.Patch(ctx, obj, unbind)))
	r.must(client.IgnoreNotFound(r.direct.Delete(ctx, obj)))
}

func newNamespace(t *testing.T) string {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}
	if err := apiServer(t).Create(t.Context(), ns); err != nil {
		t.Fatal(err)
	}
	return ns.Name
}

// storesOf narrows a Provider, as cmd/operator does.
type storesOf struct{ provider *filestore.Provider }

func (s storesOf) Get(ctx context.Context, name string) (reconciler.Store, error) {
	return s.provider.Current(ctx, name)
}

// storeLabels mark the FileStores of a test.
func storeLabels(ns string) map[string]string { return map[string]string{"test": ns} }

func (r *rig) createStore(options ...testkit.StoreOption) {
	r.t.Helper()
	r.createStoreNamed(r.store, options...)
}

func (r *rig) createStoreNamed(name string, options ...testkit.StoreOption) {
	r.t.Helper()
	fs := testkit.Store(name, options...)
	fs.Labels = storeLabels(r.ns)
	fs.Spec.Bucket = name // all rigs have one API server, and FileStores of one bucket are rivals
	fs.Generation, fs.CreationTimestamp = 0, metav1.Time{}
	r.must(r.direct.Create(r.ctx, fs))
	r.t.Cleanup(func() { r.removeByForce(context.Background(), fs) })
}

// probe runs the FileStore reconciler once.
func (r *rig) probe() *v1alpha1.FileStore {
	r.t.Helper()
	if _, err := r.stores.Reconcile(r.ctx, reconcile.Request{NamespacedName: client.ObjectKey{Name: r.store}}); err != nil {
		r.t.Fatal(err)
	}
	fs := r.fileStore()
	checkStoreHealth(r.t, fs)
	return fs
}

func (r *rig) fileStore() *v1alpha1.FileStore {
	r.t.Helper()
	fs := &v1alpha1.FileStore{}
	r.must(r.direct.Get(r.ctx, client.ObjectKey{Name: r.store}, fs))
	return fs
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// create makes an upload in the rig's namespace and store.
func (r *rig) create(name string, options ...testkit.UploadOption) *v1alpha1.MultipartUpload {
	r.t.Helper()
	u := testkit.Upload(append([]testkit.UploadOption{testkit.Named(r.ns, name), testkit.InStore(r.store)}, options...)...)
	u.UID, u.Generation, u.CreationTimestamp = "", 0, metav1.Time{}
	r.must(r.direct.Create(r.ctx, u))
	r.faults.created = append(r.faults.created, client.ObjectKeyFromObject(u))
	return u
}

// get reads the record; nil if it is gone.
func (r *rig) get(name string) *v1alpha1.MultipartUpload {
	r.t.Helper()
	u := &v1alpha1.MultipartUpload{}
	err := r.direct.Get(r.ctx, client.ObjectKey{Namespace: r.ns, Name: name}, u)
	if apierrors.IsNotFound(err) {
		return nil
	}
	r.must(err)
	return u
}

// edit changes the spec, as its owner or the data plane does.
func (r *rig) edit(name string, options ...testkit.UploadOption) {
	r.t.Helper()
	u := r.get(name)
	changed := u.DeepCopy()
	for _, option := range options {
		option(changed)
	}
	r.must(r.direct.Patch(r.ctx, changed, client.MergeFrom(u)))
}

func (r *rig) delete(name string) {
	r.t.Helper()
	r.must(r.direct.Delete(r.ctx, &v1alpha1.MultipartUpload{ObjectMeta: metav1.ObjectMeta{Namespace: r.ns, Name: name}}))
}

// step runs one pass and checks what it has recorded.
func (r *rig) step(name string) (reconcile.Result, error) {
	r.t.Helper()
	result, _, err := r.stepFrom(name, r.get(name))
	return result, err
}

// stepFrom is step for a record that was read just now. It returns the record that the pass leaves,
// nil if it is gone.
func (r *rig) stepFrom(name string, before *v1alpha1.MultipartUpload) (reconcile.Result, *v1alpha1.MultipartUpload, error) {
	r.t.Helper()
	result, err := r.uploads.Reconcile(r.ctx, reconcile.Request{NamespacedName: client.ObjectKey{Namespace: r.ns, Name: name}})
	after := r.get(name)
	if after != nil {
		if fault := testkit.CheckStatus(after); fault != nil {
			r.t.Errorf("after a pass: %v\n%+v", fault, after.Status)
		}
		checkUploadHealth(r.t, after)
		if before != nil && before.UID == after.UID {
			if fault := testkit.CheckTransition(before, after); fault != nil {
				r.t.Errorf("after a pass: %v", fault)
			}
		}
	}
	if err != nil && result != (reconcile.Result{}) {
		r.t.Errorf("a result beside an error: %+v, %v", result, err)
	}
	return result, after, err
}

// fence runs the pass that sees that the upload is to end, and lets the replicas have their time.
func (r *rig) fence(name string) {
	r.t.Helper()
	result, err := r.step(name)
	r.must(err)
	if result.RequeueAfter != upload.FenceDelay {
		r.t.Fatalf("the replicas are not waited for: %+v", result)
	}
	r.clock.Step(upload.FenceDelay)
}

// drive runs passes until nothing changes any more; each event of the record and each short pause
// brings another, and what has to be seen twice gets its time. It returns what is left to wait for.
func (r *rig) drive(name string) reconcile.Result {
	r.t.Helper()
	before := r.get(name)
	for range 30 {
		if before == nil {
			return reconcile.Result{}
		}
		result, after, err := r.stepFrom(name, before)
		changed := after == nil || after.ResourceVersion != before.ResourceVersion
		switch {
		case err == nil && !changed && (result.RequeueAfter == upload.MissingPartsDelay || result.RequeueAfter == upload.FenceDelay):
			r.clock.Step(result.RequeueAfter)
		case err == nil && !changed && (result.RequeueAfter == 0 || result.RequeueAfter > time.Second):
			return result
		}
		before = after
	}
	r.t.Fatalf("%s does not come to rest: %+v", name, r.get(name).Status)
	return reconcile.Result{}
}

// open makes an upload and has it opened.
func (r *rig) open(name string, options ...testkit.UploadOption) *v1alpha1.MultipartUpload {
	r.t.Helper()
	r.create(name, options...)
	r.drive(name)
	u := r.get(name)
	if u.Status.UploadID == "" {
		r.t.Fatalf("not opened: %+v", u.Status)
	}
	return u
}

func ref(u *v1alpha1.MultipartUpload) filestore.UploadRef {
	return filestore.UploadRef{Key: u.Status.ObjectKey, UploadID: u.Status.UploadID}
}

// part sends a part, as the data plane does.
func (r *rig) part(u *v1alpha1.MultipartUpload, number int32, content string) {
	r.t.Helper()
	_, err := r.backend.PutPart(r.ctx, ref(u), number, strings.NewReader(content), int64(len(content)))
	r.must(err)
}

// key is where the file of testkit.Upload is stored.
func (r *rig) key() string {
	return upload.FileOf(testkit.Upload(testkit.Named(r.ns, ""))).TenantKey()
}

// plant stores a file, as another upload would have left it.
func (r *rig) plant(version int64) {
	meta := upload.FileMetadata{Version: version, Owner: "uid-of-another", CreatedBy: "somebody", Created: testkit.Epoch}
	r.backend.SetObject(r.key(), []byte("old"), filestore.CreateUploadOptions{Metadata: meta.Encode()})
}

// content reads the file, and "" if there is none.
func (r *rig) content() string {
	r.t.Helper()
	body, err := r.backend.Open(r.ctx, filestore.Object{Key: r.key()}, filestore.ByteRange{Length: -1})
	if errors.Is(err, filestore.ErrNotFound) {
		return ""
	}
	r.must(err)
	defer func() { _ = body.Close() }()
	var b bytes.Buffer
	_, err = b.ReadFrom(body)
	r.must(err)
	return b.String()
}

// expect checks what `kubectl wait` and kstatus would see: the reason of Ready, and whether it is
// True or the upload is stalled.
func (r *rig) expect(name, reason string) *v1alpha1.MultipartUpload {
	r.t.Helper()
	u := r.get(name)
	if u == nil {
		r.t.Fatalf("the record of %s is gone", name)
	}
	ready := meta.FindStatusCondition(u.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil || ready.Reason != reason {
		r.t.Fatalf("condition Ready of %s is %+v, want reason %s", name, ready, reason)
	}
	checkUploadHealth(r.t, u)
	if ready.ObservedGeneration != u.Generation {
		r.t.Errorf("the conditions of %s speak of generation %d, it has %d", name, ready.ObservedGeneration, u.Generation)
	}
	return u
}

// expectOpen checks how many uploads are open in the backend.
func (r *rig) expectOpen(want int) {
	r.t.Helper()
	if open := r.backend.OpenUploads(); len(open) != want {
		r.t.Errorf("%d uploads are open in object storage, want %d: %+v", len(open), want, open)
	}
}

func stalled(u *v1alpha1.MultipartUpload) bool {
	return meta.IsStatusConditionTrue(u.Status.Conditions, v1alpha1.ConditionStalled)
}

// eventLog keeps the events that are written.
type eventLog struct {
	mu  sync.Mutex
	all []string
}

func (l *eventLog) Eventf(_, _ runtime.Object, kind, reason, action, note string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, fmt.Sprintf("%s %s %s: %s", kind, reason, action, fmt.Sprintf(note, args...)))
}

// expectEvents checks the kinds and reasons of all events about uploads so far, such as "Normal
// Initiated".
func (r *rig) expectEvents(want ...string) {
	r.t.Helper()
	r.events.mu.Lock()
	defer r.events.mu.Unlock()
	var got []string
	for _, e := range r.events.all {
		words := strings.SplitN(e, " ", 3)
		if !strings.HasPrefix(words[2], "Probe") {
			got = append(got, words[0]+" "+words[1])
		}
	}
	if !slices.Equal(got, want) {
		r.t.Errorf("events are %q, want %q", r.events.all, want)
	}
}

// apiFaults makes calls of the reconcilers to the API server fail, or answer from the past.
type apiFaults struct {
	// status and patch are asked before a write of the status or of the object is done; after, when
	// it was done.
	status, patch, after func(client.Object) error
	// cached answers Get of an upload instead of the API server, and hidden leaves uploads out of
	// lists.
	cached func() *v1alpha1.MultipartUpload
	hidden func(*v1alpha1.MultipartUpload) bool

	// store is the rig's FileStore, rivals further ones, created the uploads that it has made.
	store   string
	rivals  []string
	created []client.ObjectKey
}

func (f *apiFaults) funcs() interceptor.Funcs {
	ask := func(hook func(client.Object) error, obj client.Object) error {
		if hook == nil {
			return nil
		}
		return hook(obj)
	}
	return interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
			if u, ok := obj.(*v1alpha1.MultipartUpload); ok && f.cached != nil {
				f.cached().DeepCopyInto(u)
				return nil
			}
			return c.Get(ctx, key, obj, opts...)
		},
		List: f.list,
		Patch: func(ctx context.Context, c client.WithWatch, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
			if err := ask(f.patch, obj); err != nil {
				return err
			}
			if err := c.Patch(ctx, obj, patch, opts...); err != nil {
				return err
			}
			return ask(f.after, obj)
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, obj client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
			if err := ask(f.status, obj); err != nil {
				return err
			}
			if err := c.SubResource(sub).Patch(ctx, obj, patch, opts...); err != nil {
				return err
			}
			return ask(f.after, obj)
		},
	}
}

// list stands for the manager's cache, and is always up to date: it reads the rig's own store and
// uploads one by one, which takes a millisecond each, where a list that must be up to date takes
// the API server a tenth of a second. It knows the indexes of uploads, which the API server does
// not.
func (f *apiFaults) list(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
	switch list := list.(type) {
	case *v1alpha1.FileStoreList:
		for _, name := range append([]string{f.store}, f.rivals...) {
			fs := v1alpha1.FileStore{}
			err := c.Get(ctx, client.ObjectKey{Name: name}, &fs)
			if client.IgnoreNotFound(err) != nil {
				return err
			}
			if err == nil {
				list.Items = append(list.Items, fs)
			}
		}
		return nil
	case *v1alpha1.MultipartUploadList:
		var asked client.ListOptions
		asked.ApplyOptions(opts)
		for _, key := range f.created {
			u := v1alpha1.MultipartUpload{}
			err := c.Get(ctx, key, &u)
			if client.IgnoreNotFound(err) != nil {
				return err
			}
			if err == nil && f.listed(&u, asked) {
				list.Items = append(list.Items, u)
			}
		}
		return nil
	default:
		return c.List(ctx, list, opts...)
	}
}

func (f *apiFaults) listed(u *v1alpha1.MultipartUpload, asked client.ListOptions) bool {
	if f.hidden != nil && f.hidden(u) || asked.Namespace != "" && asked.Namespace != u.Namespace {
		return false
	}
	if asked.FieldSelector == nil {
		return true
	}
	for name, values := range catalog.Indexes() {
		if value, ok := asked.FieldSelector.RequiresExactMatch(string(name)); ok && !slices.Contains(values(u), value) {
			return false
		}
	}
	return true
}

// once makes a hook that fails a single time.
func once(err error) func(client.Object) error {
	done := false
	return func(client.Object) error {
		if done {
			return nil
		}
		done = true
		return err
	}
}
