package dataplane_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/memory"
	"github.com/iotfile-operator/iotfile-operator/internal/identity"
)

// slowly begins to send a body of which only half comes before finish is called.
func (s *system) slowly(path string, body []byte, headers ...string) (answer <-chan reply, finish func()) {
	reader, writer := io.Pipe()
	done := make(chan reply, 1)
	go func() { done <- s.sized(http.MethodPut, path, reader, int64(len(body)), headers...) }()
	_, err := writer.Write(body[:len(body)/2])
	must(s.t, err)
	return done, func() {
		_, _ = writer.Write(body[len(body)/2:]) // fails if the server has closed the connection
		_ = writer.Close()
	}
}

func (s *system) only() *v1alpha1.MultipartUpload {
	s.t.Helper()
	records := s.records()
	if len(records) != 1 {
		s.t.Fatalf("%d records", len(records))
	}
	return &records[0]
}

// wantAnswer waits for an answer, which must come without any more of the body.
func (s *system) wantAnswer(answer <-chan reply, status int) reply {
	s.t.Helper()
	select {
	case got := <-answer:
		return s.want(got, status)
	case <-time.After(time.Minute):
		s.t.Fatal("the stream is not cut")
		return reply{}
	}
}

// TestEndCutsStreams: whatever ends an upload, parts that are still in flight, on any replica, are
// cut and told 409, and nothing of them is left in a store that would keep them in no listing.
func TestEndCutsStreams(t *testing.T) {
	ends := map[string]func(s *system){
		"Abort":  func(s *system) { s.want(s.put(s.path("x?upload=abort"), nil), 204) },
		"Delete": func(s *system) { must(s.t, s.kube.Delete(s.t.Context(), s.only())) },
		"DesiredStateAborted": func(s *system) {
			s.patchSpec(func(spec *v1alpha1.MultipartUploadSpec) { spec.DesiredState = v1alpha1.DesiredStateAborted })
		},
		"Expiry": func(s *system) {
			s.patchSpec(func(spec *v1alpha1.MultipartUploadSpec) { spec.TTL = &metav1.Duration{Duration: time.Second} })
		},
		"Complete": func(s *system) { s.want(s.put(s.path("x?upload=complete"), nil), 201) },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			store := memory.New(memory.Options{MinPartSize: -1, LateParts: memory.LatePartsResurrect})
			s := newSystem(t, setup{store: store})
			other := s.replica(nil)
			s.started("x")
			var answers []<-chan reply
			var finish []func()
			for n, replica := range []*system{s, other, other} {
				answer, rest := replica.slowly(s.path(fmt.Sprintf("x?part=%d", n+1)), randomBytes(8<<20))
				answers, finish = append(answers, answer), append(finish, rest)
			}
			s.eventually("in flight", func() error {
				if n := store.Calls(memory.PutPart); n != 4 {
					return fmt.Errorf("%d parts", n)
				}
				return nil
			})
			end(s)
			for i, answer := range answers {
				s.wantAnswer(answer, 409)
				finish[i]()
			}
			s.eventually("gone", func() error {
				if open := store.OpenUploads(); len(open) != 0 {
					return fmt.Errorf("open: %v", open)
				}
				return nil
			})
		})
	}
}

// TestCutWhileItSends: what a client sends after its part was cut is taken and dropped for a
// moment. The connection would else break under a client that sends first and reads then, which
// never learns why.
func TestCutWhileItSends(t *testing.T) {
	s := newSystem(t, setup{})
	s.started("x")
	body := randomBytes(1 << 20)
	c := s.dial()
	c.head(s, http.MethodPut, s.path("x?part=2"), fmt.Sprintf("Content-Length: %d", len(body)))
	half := len(body) / 2
	_, err := c.Write(body[:half])
	must(t, err)
	s.want(s.put(s.path("x?upload=abort"), nil), 204) // the part has been cut by then
	for rest := body[half:]; len(rest) > 0; rest = rest[64<<10:] {
		if _, err := c.Write(rest[:64<<10]); err != nil {
			t.Fatalf("with %d bytes left: %v", len(rest), err)
		}
	}
	if got := c.reply(); got.status != 409 {
		t.Errorf("%v", got)
	}
}

// patchSpec changes the only record, as kubectl does.
func (s *system) patchSpec(change func(*v1alpha1.MultipartUploadSpec)) {
	s.t.Helper()
	u := s.only()
	changed := u.DeepCopy()
	change(&changed.Spec)
	must(s.t, s.kube.Patch(s.t.Context(), changed, client.MergeFrom(u)))
}

// TestStalePartAfterComplete: a part that was sent anew on another connection is the one that the
// file has; the first attempt is not told that it was stored.
func TestStalePartAfterComplete(t *testing.T) {
	s := newSystem(t, setup{})
	s.started("x")
	first, finish := s.slowly(s.path("x?part=1"), randomBytes(8<<20))
	again := randomBytes(3000)
	s.want(s.put(s.path("x?part=1"), again), 201)
	s.want(s.put(s.path("x?upload=complete"), nil), 201)
	finish()
	s.wantAnswer(first, 409)
	if got := s.want(s.get(s.path("x")), 200); string(got.body) != string(again) {
		t.Errorf("the file has %d bytes", len(got.body))
	}
}

