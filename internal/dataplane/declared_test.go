package dataplane_test

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/memory"
)

const kib = 1 << 10

// bytesHeld adds up the parts that the store has.
func bytesHeld(t *testing.T, store *memory.Store) int64 {
	t.Helper()
	sum := int64(0)
	for _, u := range store.OpenUploads() {
		parts, err := store.ListParts(t.Context(), u.UploadRef)
		must(t, err)
		for _, p := range parts {
			sum += p.Size
		}
	}
	return sum
}

// atOnce sends n requests at once, and gives how many of the answers have each status.
func atOnce(n int, send func(i int) reply) map[int]int {
	var mu sync.Mutex
	var all sync.WaitGroup
	statuses := map[int]int{}
	for i := range n {
		all.Go(func() {
			got := send(i)
			mu.Lock()
			defer mu.Unlock()
			statuses[got.status]++
		})
	}
	all.Wait()
	return statuses
}

// TestDeclaredSizeHolds: an upload takes no more bytes than were declared for it, which are all
// that its namespace's limit counts of it: 24 parts at once, one after another, and through another
// replica.
func TestDeclaredSizeHolds(t *testing.T) {
	store := memory.New(memory.Options{MinPartSize: -1})
	s := newSystem(t, setup{store: store, limits: limited(func(l *v1alpha1.FileStoreLimits) {
		l.MaxIncompleteBytesPerNamespace = new(resource.MustParse("20Ki"))
	})})
	other := s.replica(nil)
	s.want(s.put(s.path("a.bin")+"?upload=start", nil, "X-File-Size", "5120"), 201)
	statuses := atOnce(24, func(i int) reply { return s.put(fmt.Sprintf("%s?part=%d", s.path("a.bin"), i+1), randomBytes(kib)) })
	if statuses[201] != 5 || statuses[413] != 19 {
		t.Errorf("24 parts of 1 KiB of a file of 5 are answered with %v", statuses)
	}
	for _, replica := range []*system{s, other} {
		replica.refusedUnread(http.MethodPut, s.path("a.bin")+"?part=99", 413, "the upload was started for a file of 5120 bytes and has 5120")
	}
	if held := bytesHeld(t, store); held != 5*kib {
		t.Errorf("%d bytes are held", held)
	}
}

// TestDeclaredSizeAcrossReplicas: of parts that come to several replicas one after another no more
// are taken than were declared either.
func TestDeclaredSizeAcrossReplicas(t *testing.T) {
	store := memory.New(memory.Options{MinPartSize: -1})
	s := newSystem(t, setup{store: store, options: func(o *dataplane.Options) { o.ProgressDelay = 1 << 40 }}) // no status tells
	replicas := []*system{s, s.replica(func(o *dataplane.Options) { o.ProgressDelay = 1 << 40 })}
	s.want(s.put(s.path("a.bin")+"?upload=start", nil, "X-File-Size", "4096"), 201)
	taken := 0
	for n := 1; n <= 16; n++ { // what the other one takes is seen within a second
		if got := replicas[n%2].put(fmt.Sprintf("%s?part=%d", s.path("a.bin"), n), randomBytes(kib)); got.status == 201 {
			taken++
		}
	}
	s.eventually("refused by both", func() error {
		for _, replica := range replicas {
			if got := replica.put(s.path("a.bin")+"?part=99", randomBytes(kib)); got.status != 413 {
				return fmt.Errorf("part: %v", got)
			}
		}
		return nil
	})
	if held := bytesHeld(t, store); held > 2*4*kib || taken < 4 {
		t.Errorf("%d bytes are held of 4096, %d parts were taken", held, taken)
	}
	// A replica that comes to an upload for the first time looks what is there.
	s.want(s.put(s.path("b.bin")+"?upload=start", nil, "X-File-Size", "4096"), 201)
	for n := 1; n <= 4; n++ {
		s.want(s.put(fmt.Sprintf("%s?part=%d", s.path("b.bin"), n), randomBytes(kib)), 201)
	}
	s.want(replicas[1].put(s.path("b.bin")+"?part=5", randomBytes(kib)), 413)
}

// TestDeclaredSizeOfParts: what counts of a part that is sent again, is under way, or has failed.
func TestDeclaredSizeOfParts(t *testing.T) {
	store := memory.New(memory.Options{MinPartSize: -1})
	s := newSystem(t, setup{store: store, limits: limited(func(*v1alpha1.FileStoreLimits) {})})
	part := func(number, size int, status int) {
		t.Helper()
		s.want(s.put(fmt.Sprintf("%s?part=%d", s.path("a.bin"), number), randomBytes(size)), status)
	}
	s.want(s.put(s.path("a.bin")+"?upload=start", nil, "X-File-Size", "8192"), 201)
	part(1, 4*kib, 201)
	part(2, 4*kib, 201)
	part(2, 4*kib, 201) // again
	part(2, 4*kib+1, 413)
	part(3, kib, 413)
	part(2, 2*kib, 201) // by a smaller one, which makes room
	part(3, kib, 201)
	part(4, kib+1, 413)

	// What is under way counts; what has failed does not.
	remove := store.Inject(memory.Fault{Operation: memory.PutPart, Times: 1, Before: memory.Fail(&filestore.Error{Op: "test", Kind: filestore.ErrUnavailable, Cause: errors.New("gone")})})
	part(4, kib, 502)
	remove()
	before := store.Calls(memory.PutPart)
	answer, finish := s.slowly(s.path("a.bin?part=5"), randomBytes(kib))
	s.eventually("under way", func() error {
		if n := store.Calls(memory.PutPart); n != before+1 {
			return fmt.Errorf("%d parts", n)
		}
		return nil
	})
	part(4, kib, 413)
	// The completion counts, too: its body is part 4, and part 5 is still under way.
	s.refusedUnread(http.MethodPut, s.path("a.bin")+"?upload=complete", 400, "the parts have 9168 bytes together")
	s.want(s.put(s.path("a.bin")+"?upload=complete", randomBytes(kib)), 413)
	finish()
	s.wantAnswer(answer, 201)
	part(5, 1, 400) // smaller than a part may be
	if held := bytesHeld(t, store); held != 8*kib {
		t.Errorf("%d bytes are held", held)
	}
}

// TestDeclaredSizeAsksLittle: an honest upload is listed once a second, whatever the number of its
// parts.
func TestDeclaredSizeAsksLittle(t *testing.T) {
	store := memory.New(memory.Options{MinPartSize: -1})
	s := newSystem(t, setup{store: store, options: func(o *dataplane.Options) { o.ProgressDelay = 1 << 40 }})
	const parts = 200
	s.want(s.put(s.path("a.bin")+"?upload=start", nil, "X-File-Size", fmt.Sprint(parts*kib)), 201)
	before := store.Calls(memory.ListParts)
	statuses := atOnce(parts, func(i int) reply { return s.put(fmt.Sprintf("%s?part=%d", s.path("a.bin"), i+1), randomBytes(kib)) })
	if statuses[201] != parts {
		t.Errorf("the parts are answered with %v", statuses)
	}
	if asked := store.Calls(memory.ListParts) - before; asked > parts/4 {
		t.Errorf("%d parts were listed %d times", parts, asked)
	}
	s.want(s.put(s.path("a.bin")+"?upload=complete", nil), 201)
}
