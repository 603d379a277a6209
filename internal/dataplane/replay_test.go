package dataplane_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/catalog"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/memory"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// TestStartReplay: the Idempotency-Key tells a repeated request from a second one.
func TestStartReplay(t *testing.T) {
	s := newSystem(t, setup{})
	start := s.path("x?upload=start")
	var wg sync.WaitGroup
	for range 8 { // at once
		wg.Go(func() {
			if got := s.put(start, nil, "Idempotency-Key", "k1"); got.status != 201 {
				t.Errorf("replay: %v", got)
			}
		})
	}
	wg.Wait()
	if n := s.store.(*memory.Store).Calls(memory.CreateUpload); n != 1 {
		t.Errorf("opened %d times in the store, want once", n)
	}
	s.want(s.put(s.path("x?part=1"), randomBytes(3000)), 201)
	s.want(s.put(start, nil, "Idempotency-Key", "k1"), 201)
	s.want(s.put(start, nil, "Idempotency-Key", "k2"), 400)
	s.want(s.put(start, nil), 400)
	s.want(s.put(s.path("x?upload=complete"), nil), 201)
	s.want(s.put(start, nil, "Idempotency-Key", "k1"), 409)
	s.want(s.put(start, nil, "Idempotency-Key", "k3", "If-Match", "0"), 204)
	s.want(s.put(start, nil, "Idempotency-Key", "k3", "If-Match", "0"), 204)
	if got := s.want(s.put(start, nil, "Idempotency-Key", "k3"), 400); !strings.Contains(string(got.body), "another If-Match") {
		t.Errorf("same key, other request: %v", got)
	}
}

// TestStartCutOff: a start whose replica cannot see that the upload is open does not take it from
// the copy of the request that could.
func TestStartCutOff(t *testing.T) {
	s := newSystem(t, setup{})
	cut := &cutOff{}
	other := s.replica(func(o *dataplane.Options) {
		cut.Client = o.Client
		o.Client, o.Cache, o.StartTimeout = cut, cutCache{o.Cache, cut}, 3*time.Second
		o.Catalog = catalog.New(o.Cache, cut)
	})
	start := s.path("x?upload=start")
	first := make(chan reply)
	go func() { first <- other.put(start, nil, "Idempotency-Key", "k") }()
	s.eventually("opened", func() error {
		if records := s.records(); len(records) == 0 || records[0].Status.UploadID == "" {
			return errors.New("not open")
		}
		return nil
	})
	s.want(s.put(start, nil, "Idempotency-Key", "k"), 201)
	s.want(<-first, 201)
	s.want(s.put(s.path("x?part=1"), randomBytes(3000)), 201)
	s.want(s.put(s.path("x?upload=complete"), nil), 201)
}

// cutOff gets no answer about an upload before the first request for one has been given up.
type cutOff struct {
	client.Client
	healed atomic.Bool
}

func (c *cutOff) Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
	if _, ok := obj.(*v1alpha1.MultipartUpload); ok && !c.healed.Load() {
		<-ctx.Done()
		c.healed.Store(true)
		return ctx.Err()
	}
	return c.Client.Get(ctx, key, obj, opts...)
}

// cutCache is the cache of a replica that is cut off.
type cutCache struct {
	cache.Cache
	cut *cutOff
}

func (c cutCache) Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
	return c.cut.Get(ctx, key, obj, opts...)
}