// TestCompleteCutsItsCopy: a copy of the completing request whose body is still under way is
// answered like the one that was faster.
func TestCompleteCutsItsCopy(t *testing.T) {
	s := newSystem(t, setup{})
	s.started("x")
	body := randomBytes(8 << 20)
	slow, finish := s.slowly(s.path("x?upload=complete"), body)
	s.eventually("the number fixed", func() error {
		if s.only().Spec.FinalPartNumber == nil {
			return errors.New("not yet")
		}
		return nil
	})
	s.want(s.put(s.path("x?upload=complete"), body), 201)
	finish()
	got := s.wantAnswer(slow, 201)
	if got.header.Get("ETag") != "0" {
		t.Errorf("the copy has the ETag %q", got.header.Get("ETag"))
	}
}

// deaf is a cache that tells nobody of changes of uploads, as that of a process that was suspended.
type deaf struct{ cache.Cache }

func (d deaf) GetInformer(ctx context.Context, obj client.Object, opts ...cache.InformerGetOption) (cache.Informer, error) {
	informer, err := d.Cache.GetInformer(ctx, obj, opts...)
	if _, ok := obj.(*v1alpha1.MultipartUpload); !ok {
		return informer, err
	}
	return deafInformer{informer}, err
}

type deafInformer struct{ cache.Informer }

func (deafInformer) AddEventHandler(toolscache.ResourceEventHandler) (toolscache.ResourceEventHandlerRegistration, error) {
	return nil, nil
}

// TestLongPartIsConfirmed: a part that took long is taken only if the API server does not say that
// its upload has ended.
func TestLongPartIsConfirmed(t *testing.T) {
	store := memory.New(memory.Options{MinPartSize: -1, LateParts: memory.LatePartsResurrect})
	s := newSystem(t, setup{store: store, options: func(o *dataplane.Options) { o.Cache = deaf{o.Cache} }})
	s.started("x")
	answer, finish := s.slowly(s.path("x?part=1"), randomBytes(8<<20))
	s.eventually("in flight", func() error {
		if store.Calls(memory.PutPart) != 2 {
			return errors.New("not yet")
		}
		return nil
	})
	time.Sleep(5500 * time.Millisecond) // longer than a part is trusted for
	must(t, s.kube.Delete(t.Context(), s.only()))
	s.eventually("the record gone", func() error {
		if n := len(s.records()); n != 0 {
			return fmt.Errorf("%d records", n)
		}
		return nil
	})
	finish()
	s.wantAnswer(answer, 409)
	if open := store.OpenUploads(); len(open) != 0 {
		t.Errorf("the part has landed: %v", open)
	}
}

// TestAbortIsTheOwners: a client's failed start does not take the upload of another.
func TestAbortIsTheOwners(t *testing.T) {
	who := &callers{}
	s := newSystem(t, setup{noReadyProbe: true, options: func(o *dataplane.Options) { o.Authenticator, o.Authorizer = who, who }})
	who.namespace = s.namespace
	as := func(name string, more ...string) []string { return append([]string{"Authorization", name}, more...) }
	s.eventually("ready", func() error {
		if got := s.put(s.path("r?upload=start"), nil, as("a", "If-Match", "0")...); got.status != 409 {
			return fmt.Errorf("%v", got)
		}
		return nil
	})
	abort := func(file string, status int, headers ...string) {
		t.Helper()
		s.want(s.put(s.path(file+"?upload=abort"), nil, headers...), status)
	}
	s.want(s.put(s.path("plain?upload=start"), nil, as("a")...), 201)
	abort("plain", 403, as("b")...)
	abort("plain", 403, as("b", "Idempotency-Key", "k")...)
	abort("plain", 204, as("admin")...)
	s.want(s.put(s.path("plain?upload=start"), nil, as("a")...), 201)
	abort("plain", 204, as("a")...)

	s.want(s.put(s.path("keyed?upload=start"), nil, as("a", "Idempotency-Key", "k1")...), 201)
	for _, headers := range [][]string{as("a"), as("admin"), as("a", "Idempotency-Key", "k2"), as("b")} {
		abort("keyed", 409, headers...)
	}
	// Somebody else's key joins nothing.
	s.want(s.put(s.path("keyed?upload=start"), nil, as("b", "Idempotency-Key", "k1")...), 400)
	s.want(s.put(s.path("keyed?upload=start"), nil, as("a", "Idempotency-Key", "k1", "X-File-Size", "7")...), 400)
	s.want(s.put(s.path("keyed?upload=start"), nil, as("a", "Idempotency-Key", "k1", "type", "text/plain")...), 400)
	s.want(s.put(s.path("keyed?upload=start"), nil, as("a", "Idempotency-Key", "k1")...), 201)
	if by := s.only().Spec.CreatedBy; by != "a" {
		t.Errorf("created by %q", by)
	}
	abort("keyed", 204, as("a", "Idempotency-Key", "k1")...)
}

