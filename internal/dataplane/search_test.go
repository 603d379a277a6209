package dataplane_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/dataplane"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/memory"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// hit is a file in the answer of a search.
type hit struct {
	Name, Path, Type, Timestamp, Created, Updated, CreatedBy, UpdatedBy, Description string
	Size                                                                             int64
	ETag                                                                             *int64
}

// search sends a search; params are pairs. It returns the files and the total.
func (s *system) search(params ...string) ([]hit, string) {
	s.t.Helper()
	query := url.Values{}
	for i := 0; i+1 < len(params); i += 2 {
		query.Set(params[i], params[i+1])
	}
	got := s.want(s.get("/api/iotfile/v3/files/"+entity+"?"+query.Encode()), 200)
	var hits []hit
	if err := json.Unmarshal(got.body, &hits); err != nil || hits == nil {
		s.t.Fatalf("%v: %s", err, clip(got.body))
	}
	if total := got.header.Get("X-Total-Count"); got.header.Get("count") != total {
		s.t.Errorf("totals %q and %q", total, got.header.Get("count"))
	}
	return hits, got.header.Get("X-Total-Count")
}

func names(hits []hit) string {
	var out []string
	for _, h := range hits {
		out = append(out, h.Path+h.Name)
	}
	return strings.Join(out, " ")
}

// populate stores a few files: of ours, of others, and what is no file of this entity.
func (s *system) populate(set func(key string, content []byte, opts filestore.CreateUploadOptions)) {
	s.t.Helper()
	for i, path := range []string{"b.txt", "a/z.txt", "a/y.bin", "a/b/x.txt", "a.txt"} {
		s.want(s.put(s.path(path), make([]byte, 10*(i+1)), "type", "text/x-"+path[len(path)-3:], "description", "file "+fmt.Sprint(i)), 201)
	}
	s.want(s.put(s.path("a/y.bin"), make([]byte, 7), "If-Match", "0", "timestamp", "2001-05-06T07:08:09Z"), 204)
	set(s.key("foreign"), []byte("of others"), filestore.CreateUploadOptions{})
	for _, other := range []string{
		s.key("a//b"), s.key("dir/"), s.key("../x"), strings.Replace(s.key("x"), entity, strings.Repeat("f", 32), 1),
		strings.Replace(s.key("x"), s.namespace, s.namespace+"-other", 1), s.key("")[:len(s.key(""))-1] + "0/x",
	} {
		set(other, []byte("no file of this entity"), filestore.CreateUploadOptions{})
	}
}

// TestSearch: what is listed, filtered and ordered, whether or not the listing brings metadata
// along.
func TestSearch(t *testing.T) {
	for _, lean := range []bool{false, true} {
		t.Run(fmt.Sprintf("LeanListing%t", lean), func(t *testing.T) {
			store := memory.New(memory.Options{MinPartSize: -1})
			var backend filestore.Store = store
			if lean {
				backend = leanListing{store}
			}
			s := newSystem(t, setup{store: backend})
			s.populate(func(key string, content []byte, opts filestore.CreateUploadOptions) {
				store.SetObject(key, content, opts)
			})
			s.checkSearches()
			s.checkHits()
		})
	}
}

func (s *system) checkSearches() {
	s.t.Helper()
	const all = "a.txt a/b/x.txt a/y.bin a/z.txt b.txt foreign"
	for _, tt := range []struct{ filter, order, offset, limit, want, total string }{
		{"", "", "", "", all, "6"},
		{"no filter at all", "", "", "", all, "6"},
		{"", "no order", "", "", all, "6"},
		{"", "", "2", "2", "a/y.bin a/z.txt", "6"},
		{"", "", "5", "500", "foreign", "6"},
		{"", "", "6", "", "", "6"},
		{"", "", "10000", "1", "", "6"},
		{"", "path", "", "", "a.txt b.txt foreign a/y.bin a/z.txt a/b/x.txt", "6"},
		{"", "name asc", "", "", "a.txt b.txt foreign a/b/x.txt a/y.bin a/z.txt", "6"},
		{"", "name desc", "", "2", "a/z.txt a/y.bin", "6"},
		{"", "size asc", "", "3", "a/y.bin foreign b.txt", "6"},
		{"", "description desc", "1", "2", "a/b/x.txt a/z.txt", "6"}, // a.txt has 4, x.txt 3
		{"", "etag desc", "", "1", "a/y.bin", "6"},
		{"", "timestamp asc", "", "1", "a/y.bin", "6"},
		{"name eq '*.txt'", "", "", "2", "a.txt a/b/x.txt", "4"},
		{"path eq ''", "", "", "", "a.txt b.txt foreign", "3"},
		{"path eq 'a'", "", "", "", "a/y.bin a/z.txt", "2"},
		{"path eq 'a/'", "", "", "", "a/y.bin a/z.txt", "2"},
		{"path eq 'a*'", "", "", "", "a/b/x.txt a/y.bin a/z.txt", "3"},
		{"path eq 'a/b'", "", "", "", "a/b/x.txt", "1"},
		{"size gt 9 and size lte 40", "size desc", "", "", "a/b/x.txt a/z.txt b.txt", "3"},
		{"type eq 'text/x-txt'", "", "", "", "a.txt a/b/x.txt a/z.txt b.txt", "4"},
		{"type eq application/octet-stream", "", "", "", "a/y.bin foreign", "2"},
		{"etag gte 1", "", "", "", "a/y.bin", "1"},
		{"timestamp lt '2002-01-01' and path eq 'a'", "", "", "", "a/y.bin", "1"},
		{"createdBy eq 'anonymous' and description eq 'file*'", "", "", "1", "a.txt", "4"},
		{"description eq 'nothing'", "", "", "", "", "0"},
		{"updated lt '2020-01-01T00:00:00.000Z'", "", "", "", "", "0"},
	} {
		params := []string{}
		for name, value := range map[string]string{"filter": tt.filter, "order": tt.order, "offset": tt.offset, "limit": tt.limit, "count": "true"} {
			if value != "" {
				params = append(params, name, value)
			}
		}
		hits, total := s.search(params...)
		if names(hits) != tt.want || total != tt.total {
			s.t.Errorf("%q order %q offset %s limit %s: %q of %s, want %q of %s", tt.filter, tt.order, tt.offset, tt.limit, names(hits), total, tt.want, tt.total)
		}
	}
}