// TestStartWhoseReplicaDied: a client without keys gets the upload that its first start has opened,
// of which nobody could tell it. Once it was told, or has sent a part, it is refused like any
// other.
func TestStartWhoseReplicaDied(t *testing.T) {
	s := newSystem(t, setup{})
	u := &v1alpha1.MultipartUpload{Spec: v1alpha1.MultipartUploadSpec{EntityID: entity, Path: "x", CreatedBy: "anonymous", StoreName: s.namespace}}
	u.Namespace = s.namespace
	u.Name = upload.Name(s.namespace, upload.File{Namespace: s.namespace, EntityID: entity, Path: "x"})
	u.Labels = map[string]string{v1alpha1.LabelCreatedThrough: v1alpha1.CreatedThroughREST}
	must(t, s.kube.Create(t.Context(), u)) // as a replica does that dies before its answer
	start := s.path("x?upload=start")
	s.want(s.put(start, nil, "X-File-Size", "9"), 400) // another request
	s.want(s.put(start, nil), 201)
	s.want(s.put(start, nil), 400)
	s.want(s.put(s.path("x?part=1"), randomBytes(3000)), 201)
	s.want(s.put(start, nil), 400)
	s.want(s.put(s.path("x?upload=complete"), nil), 201)
	if n := s.store.(*memory.Store).Calls(memory.CreateUpload); n != 1 {
		t.Errorf("opened %d times", n)
	}
}

// TestStartRace: of many that start one file at once, one gets it.
func TestStartRace(t *testing.T) {
	s := newSystem(t, setup{})
	for round := range 5 {
		file := s.path(fmt.Sprintf("race-%d", round))
		counts := statuses(10, func(int) reply { return s.put(file+"?upload=start", nil) })
		if counts[201] != 1 || counts[400] != 9 {
			t.Errorf("round %d: %v, want one 201 and nine 400", round, counts)
		}
	}
	if n := len(s.store.(*memory.Store).OpenUploads()); n != 5 {
		t.Errorf("%d uploads open in the store, want 5", n)
	}
}

func statuses(n int, send func(i int) reply) map[int]int {
	var mu sync.Mutex
	var wg sync.WaitGroup
	counts := map[int]int{}
	for i := range n {
		wg.Go(func() {
			got := send(i)
			mu.Lock()
			defer mu.Unlock()
			counts[got.status]++
		})
	}
	wg.Wait()
	return counts
}

// TestStartWhileAborting: a start waits until an earlier upload has freed the file.
func TestStartWhileAborting(t *testing.T) {
	store := memory.New(memory.Options{MinPartSize: -1})
	s := newSystem(t, setup{store: store, options: func(o *dataplane.Options) { o.AbortTimeout = 300 * time.Millisecond }})
	s.started("x")
	hold := make(chan struct{})
	store.Inject(memory.Fault{Operation: memory.AbortUpload, Times: 1, Before: memory.WaitFor(hold)})
	got := s.want(s.put(s.path("x?upload=abort"), nil), 503)
	if got.header.Get("Retry-After") == "" {
		t.Error("503 without Retry-After")
	}
	// The intent may not have been recorded in that time, or not be in the cache yet.
	s.eventually("fenced", func() error {
		if part := s.put(s.path("x?part=2"), randomBytes(3000)); part.status != http.StatusConflict {
			return fmt.Errorf("part %v, abort %v", part, s.put(s.path("x?upload=abort"), nil))
		}
		return nil
	})
	done := make(chan reply)
	go func() { done <- s.put(s.path("x?upload=start"), nil) }()
	select {
	case got := <-done:
		t.Fatalf("start while the old one is there: %v", got)
	case <-time.After(500 * time.Millisecond):
	}
	close(hold)
	s.want(<-done, 201)
	s.want(s.put(s.path("x?upload=complete"), []byte("new")), 201)
}

// TestStartClientGone: a start whose client leaves before the answer does not keep the file, unless
// the request can be recognised.
func TestStartClientGone(t *testing.T) {
	store := memory.New(memory.Options{MinPartSize: -1})
	s := newSystem(t, setup{store: store})
	for _, key := range []string{"", "key"} {
		file := "gone" + key
		hold := make(chan struct{})
		remove := store.Inject(memory.Fault{Operation: memory.CreateUpload, Before: memory.WaitFor(hold)})
		c := s.dial()
		headers := []string{"Content-Length: 0"}
		if key != "" {
			headers = append(headers, "Idempotency-Key: "+key)
		}
		c.head(s, "PUT", s.path(file+"?upload=start"), headers...)
		s.eventually("recorded", func() error {
			if len(s.records()) == 0 {
				return errors.New("no record")
			}
			return nil
		})
		must(t, c.Close())
		s.eventually("logged", func() error {
			if len(s.log.with(`"path"="`+file+`"`)) == 0 {
				return errors.New("still waiting")
			}
			return nil
		})
		remove()
		close(hold)
		headersAgain := []string{}
		if key != "" {
			headersAgain = []string{"Idempotency-Key", key}
		}
		s.want(s.put(s.path(file+"?upload=start"), nil, headersAgain...), 201)
		s.want(s.put(s.path(file+"?upload=abort"), nil, headersAgain...), 204)
	}
}