// callers are whoever they say; only admin may delete records.
type callers struct{ namespace string }

func (c *callers) Authenticate(r *http.Request) (identity.Identity, error) {
	return identity.Identity{Name: r.Header.Get("Authorization"), Namespace: c.namespace}, nil
}

func (c *callers) Authorize(_ context.Context, id identity.Identity, right identity.Right) error {
	if right.Resource == identity.ResourceUploads && id.Name != "admin" {
		return identity.ErrForbidden
	}
	return nil
}

// TestWaits: a request whose body was not read is not refused for what passes in a moment.
func TestWaits(t *testing.T) {
	patient := func(o *dataplane.Options) { o.QueueTimeout = 10 * time.Second }
	away := func(op memory.Operation, times int) memory.Fault {
		return memory.Fault{Operation: op, Times: times, Before: memory.Fail(&filestore.Error{Op: string(op), Kind: filestore.ErrUnavailable, Cause: errors.New("connection refused")})}
	}
	t.Run("Store", func(t *testing.T) {
		store := memory.New(memory.Options{MinPartSize: -1})
		s := newSystem(t, setup{store: store, options: patient})
		store.Inject(away(memory.Stat, 3))
		s.want(s.put(s.path("x?upload=start"), nil), 201)
		store.Inject(away(memory.PutPart, 3))
		s.want(s.put(s.path("x?part=1"), randomBytes(3000)), 201)
		store.Inject(away(memory.ListParts, 3))
		store.Inject(away(memory.PutPart, 3))
		s.want(s.put(s.path("x?upload=complete"), randomBytes(30)), 201)
		store.Inject(away(memory.Stat, 2))
		s.want(s.put(s.path("whole"), randomBytes(300<<10)), 201)
	})
	t.Run("StoreThatTookBytes", func(t *testing.T) {
		store := memory.New(memory.Options{MinPartSize: -1})
		s := newSystem(t, setup{store: store, options: patient})
		s.started("x")
		gone := away(memory.PutPart, 1)
		gone.Before, gone.After = nil, gone.Before
		store.Inject(gone)
		store.Inject(away(memory.Stat, 3))
		before := store.Calls(memory.Stat)
		s.want(s.put(s.path("x?part=2"), randomBytes(3000)), 502)
		if n := store.Calls(memory.Stat) - before; n != 5 {
			t.Errorf("the store was asked %d times, want 3 without an answer and 2 with one", n)
		}
		s.want(s.put(s.path("x?part=2"), randomBytes(3000)), 201)
	})
	t.Run("Place", func(t *testing.T) {
		store := memory.New(memory.Options{MinPartSize: -1})
		s := newSystem(t, setup{store: store, options: func(o *dataplane.Options) { o.MaxPartsInFlight = 1; o.QueueTimeout = 20 * time.Second }})
		s.started("x")
		before := store.Calls(memory.PutPart)
		slow, finish := s.slowly(s.path("x?part=1"), randomBytes(8<<20))
		s.eventually("in flight", func() error {
			if store.Calls(memory.PutPart) == before {
				return errors.New("not yet")
			}
			return nil
		})
		waiting := make(chan reply, 1)
		go func() { waiting <- s.put(s.path("x?part=2"), randomBytes(3000)) }()
		time.Sleep(300 * time.Millisecond)
		select {
		case got := <-waiting:
			t.Fatalf("not waited: %v", got)
		default:
		}
		finish()
		s.wantAnswer(slow, 201)
		s.wantAnswer(waiting, 201)
	})
	t.Run("Rate", func(t *testing.T) {
		s := newSystem(t, setup{options: patient, limits: limited(func(l *v1alpha1.FileStoreLimits) { l.PartsPerSecondPerNamespace = ptr.To(int32(2)) })})
		s.started("x")
		counts := statuses(6, func(i int) reply { return s.put(s.path(fmt.Sprintf("x?part=%d", i+1)), randomBytes(3000)) })
		if counts[201] != 6 {
			t.Errorf("%v", counts)
		}
	})
}

// TestSlowPutHoldsNobody: a file that trickles in holds up no other writer of it, and loses to the
// faster one.
func TestSlowPutHoldsNobody(t *testing.T) {
	for _, size := range []int{100 << 10, 8 << 20} {
		s := newSystem(t, setup{})
		slow, finish := s.slowly(s.path("x"), randomBytes(size))
		time.Sleep(200 * time.Millisecond)
		begin := time.Now()
		s.want(s.put(s.path("x"), randomBytes(1000)), 201)
		if took := time.Since(begin); took > 20*time.Second {
			t.Errorf("the other writer waited for %s", took)
		}
		finish()
		select {
		case got := <-slow:
			if got.status != 409 && got.status != 503 {
				t.Errorf("the slow one: %v", got)
			}
		case <-time.After(time.Minute):
			t.Fatal("no answer")
		}
		if got := s.want(s.get(s.path("x")), 200); len(got.body) != 1000 {
			t.Errorf("the file has %d bytes", len(got.body))
		}
	}
}