func (s *system) checkHits() {
	s.t.Helper()
	hits, _ := s.search("filter", "name eq 'y.bin' or nothing", "order", "size")
	if len(hits) != 6 {
		s.t.Fatalf("a malformed filter left %d files", len(hits))
	}
	y := hits[0]
	created, err := time.Parse(time.RFC3339, y.Created)
	updated, err2 := time.Parse(time.RFC3339, y.Updated)
	if err != nil || err2 != nil || updated.Before(created) || time.Since(created) > time.Hour {
		s.t.Errorf("created %q, updated %q", y.Created, y.Updated)
	}
	if y.Name != "y.bin" || y.Path != "a/" || y.Size != 7 || y.ETag == nil || *y.ETag != 1 || y.Timestamp != "2001-05-06T07:08:09.000Z" || y.CreatedBy != "anonymous" || y.Type != "application/octet-stream" {
		s.t.Errorf("%+v", y)
	}
	foreign, _ := s.search("filter", "name eq foreign")
	if f := foreign[0]; f.ETag == nil || *f.ETag != 0 || f.Path != "" || f.CreatedBy != "" || f.Created != f.Updated || f.Timestamp != f.Updated {
		s.t.Errorf("%+v", f)
	}
	head := s.want(s.do(http.MethodHead, "/api/iotfile/v3/files/"+entity+"?limit=1", nil), 200)
	if len(head.body) != 0 || head.header.Get("X-Total-Count") != "6" {
		s.t.Errorf("HEAD: %v", head.header)
	}
	got := s.want(s.get("/api/iotfile/v3/files/"+strings.Repeat("e", 32)), 200)
	if string(got.body) != "[]" || got.header.Get("X-Total-Count") != "0" {
		s.t.Errorf("an entity without files: %v", got)
	}
}

// leanListing lists as most stores do: without metadata.
type leanListing struct{ *memory.Store }

// ListObjects implements filestore.ObjectLister.
func (l leanListing) ListObjects(ctx context.Context, prefix, after string, yield func(filestore.Object) bool) error {
	return l.Store.ListObjects(ctx, prefix, after, func(o filestore.Object) bool {
		o.Metadata, o.ContentType = nil, ""
		return yield(o)
	})
}

// many lists any number of objects that it does not keep.
type many struct {
	*memory.Store
	prefix string
	count  int
	// peak is the most heap in use that a listing has seen.
	peak *uint64
}

// ListObjects implements filestore.ObjectLister.
func (m many) ListObjects(_ context.Context, prefix, _ string, yield func(filestore.Object) bool) error {
	for i := range m.count {
		o := m.object(i)
		if strings.HasPrefix(o.Key, prefix) && !yield(o) {
			return nil
		}
		if i%50_000 == 49_999 && m.peak != nil {
			var stats runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&stats)
			*m.peak = max(*m.peak, stats.HeapAlloc)
		}
	}
	return nil
}

func (m many) object(i int) filestore.Object {
	name := fmt.Sprintf("%s%07d-%s", m.prefix, i, strings.Repeat("x", 200))
	return filestore.Object{Key: name, Size: int64(i * 7919 % 1000), ETag: "e", Modified: time.UnixMilli(int64(i))}
}