// TestCompleteReplay: a complete that is sent again, at once or later, with its body, gives the
// same answer and the same file.
func TestCompleteReplay(t *testing.T) {
	s := newSystem(t, setup{})
	for round := range 5 {
		name := fmt.Sprintf("replay-%d", round)
		part, last := s.started(name), randomBytes(2_000_000)
		send := func(int) reply { return s.put(s.path(name+"?upload=complete"), last) }
		if counts := statuses(4, send); counts[201] != 4 {
			t.Errorf("at once: %v, want four 201", counts)
		}
		again := s.want(send(0), 201)
		checkCompleted(t, again, "0", "/namespaces/"+s.namespace+s.path(name))
		checkCompleted(t, s.want(s.put(s.path(name+"?upload=complete"), nil), 201), "0", "/namespaces/"+s.namespace+s.path(name))
		if got := s.get(s.path(name)); !bytes.Equal(got.body, append(bytes.Clone(part), last...)) {
			t.Errorf("the file has %d bytes, want %d", len(got.body), len(part)+len(last))
		}
	}
}

// TestCompleteAfterCut: the final part's number is fixed by the first try, whatever became of its
// bytes.
func TestCompleteAfterCut(t *testing.T) {
	s := newSystem(t, setup{})
	part, last := s.started("x"), randomBytes(50_000)
	c := s.dial()
	c.head(s, "PUT", s.path("x?upload=complete"), fmt.Sprintf("Content-Length: %d", len(last)))
	_, _ = c.Write(last[:1000])
	must(t, c.CloseWrite())
	if got := c.reply(); got.status != 400 {
		t.Errorf("cut: %v", got)
	}
	if got := s.want(s.put(s.path("x?upload=complete"), nil), 400); !strings.Contains(string(got.body), "missing 2") {
		t.Errorf("without the final part: %v", got)
	}
	s.want(s.put(s.path("x?part=2"), last), 409) // fixed as the final one
	s.want(s.put(s.path("x?upload=complete"), last), 201)
	if got := s.get(s.path("x")); !bytes.Equal(got.body, append(bytes.Clone(part), last...)) {
		t.Errorf("the file has %d bytes, want %d", len(got.body), len(part)+len(last))
	}
}

// TestCompleteAfterCrash: a final part that was stored before the intent was recorded is written
// again, not appended.
func TestCompleteAfterCrash(t *testing.T) {
	s := newSystem(t, setup{})
	part, last := s.started("x"), randomBytes(50_000)
	u := s.records()[0]
	final := int32(2)
	u.Spec.FinalPartNumber = &final
	must(t, s.kube.Update(t.Context(), &u))
	_, err := s.store.PutPart(t.Context(), filestore.UploadRef{Key: u.Status.ObjectKey, UploadID: u.Status.UploadID}, 2, bytes.NewReader(last), int64(len(last)))
	must(t, err)
	s.want(s.put(s.path("x?upload=complete"), last), 201)
	if got := s.get(s.path("x")); !bytes.Equal(got.body, append(bytes.Clone(part), last...)) {
		t.Errorf("the file has %d bytes, want %d", len(got.body), len(part)+len(last))
	}
}

