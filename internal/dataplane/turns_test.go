package dataplane_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/memory"
)

// held lets no listing and no start below a prefix go on before it is released.
type held struct {
	*memory.Store
	prefix   string
	released chan struct{}
	waiting  atomic.Int32
}

func (h *held) wait(ctx context.Context, key string) {
	if h.prefix == "" || !strings.HasPrefix(key, h.prefix) {
		return
	}
	h.waiting.Add(1)
	defer h.waiting.Add(-1)
	select {
	case <-h.released:
	case <-ctx.Done():
	}
}

func (h *held) ListObjects(ctx context.Context, prefix, after string, yield func(filestore.Object) bool) error {
	h.wait(ctx, prefix)
	return h.Store.ListObjects(ctx, prefix, after, yield)
}

func (h *held) Stat(ctx context.Context, key string) (filestore.Object, error) {
	h.wait(ctx, key)
	return h.Store.Stat(ctx, key)
}

// A tenant that searches, or starts uploads, on as many connections as it likes leaves room for its
// neighbour, and gets room when the others are done.
func TestSearchesAndStartsAreShared(t *testing.T) {
	for name, tt := range map[string]struct {
		query   string
		most    int32
		message string
	}{
		"searches": {"GET", 9, "the server is searching as much as it may"},
		"starts":   {"PUT", 36, "the server is starting as many uploads as it may"},
	} {
		t.Run(name, func(t *testing.T) {
			store := &held{Store: memory.New(memory.Options{MinPartSize: -1}), released: make(chan struct{})}
			s := newSystem(t, setup{store: store, neighbour: true, options: func(o *dataplane.Options) { o.StartTimeout, o.CompleteTimeout = time.Minute, time.Minute }})
			quiet := s.neighbour()
			send := func(s *system, file string) reply {
				if tt.query == "GET" {
					return s.get("/api/iotfile/v3/files/" + entity)
				}
				return s.put(s.path(file)+"?upload=start", nil)
			}
			s.want(s.get("/api/iotfile/v3/files/"+entity), 200)
			store.prefix = secretPrefix + s.namespace + "/"
			loud := 2 * int(tt.most)
			answers := make(chan reply, loud)
			for i := range loud {
				go func() { answers <- send(s, fmt.Sprintf("loud-%d.bin", i)) }()
			}
			refused := 0
			s.eventually("all that are too many refused", func() error {
				select {
				case got := <-answers:
					s.wantLater(got, tt.message)
					refused++
				default:
				}
				if n := store.waiting.Load(); n != tt.most || loud-refused != int(n) {
					return fmt.Errorf("%d go on, %d are refused", n, refused)
				}
				return nil
			})
			for i := range 3 { // by then nothing of the other tenant has come back
				got := send(quiet, fmt.Sprintf("quiet-%d.bin", i))
				if got.status/100 != 2 {
					t.Errorf("the neighbour is answered %s", got)
				}
			}
			close(store.released)
			for range loud - refused {
				if got := <-answers; got.status/100 != 2 {
					t.Errorf("one that had a place is answered %s", got)
				}
			}
			s.eventually("places free again", func() error {
				if got := send(s, "next.bin"); got.status/100 != 2 {
					return errors.New(got.String())
				}
				return nil
			})
		})
	}
}

// wantLater checks a refusal that asks the client to come again.
func (s *system) wantLater(got reply, message string) {
	s.t.Helper()
	if got.status != 503 || got.header.Get("Retry-After") == "" || !strings.Contains(string(got.body), message) {
		s.t.Errorf("too many are answered %s, Retry-After %q", got, got.header.Get("Retry-After"))
	}
}

// Filters that would cost too much are refused, and say why.
func TestFiltersAreBounded(t *testing.T) {
	s := newSystem(t, setup{noControllers: true, limits: &v1alpha1.FileStoreLimits{}})
	for filter, message := range map[string]string{
		"name eq " + strings.Repeat("a", 1016):      "",
		"name eq " + strings.Repeat("a", 1017):      "the filter has 1025 bytes, and may have 1024",
		"name eq '" + strings.Repeat("a*", 8) + "'": "",
		"name eq '" + strings.Repeat("a*", 9) + "'": "the filter has 9 wildcards (*), and may have 8",
		strings.Repeat("*", 9):                      "the filter has 9 wildcards (*), and may have 8", // malformed, too
	} {
		got := s.get("/api/iotfile/v3/files/" + entity + "?filter=" + strings.NewReplacer(" ", "%20", "'", "%27").Replace(filter))
		if message == "" {
			s.want(got, 200)
		} else if s.want(got, 400); !strings.Contains(string(got.body), message) {
			t.Errorf("the answer is %s", got)
		}
	}
}