// Stat implements filestore.Reader.
func (m many) Stat(ctx context.Context, key string) (filestore.Object, error) {
	if !strings.HasPrefix(key, m.prefix) {
		return m.Store.Stat(ctx, key)
	}
	return filestore.Object{Key: key, Size: 1, ETag: "e", ContentType: "text/plain"}, nil
}

// TestSearchMemory: what a search takes depends on the page, not on the number of files.
func TestSearchMemory(t *testing.T) {
	var peak uint64
	store := &many{Store: memory.New(memory.Options{MinPartSize: -1}), peak: &peak, prefix: "none yet"}
	s := newSystem(t, setup{store: store})
	store.prefix = s.key("")
	for _, params := range [][]string{
		{"offset", "9999", "limit", "1", "order", "updated desc"},
		{"offset", "9500", "order", "size desc"},
	} {
		var base runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&base)
		for _, count := range []int{10_000, 500_000} {
			store.count, peak = count, 0
			begin := time.Now()
			hits, total := s.search(params...)
			if len(hits) == 0 || total != fmt.Sprint(count) {
				t.Errorf("%v of %d: %d files of %s", params, count, len(hits), total)
			}
			used := (int64(peak) - int64(base.HeapAlloc)) >> 20
			t.Logf("%v of %d: %v, heap grew by %d MiB", params, count, time.Since(begin).Round(time.Millisecond), used)
			if used > 48 {
				t.Errorf("%v of %d files: the heap grew by %d MiB", params, count, used)
			}
		}
	}
}

// TestSearchAsksLittle: metadata is asked for only where it is needed, a bounded number at once,
// and a failure ends the search.
func TestSearchAsksLittle(t *testing.T) {
	store := memory.New(memory.Options{MinPartSize: -1})
	s := newSystem(t, setup{store: leanListing{store}})
	for i := range 300 {
		store.SetObject(s.key(fmt.Sprintf("f-%03d", i)), []byte("x"), filestore.CreateUploadOptions{Metadata: upload.FileMetadata{Version: int64(i)}.Encode()})
	}
	for _, tt := range []struct {
		params []string
		stats  int
	}{
		{[]string{"limit", "10"}, 10},
		{[]string{"limit", "10", "order", "size"}, 10},
		{[]string{"filter", "name eq 'f-00*'"}, 10},
		{[]string{"filter", "etag eq 5"}, 300},
		{[]string{"filter", "etag eq 5 and name eq 'f-00*'"}, 10},
		{[]string{"limit", "1", "order", "etag desc"}, 300},
	} {
		before := store.Calls(memory.Stat)
		s.search(tt.params...)
		if n := store.Calls(memory.Stat) - before; n != tt.stats {
			t.Errorf("%v: %d files were asked for, want %d", tt.params, n, tt.stats)
		}
	}
	store.Inject(memory.Fault{Operation: memory.Stat, Times: 1, Before: memory.Fail(filestore.ErrBusy)})
	s.want(s.get("/api/iotfile/v3/files/"+entity), 503)
	store.Inject(memory.Fault{Operation: memory.Stat, Key: s.key("f-007"), Times: 1, Before: memory.Fail(filestore.ErrNotFound)})
	if hits, total := s.search("limit", "10"); len(hits) != 9 || total != "299" {
		t.Errorf("a file that went meanwhile: %d files of %s", len(hits), total)
	}
	store.Inject(memory.Fault{Operation: memory.ListObjects, Times: 1, Before: memory.Fail(&filestore.Error{Op: "ListObjects", Kind: filestore.ErrUnavailable, Cause: errors.New("secret-bucket")})})
	s.want(s.get("/api/iotfile/v3/files/"+entity), 502)
}

// TestSearchLimits: a search that takes too long is given up, and so is one beyond the budget.
func TestSearchLimits(t *testing.T) {
	store := memory.New(memory.Options{MinPartSize: -1})
	s := newSystem(t, setup{store: store, options: func(o *dataplane.Options) { o.MaxSearches, o.SearchTimeout = 1, time.Second }})
	store.Inject(memory.Fault{Operation: memory.ListObjects, Times: 1, Before: memory.Hang})
	done := make(chan reply)
	go func() { done <- s.get("/api/iotfile/v3/files/" + entity) }()
	s.eventually("searching", func() error {
		if store.Calls(memory.ListObjects) == 0 {
			return errors.New("not yet")
		}
		return nil
	})
	first, second := s.get("/api/iotfile/v3/files/"+entity), <-done
	if !slices.Contains([]int{200, 503}, first.status) || second.status != 503 || second.header.Get("Retry-After") == "" {
		t.Errorf("beyond the budget %v, too slow %v", first, second)
	}
	s.want(s.get("/api/iotfile/v3/files/"+entity), 200)
}
