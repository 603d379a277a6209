package dataplane_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/memory"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// TestPutFile: create, read, update, delete, and what is refused on the way.
func TestPutFile(t *testing.T) {
	s := newSystem(t, setup{limits: &v1alpha1.FileStoreLimits{MinPartSize: ptr.To(resource.MustParse("1Ki")), MaxPartSize: ptr.To(resource.MustParse("1Mi"))}})
	file, location := s.path("a/b.txt"), "/namespaces/"+s.namespace+s.path("a/b.txt")
	one, two := randomBytes(3000), randomBytes(10)

	checkCompleted(t, s.want(s.put(file, one, "type", "text/plain", "description", "Größe", "timestamp", "2026-01-02T03:04:05Z"), 201), "0", location)
	got := s.want(s.get(file), 200)
	if !bytes.Equal(got.body, one) || got.header.Get("Content-Type") != "text/plain" || got.header.Get("description") != "Größe" || got.header.Get("timestamp") != "2026-01-02T03:04:05Z" {
		t.Errorf("first version: %d bytes, %v", len(got.body), got.header)
	}
	s.want(s.put(file, two), 409)
	s.want(s.put(file, two, "If-Match", "1"), 409)
	s.want(s.put(s.path("none"), two, "If-Match", "0"), 409)
	s.want(s.put(file, two, "If-Match", "zero"), 400)
	checkCompleted(t, s.want(s.put(file, two, "If-Match", `"0"`), 204), "1", location)
	got = s.want(s.get(file), 200)
	if !bytes.Equal(got.body, two) || got.header.Get("ETag") != "1" || got.header.Get("Content-Type") != "application/octet-stream" || got.header.Get("description") != "" {
		t.Errorf("second version: %d bytes, %v", len(got.body), got.header)
	}
	if got := s.want(s.put(s.path("empty"), []byte{}), 400); !strings.Contains(string(got.body), "empty") {
		t.Errorf("empty body: %v", got)
	}
	s.want(s.do(http.MethodPut, s.path("chunked"), struct{ *strings.Reader }{strings.NewReader("x")}), 201)
	s.want(s.put(s.path("large"), make([]byte, 1<<20+1)), 413)
	s.want(s.put(s.path("x"), two, "description", strings.Repeat("x", 101)), 400)

	s.want(s.do(http.MethodDelete, file, nil, "If-Match", "0"), 409)
	s.want(s.do(http.MethodDelete, file, nil), 204)
	s.want(s.do(http.MethodDelete, file, nil), 404)
	s.want(s.get(file), 404)
	checkCompleted(t, s.want(s.put(file, one), 201), "0", location)
	if n := len(s.records()); n != 0 {
		t.Errorf("%d MultipartUploads were made", n)
	}
}

// stored is what object storage has of the file.
func (s *system) stored(file string) (filestore.Object, upload.FileMetadata) {
	s.t.Helper()
	o, err := s.store.Stat(context.Background(), s.key(file))
	must(s.t, err)
	return o, upload.DecodeFileMetadata(o.Metadata)
}

// TestPutKeepsOrigin: an update, in one request or in parts, says who made it, and keeps who made
// the first version.
func TestPutKeepsOrigin(t *testing.T) {
	s := newSystem(t, setup{})
	created := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s.store.(*memory.Store).SetObject(s.key("x"), []byte("old"), filestore.CreateUploadOptions{Metadata: upload.FileMetadata{Version: 7, Created: created, CreatedBy: "somebody"}.Encode()})
	s.want(s.put(s.path("x"), []byte("new"), "If-Match", "7"), 204)
	_, got := s.stored("x")
	if got.Version != 8 || !got.Created.Equal(created) || got.CreatedBy != "somebody" || got.UpdatedBy != "anonymous" || got.Owner != "" {
		t.Errorf("after the update: %+v", got)
	}
	s.want(s.put(s.path("x?upload=start"), nil, "If-Match", "8"), 204)
	s.want(s.put(s.path("x?upload=complete"), []byte("in parts"), "If-Match", "8"), 204)
	if _, got = s.stored("x"); got.Version != 9 || got.CreatedBy != "somebody" || got.Request != "" {
		t.Errorf("after the update in parts: %+v", got)
	}
	s.store.(*memory.Store).SetObject(s.key("foreign"), []byte("old"), filestore.CreateUploadOptions{})
	s.want(s.put(s.path("foreign"), []byte("x")), 409)
	s.want(s.put(s.path("foreign"), []byte("x"), "If-Match", "0"), 204)
	if _, got = s.stored("foreign"); got.Version != 1 {
		t.Errorf("the file of others has version %d after its first update", got.Version)
	}
}