// TestCompleteReplayWhilePartsVanish: a copy of a complete that looks at the parts while the file
// is assembled, and finds none, is answered as the first one is.
func TestCompleteReplayWhilePartsVanish(t *testing.T) {
	for name, last := range map[string][]byte{"without a body": nil, "with the final part": randomBytes(3000)} {
		t.Run(name, func(t *testing.T) {
			store := memory.New(memory.Options{MinPartSize: -1, PartsVanish: true})
			s := newSystem(t, setup{store: store})
			s.started("x")
			complete := s.path("x?upload=complete")
			hold, first := make(chan struct{}), make(chan reply, 1)
			store.Inject(memory.Fault{Operation: memory.CompleteUpload, Times: 1, Before: memory.WaitFor(hold)})
			store.Inject(memory.Fault{Operation: memory.ListParts, Times: 1, Before: func(context.Context) error {
				go func() { first <- s.put(complete, last) }()
				s.eventually("being assembled", func() error {
					if store.Calls(memory.CompleteUpload) == 0 {
						return errors.New("not yet")
					}
					return nil
				})
				time.AfterFunc(100*time.Millisecond, func() { close(hold) })
				return nil
			}})
			s.want(s.put(complete, last), 201)
			s.want(<-first, 201)
		})
	}
}

// TestCompleteOutlastsTheWait: 503 at first, nothing may interfere meanwhile, and the same request
// gets the result.
func TestCompleteOutlastsTheWait(t *testing.T) {
	store := memory.New(memory.Options{MinPartSize: -1})
	s := newSystem(t, setup{store: store, options: func(o *dataplane.Options) { o.CompleteTimeout = 500 * time.Millisecond }})
	part, last := s.started("x"), randomBytes(3000)
	hold := make(chan struct{})
	store.Inject(memory.Fault{Operation: memory.CompleteUpload, Times: 1, Before: memory.WaitFor(hold)})
	complete := s.path("x?upload=complete")
	for range 2 {
		got := s.want(s.put(complete, last), 503)
		if got.header.Get("Retry-After") != "5" {
			t.Errorf("Retry-After: %q", got.header.Get("Retry-After"))
		}
	}
	if n := store.Calls(memory.PutPart); n != 2 {
		t.Errorf("%d parts were written, want 2: the repeated complete sent its body again", n)
	}
	s.want(s.put(s.path("x?part=2"), randomBytes(3000)), 409)
	s.want(s.put(s.path("x?upload=abort"), nil), 409)
	s.want(s.put(s.path("x?upload=start"), nil), 400)
	close(hold)
	s.eventually("completed", func() error {
		if got := s.put(complete, last); got.status != 201 {
			return fmt.Errorf("%v", got)
		}
		return nil
	})
	if got := s.get(s.path("x")); !bytes.Equal(got.body, append(bytes.Clone(part), last...)) {
		t.Error("the file is not what was sent")
	}
}

// TestCompleteRecordDeleted: who deletes the record while the file is assembled does not turn the
// success into a failure.
func TestCompleteRecordDeleted(t *testing.T) {
	store := memory.New(memory.Options{MinPartSize: -1})
	s := newSystem(t, setup{store: store})
	s.started("x")
	hold := make(chan struct{})
	store.Inject(memory.Fault{Operation: memory.CompleteUpload, Times: 1, Before: memory.WaitFor(hold)})
	done := make(chan reply)
	go func() { done <- s.put(s.path("x?upload=complete"), nil) }()
	s.eventually("completing", func() error {
		if store.Calls(memory.CompleteUpload) == 0 {
			return errors.New("not yet")
		}
		return nil
	})
	u := s.records()[0]
	must(t, s.kube.Delete(t.Context(), &u))
	close(hold)
	checkCompleted(t, s.want(<-done, 201), "0", "/namespaces/"+s.namespace+s.path("x"))
}

// lateClient answers the first Patch late: when late has returned.
type lateClient struct {
	client.Client
	once sync.Once
	late func()
}

func (l *lateClient) Patch(ctx context.Context, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
	err := l.Client.Patch(ctx, obj, patch, opts...)
	l.once.Do(l.late)
	return err
}

