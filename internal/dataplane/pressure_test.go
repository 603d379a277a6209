package dataplane_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/dataplane"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/memory"
)

// TestFloodOfUnknownUploads: parts for uploads that are not there do not become as many reads of
// the API server, and are no reason to refuse a good part for good.
func TestFloodOfUnknownUploads(t *testing.T) {
	s := newSystem(t, setup{})
	part := s.started("x")
	const flood = 2000
	before := s.requests.Load()
	var mu sync.Mutex
	statuses := map[int]int{}
	var wg sync.WaitGroup
	begin := time.Now()
	for w := range 8 {
		wg.Go(func() {
			for i := range flood / 8 {
				got := s.put(fmt.Sprintf("%s?part=1", s.path(fmt.Sprintf("unknown-%d-%d", w, i))), randomBytes(2000))
				if got.status == 503 && got.header.Get("Retry-After") == "" {
					t.Error("503 without Retry-After")
				}
				mu.Lock()
				statuses[got.status]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	asked, allowed := s.requests.Load()-before, int64(300+25*time.Since(begin).Seconds())
	if asked > allowed {
		t.Errorf("%d parts for unknown uploads made %d requests to the API server in %v, want at most %d", flood, asked, time.Since(begin), allowed)
	}
	if statuses[409]+statuses[503] != flood || statuses[409] == 0 {
		t.Errorf("answers by status: %v", statuses)
	}
	s.want(s.put(s.path("x?part=1"), part), 201) // what the cache knows is not looked up
	s.intact("x", part)
}

// holding gives the beginning of an object and then nothing until its context ends, and knows
// nothing of parts until then.
type holding struct {
	*memory.Store
}

func (h holding) Open(ctx context.Context, object filestore.Object, rng filestore.ByteRange) (io.ReadCloser, error) {
	body, err := h.Store.Open(ctx, object, rng)
	if err != nil {
		return nil, err
	}
	silent := readerFunc(func([]byte) (int, error) {
		<-ctx.Done()
		return 0, context.Cause(ctx)
	})
	return struct {
		io.Reader
		io.Closer
	}{io.MultiReader(io.LimitReader(body, cutAfter), silent), body}, nil
}

// TestStoreStallsDownload: object storage that gives no more of a file is given up, and so is one
// that answers no question.
func TestStoreStallsDownload(t *testing.T) {
	store := memory.New(memory.Options{MinPartSize: -1})
	s := newSystem(t, setup{store: holding{store}, options: func(o *dataplane.Options) { o.StoreIdleTimeout = 300 * time.Millisecond }})
	content := randomBytes(1 << 20)
	s.want(s.put(s.path("x"), content), 201)
	got := s.get(s.path("x"))
	if got.status != 200 || got.err == nil || !bytes.HasPrefix(content, got.body) || len(got.body) == len(content) {
		t.Errorf("status %d, %d bytes, error %v; want a cut", got.status, len(got.body), got.err)
	}
	store.Inject(memory.Fault{Operation: memory.Stat, Times: 1, Before: memory.Hang})
	if got := s.get(s.path("x")); got.status != 504 || got.header.Get("Retry-After") == "" {
		t.Errorf("a store that does not answer: %v, want 504", got)
	}
}

// TestNothingOutlivesItsRequest plays every hostile client and store, and looks then for goroutines
// of the data plane that are still there.
func TestNothingOutlivesItsRequest(t *testing.T) {
	store := memory.New(memory.Options{MinPartSize: -1})
	s := newSystem(t, setup{store: holding{store}, options: func(o *dataplane.Options) {
		o.IdleTimeout, o.StoreIdleTimeout, o.StartTimeout = 5*time.Second, 4*time.Second, 5*time.Second
	}})
	s.started("x")
	s.want(s.put(s.path("file"), randomBytes(8<<20)), 201)
	for range 3 {
		s.hostility(store)
	}
	s.eventually("all goroutines of requests ended", func() error {
		stacks := make([]byte, 4<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		for stack := range strings.SplitSeq(string(stacks), "\n\n") {
			if strings.Contains(stack, "dataplane.(*Server).ServeHTTP") || strings.Contains(stack, "transfer.NewStream") || strings.Contains(stack, "transfer.(*Stream)") {
				return errors.New(stack)
			}
		}
		return nil
	})
	s.want(s.put(s.path("x?upload=abort"), nil), 204)
}

// hostility is one of each: clients that stop sending, stop reading, half close, leave; stores that
// hang.
func (s *system) hostility(store *memory.Store) {
	body := func(path string, end func(*raw)) {
		c := s.dial()
		c.head(s, "PUT", s.path(path), "Content-Length: 5000")
		_, _ = c.Write(make([]byte, 3000))
		end(c)
	}
	for _, path := range []string{"x?part=2", "new", "x?upload=complete"} {
		body(path, func(*raw) {})
		body(path, func(c *raw) { _ = c.CloseWrite() })
		body(path, func(c *raw) { _ = c.Close() })
	}
	for range 2 {
		c := s.dial()
		c.head(s, "GET", s.path("file")) // and reads nothing
	}
	gone := s.dial()
	gone.head(s, "GET", s.path("file"))
	_ = gone.Close()
	for _, op := range []memory.Operation{memory.PutPart, memory.Stat, memory.ListParts} {
		store.Inject(memory.Fault{Operation: op, Times: 1, Before: memory.Hang})
		_ = s.put(s.path("x?part=2"), randomBytes(3000))
		_ = s.get(s.path("file"))
		_ = s.get(s.list("x"))
	}
}