// TestPutReplay: with an Idempotency-Key a repetition gets the first answer, at once and later;
// without one it is a conflict.
func TestPutReplay(t *testing.T) {
	s := newSystem(t, setup{})
	content := randomBytes(200_000)
	for round := range 10 {
		file := s.path(fmt.Sprintf("x-%d", round))
		send := func(int) reply { return s.put(file, content, "Idempotency-Key", "k1") }
		if counts := statuses(6, send); counts[201] != 6 {
			t.Errorf("create, at once: %v, want six 201", counts)
		}
		checkCompleted(t, s.want(send(0), 201), "0", "/namespaces/"+s.namespace+file)
		s.want(s.put(file, content), 409)
		s.want(s.put(file, content, "Idempotency-Key", "k2"), 409)
		s.want(s.put(file, content[1:], "Idempotency-Key", "k1"), 409) // another body
		update := func(int) reply { return s.put(file, content[1:], "Idempotency-Key", "k1", "If-Match", "0") }
		if counts := statuses(6, update); counts[204] != 6 {
			t.Errorf("update, at once: %v, want six 204", counts)
		}
		checkCompleted(t, s.want(update(0), 204), "1", "/namespaces/"+s.namespace+file)
		s.want(send(0), 409) // it is not the last request any more
	}
	for _, line := range s.log.with("k1") {
		t.Errorf("the key is in the log: %s", line)
	}
}

// TestPutLostAnswer: what object storage has done is found out when its answer is lost.
func TestPutLostAnswer(t *testing.T) {
	store := memory.New(memory.Options{MinPartSize: -1})
	s := newSystem(t, setup{store: store})
	lost := memory.Fail(&filestore.Error{Op: "PutObject", Kind: filestore.ErrUnavailable, Cause: errors.New("secret-bucket: connection reset")})
	store.Inject(memory.Fault{Operation: memory.PutObject, Times: 1, After: lost})
	s.want(s.put(s.path("x"), []byte("first")), 201)
	store.Inject(memory.Fault{Operation: memory.PutObject, Times: 1, After: lost})
	checkCompleted(t, s.want(s.put(s.path("x"), []byte("second"), "If-Match", "0"), 204), "1", "/namespaces/"+s.namespace+s.path("x"))
	// It was not stored, and nobody says it was.
	store.Inject(memory.Fault{Operation: memory.PutObject, Times: 1, Before: lost})
	if got := s.want(s.put(s.path("x"), []byte("third"), "If-Match", "1"), 502); got.header.Get("Retry-After") == "" {
		t.Errorf("without Retry-After: %v", got.header)
	}
	if got := s.get(s.path("x")); string(got.body) != "second" {
		t.Errorf("the file is %q", got.body)
	}
	// It was stored, but the look fails too: unknown, so the answer is an error, and the repetition
	// finds out.
	store.Inject(memory.Fault{Operation: memory.PutObject, Times: 1, After: lost})
	store.Inject(memory.Fault{Operation: memory.Stat, Times: 2, Before: counted(2, lost)})
	s.want(s.put(s.path("y"), []byte("fourth"), "Idempotency-Key", "k"), 502)
	s.want(s.put(s.path("y"), []byte("fourth"), "Idempotency-Key", "k"), 201)
	// The same when the answer is that of a second delivery, to which the first one's file is in
	// the way.
	store.Inject(memory.Fault{Operation: memory.PutObject, Times: 1, After: memory.Fail(filestore.ErrPrecondition)})
	store.Inject(memory.Fault{Operation: memory.Stat, Times: 2, Before: counted(2, lost)})
	s.want(s.put(s.path("twice"), []byte("fourth"), "Idempotency-Key", "k"), 502)
	s.want(s.put(s.path("twice"), []byte("fourth"), "Idempotency-Key", "k"), 201)
	// The store rejects it for good: no second guess.
	store.Inject(memory.Fault{Operation: memory.PutObject, Times: 1, Before: memory.Fail(filestore.ErrInvalidKey)})
	before := store.Calls(memory.Stat)
	s.want(s.put(s.path("z"), []byte("fifth")), 400)
	if n := store.Calls(memory.Stat) - before; n != 1 {
		t.Errorf("%d looks for a write that was refused for good, want 1", n)
	}
}

// counted runs action at the nth call only.
func counted(nth int, action func(context.Context) error) func(context.Context) error {
	n := 0
	return func(ctx context.Context) error {
		if n++; n == nth {
			return action(ctx)
		}
		return nil
	}
}