// TestCompleteIntentLate: the API server has recorded that the file is wanted, and says so when the
// file is there, has been replaced, and its record has made way for the next. The client that made
// it is told that it did.
func TestCompleteIntentLate(t *testing.T) {
	late := &lateClient{}
	s := newSystem(t, setup{options: func(o *dataplane.Options) { late.Client, o.Client = o.Client, late }})
	s.started("x")
	late.late = func() {
		s.eventually("completed, and started anew", func() error {
			if got := s.put(s.path("x?upload=start"), nil, "If-Match", "0"); got.status != 204 {
				return fmt.Errorf("%v", got)
			}
			return nil
		})
		s.want(s.put(s.path("x?upload=abort"), nil), 204)
		s.want(s.put(s.path("x"), []byte("the next"), "If-Match", "0"), 204)
	}
	checkCompleted(t, s.want(s.put(s.path("x?upload=complete"), nil), 201), "0", "/namespaces/"+s.namespace+s.path("x"))
}

// TestCompleteRecordTorn: somebody takes the record away by force before its end is recorded. What
// the file shows is told, and no more.
func TestCompleteRecordTorn(t *testing.T) {
	for name, tt := range map[string]struct {
		version int64 // of the file that somebody else has put there
		status  int
		message string
	}{
		"not the file":       {version: 0, status: 409, message: "was aborted"},
		"a later one by now": {version: 3, status: 503, message: "whether the file was assembled is not known"},
	} {
		t.Run(name, func(t *testing.T) {
			store := memory.New(memory.Options{MinPartSize: -1})
			s := newSystem(t, setup{store: store})
			s.started("x")
			hold := make(chan struct{})
			defer close(hold)
			store.Inject(memory.Fault{Operation: memory.CompleteUpload, Times: 1, Before: memory.WaitFor(hold)})
			done := make(chan reply, 1)
			go func() { done <- s.put(s.path("x?upload=complete"), nil) }()
			s.eventually("completing", func() error {
				if store.Calls(memory.CompleteUpload) == 0 {
					return errors.New("not yet")
				}
				return nil
			})
			meta := upload.FileMetadata{Version: tt.version, Owner: "another"}
			store.SetObject(s.key("x"), []byte("of another"), filestore.CreateUploadOptions{Metadata: meta.Encode()})
			u := s.records()[0]
			must(t, s.kube.Patch(t.Context(), &u, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))))
			must(t, s.kube.Delete(t.Context(), &u))
			if got := s.want(<-done, tt.status); !strings.Contains(string(got.body), tt.message) {
				t.Errorf("%v", got)
			}
		})
	}
}

// TestVersionRace: of two updates of one version, the one that is assembled second is refused.
func TestVersionRace(t *testing.T) {
	s := newSystem(t, setup{})
	s.started("x")
	s.want(s.put(s.path("x?upload=complete"), nil), 201)
	s.want(s.put(s.path("x?upload=start"), nil, "If-Match", "0"), 204)
	s.want(s.put(s.path("x?part=1"), randomBytes(3000), "If-Match", "0"), 204)
	// Somebody else replaces the file past this upload.
	s.store.(*memory.Store).SetObject(s.key("x"), []byte("other"), filestore.CreateUploadOptions{Metadata: upload.FileMetadata{Version: 1}.Encode()})
	s.want(s.put(s.path("x?upload=complete"), nil, "If-Match", "0"), 409)
	s.want(s.put(s.path("x?upload=complete"), nil, "If-Match", "0"), 409)
	s.want(s.put(s.path("x?upload=start"), nil, "If-Match", "1"), 400)
	s.want(s.put(s.path("x?upload=abort"), nil), 204)
	if got := s.get(s.path("x")); string(got.body) != "other" || got.header.Get("ETag") != "1" {
		t.Errorf("the winner's file: %v", got)
	}
	s.want(s.put(s.path("x?upload=start"), nil, "If-Match", "1"), 204)
}

// TestUploadLost: an upload that object storage has forgotten is not reported as there.
func TestUploadLost(t *testing.T) {
	store := memory.New(memory.Options{MinPartSize: -1})
	s := newSystem(t, setup{store: store})
	s.started("x")
	u := s.records()[0]
	store.LoseUpload(filestore.UploadRef{Key: u.Status.ObjectKey, UploadID: u.Status.UploadID})
	s.want(s.put(s.path("x?part=2"), randomBytes(3000)), 409)
	s.want(s.get(s.list("x")), 404)
	s.want(s.put(s.path("x?upload=complete"), nil), 409)
	// The loss may have been recorded by now, and then there is nothing to abort.
	if got := s.put(s.path("x?upload=abort"), nil); got.status != 204 && got.status != 404 {
		t.Errorf("abort: %v", got)
	}
	s.want(s.put(s.path("x?upload=start"), nil), 201)
}

// TestExpired: an upload whose time is over takes nothing more, and a start does not wait for the
// sweep to notice.
func TestExpired(t *testing.T) {
	s := newSystem(t, setup{})
	u := &v1alpha1.MultipartUpload{}
	s.started("x")
	key := client.ObjectKeyFromObject(&s.records()[0])
	must(t, s.kube.Get(t.Context(), key, u))
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"ttl":"1s"}}`))
	must(t, s.kube.Patch(t.Context(), u, patch))
	s.eventually("expired", func() error {
		if got := s.put(s.path("x?part=2"), randomBytes(3000)); got.status != 409 {
			return fmt.Errorf("%v", got)
		}
		return nil
	})
	s.want(s.put(s.path("x?upload=start"), nil), 201)
	if err := s.kube.Get(t.Context(), key, u); apierrors.IsNotFound(err) || u.Status.CompletionTime != nil {
		t.Errorf("after the start: %v, %+v", err, u.Status)
	}
}

// TestReplacedWhileRead: a reader gets one version, whole, though the file is replaced between the
// look and the read.
func TestReplacedWhileRead(t *testing.T) {
	store := memory.New(memory.Options{MinPartSize: -1})
	s := newSystem(t, setup{store: store})
	old, replacement := bytes.Repeat([]byte("old"), 1000), bytes.Repeat([]byte("new!"), 1000)
	put := func(content []byte, version int64) {
		store.SetObject(s.key("x"), content, filestore.CreateUploadOptions{Metadata: upload.FileMetadata{Version: version}.Encode()})
	}
	put(old, 0)
	store.Inject(memory.Fault{Operation: memory.Open, Times: 1, Before: func(context.Context) error {
		put(replacement, 1)
		return nil
	}})
	got := s.want(s.get(s.path("x"), "Range", "bytes=4-"), http.StatusPartialContent)
	if !bytes.Equal(got.body, replacement[4:]) || got.header.Get("ETag") != "1" || got.header.Get("Content-Range") != "bytes 4-3999/4000" {
		t.Errorf("got %d bytes, ETag %s, %s", len(got.body), got.header.Get("ETag"), got.header.Get("Content-Range"))
	}
}

// TestRanges reads a file in pieces.
func TestRanges(t *testing.T) {
	s := newSystem(t, setup{})
	content := randomBytes(10_000)
	s.store.(*memory.Store).SetObject(s.key("foreign"), content, filestore.CreateUploadOptions{})
	s.store.(*memory.Store).SetObject(s.key("empty"), nil, filestore.CreateUploadOptions{})
	for _, tt := range []struct {
		header, ifRange, contentRange string
		from, to, status              int
	}{
		{"bytes=0-99", "", "bytes 0-99/10000", 0, 100, 206},
		{"bytes=9990-", "", "bytes 9990-9999/10000", 9990, 10_000, 206},
		{"bytes=-1", "", "bytes 9999-9999/10000", 9999, 10_000, 206},
		{"bytes=0-", "0", "bytes 0-9999/10000", 0, 10_000, 206},
		{"bytes=0-99", "1", "", 0, 10_000, 200},
		{"bytes=5-4", "", "", 0, 10_000, 200},
		{"bytes=0-1,1-4", "", "", 0, 10_000, 200},
	} {
		headers := []string{"Range", tt.header}
		if tt.ifRange != "" {
			headers = append(headers, "If-Range", tt.ifRange)
		}
		got := s.want(s.get(s.path("foreign"), headers...), tt.status)
		if !bytes.Equal(got.body, content[tt.from:tt.to]) || got.header.Get("Content-Range") != tt.contentRange {
			t.Errorf("%s: %d bytes, %q", tt.header, len(got.body), got.header.Get("Content-Range"))
		}
	}
	head := s.want(s.do(http.MethodHead, s.path("foreign"), nil, "Range", "bytes=0-1"), 200)
	if head.header.Get("Content-Length") != "10000" || head.header.Get("ETag") != "0" || len(head.body) != 0 {
		t.Errorf("HEAD: %v", head.header)
	}
	s.want(s.get(s.path("foreign"), "Range", "bytes=10000-"), 416)
	if got := s.want(s.get(s.path("empty")), 200); len(got.body) != 0 || got.header.Get("Content-Length") != "0" {
		t.Errorf("empty: %v", got.header)
	}
	s.want(s.get(s.path("empty"), "Range", "bytes=0-"), 416)
}

// TestTwoReplicas: any replica takes any request, however far its cache is behind.
func TestTwoReplicas(t *testing.T) {
	a := newSystem(t, setup{})
	b := a.replica(nil)
	file := a.path("x")
	again := func(send func() reply) reply { // a 503 with Retry-After is an answer that a client knows what to do with
		got := send()
		for range 100 {
			if got.status != 503 {
				break
			}
			time.Sleep(20 * time.Millisecond)
			got = send()
		}
		return got
	}
	for round := range 30 {
		a.want(a.put(file+"?upload=start", nil), 201)
		part := randomBytes(2000 + round)
		b.want(again(func() reply { return b.put(file+"?part=1", part) }), 201)
		a.want(a.get(a.list("x")), 200)
		a.want(a.put(file+"?upload=abort", nil), 204)
		a.want(a.put(file+"?upload=start", nil), 201)
		b.want(again(func() reply { return b.put(file+"?part=1", part) }), 201)
		b.want(b.put(file+"?upload=abort", nil), 204)
	}
	a.want(a.put(file+"?upload=start", nil), 201)
	var wg sync.WaitGroup
	parts := make([][]byte, 40)
	for i := range parts {
		parts[i] = randomBytes(3000)
		wg.Go(func() {
			if got := []*system{a, b}[i%2].put(fmt.Sprintf("%s?part=%d", file, i+1), parts[i]); got.status != 201 {
				t.Errorf("part %d: %v", i+1, got)
			}
		})
	}
	wg.Wait()
	b.want(b.put(file+"?upload=complete", []byte("end")), 201)
	a.want(a.put(file+"?upload=complete", []byte("end")), 201)
	if got := b.get(file); !bytes.Equal(got.body, append(bytes.Join(parts, nil), "end"...)) {
		t.Errorf("the file has %d bytes", len(got.body))
	}
}

// TestPartsAskNothing: in the steady state a part costs no request to the API server, and nor does
// a download.
func TestPartsAskNothing(t *testing.T) {
	a := newSystem(t, setup{})
	b := a.replica(func(o *dataplane.Options) { o.ProgressDelay = time.Hour })
	content := a.started("x")
	b.want(b.put(b.path("x?part=1"), content), 201)
	before := b.requests.Load()
	for i := range 50 {
		b.want(b.put(fmt.Sprintf("%s?part=%d", b.path("x"), i+1), content), 201)
		b.want(b.get(b.list("x")), 200)
		b.want(b.get(b.path("none")), 404)
	}
	if n := b.requests.Load() - before; n > 5 { // a watch may have been renewed, the lease-less manager asks nothing else
		t.Errorf("%d requests to the API server for 150 requests", n)
	}
}