// TestPutCut: a body that ends early or stops, and a store that stalls, leave the file as it was
// (docs/rest-api.md, "Part").
func TestPutCut(t *testing.T) {
	store := memory.New(memory.Options{MinPartSize: -1})
	s := newSystem(t, setup{store: store, options: func(o *dataplane.Options) { o.IdleTimeout, o.StoreIdleTimeout = time.Second, time.Second }})
	s.want(s.put(s.path("x"), []byte("whole")), 201)
	for name, end := range map[string]func(*raw){
		"half closed": func(c *raw) { must(t, c.CloseWrite()) },
		"idle":        func(*raw) {},
	} {
		for _, file := range []string{"x", "new"} {
			c := s.dial()
			headers := []string{"Content-Length: 5000"}
			if file == "x" {
				headers = append(headers, "If-Match: 0")
			}
			c.head(s, "PUT", s.path(file), headers...)
			_, _ = c.Write(make([]byte, 3000))
			end(c)
			if got := c.reply(); got.status != 400 && got.status != 408 {
				t.Errorf("%s: %v", name, got)
			}
		}
	}
	store.Inject(memory.Fault{Operation: memory.PutObject, Times: 1, Before: memory.Hang})
	s.want(s.put(s.path("x"), []byte("stalled"), "If-Match", "0"), 504)
	if got := s.get(s.path("x")); string(got.body) != "whole" || got.header.Get("ETag") != "0" {
		t.Errorf("the file is %q, ETag %s", got.body, got.header.Get("ETag"))
	}
	s.want(s.get(s.path("new")), 404)
}

// TestPutRaces: of writers that race, in two replicas, exactly one wins each version, and content
// is never mixed; also where the bytes are those that were there before, and where object storage
// has no conditions (then with one replica).
func TestPutRaces(t *testing.T) {
	for _, conditional := range []bool{true, false} {
		t.Run(fmt.Sprintf("Conditional%t", conditional), func(t *testing.T) {
			store := memory.New(memory.Options{MinPartSize: -1, Capabilities: v1alpha1.FileStoreCapabilities{
				PayloadMode: v1alpha1.PayloadTrailingCRC64NVME, ConditionalComplete: ptr.To(true), UploadListing: v1alpha1.UploadListingPrefix, ConditionalPut: &conditional,
			}})
			s := newSystem(t, setup{store: store})
			replicas := []*system{s, s}
			if conditional {
				replicas[1] = s.replica(nil)
			} else {
				s.eventually("probed", func() error { return s.probedAs(conditional) })
			}
			s.race(replicas, "x", 30, !conditional)
		})
	}
}

func (s *system) probedAs(conditional bool) error {
	fs := &v1alpha1.FileStore{}
	if err := s.kube.Get(context.Background(), client.ObjectKey{Name: s.namespace}, fs); err != nil {
		return err
	}
	if fs.Status.Capabilities == nil || fs.Status.Capabilities.ConditionalPut == nil || *fs.Status.Capabilities.ConditionalPut != conditional {
		return fmt.Errorf("capabilities %+v", fs.Status.Capabilities)
	}
	return nil
}

// race lets writers race for each version of a file. With same, one of them sends the bytes that
// are there already.
func (s *system) race(replicas []*system, file string, rounds int, same bool) {
	s.t.Helper()
	content := func(round, i int) []byte {
		if same && i == 0 && round > 0 {
			return bytes.Repeat([]byte("same"), 5000)
		}
		return bytes.Repeat(fmt.Appendf(nil, "%04d-%02d ", round, i), 3000)
	}
	for round := range rounds {
		var headers []string
		want := 201
		if round > 0 {
			headers, want = []string{"If-Match", fmt.Sprint(round - 1)}, 204
		}
		var mu sync.Mutex
		winner := -1
		counts := statuses(8, func(i int) reply {
			got := replicas[i%2].put(s.path(file), content(round, i), headers...)
			if got.status == want {
				mu.Lock()
				defer mu.Unlock()
				winner = i
			}
			return got
		})
		if counts[want] != 1 || counts[409] != 7 {
			s.t.Fatalf("round %d: %v, want one %d and seven 409", round, counts, want)
		}
		got := s.get(s.path(file))
		if !bytes.Equal(got.body, content(round, winner)) || got.header.Get("ETag") != fmt.Sprint(round) {
			s.t.Fatalf("round %d: the file is not the winner's: ETag %s, %d bytes", round, got.header.Get("ETag"), len(got.body))
		}
	}
}

// TestPutWhileUploadOpen: a file may be stored in one request while an upload of it is open; that
// one then fails on its version.
func TestPutWhileUploadOpen(t *testing.T) {
	s := newSystem(t, setup{})
	s.started("x")
	s.want(s.put(s.path("x"), []byte("faster")), 201)
	s.want(s.put(s.path("x?upload=complete"), nil), 409)
	if got := s.get(s.path("x")); string(got.body) != "faster" {
		t.Errorf("the file is %q", got.body)
	}
	s.want(s.put(s.path("x?upload=abort"), nil), 204)
	// A file that is deleted under an update cannot be updated.
	s.want(s.put(s.path("x?upload=start"), nil, "If-Match", "0"), 204)
	s.want(s.do(http.MethodDelete, s.path("x"), nil), 204)
	s.want(s.put(s.path("x?upload=complete"), []byte("update"), "If-Match", "0"), 409)
	s.want(s.get(s.path("x")), 404)
}
