package dataplane_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/memory"
)

// heldWatches hold back what the API server tells a cache of uploads, as a network does that is cut
// for a while. Everything comes once they are let go.
type heldWatches struct {
	mu   sync.Mutex
	gate chan struct{} // nil while nothing is held
}

func (h *heldWatches) hold() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.gate = make(chan struct{})
}

func (h *heldWatches) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.gate != nil {
		close(h.gate)
		h.gate = nil
	}
}

func (h *heldWatches) held() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.gate
}

func (h *heldWatches) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		response, err := next.RoundTrip(r)
		if err == nil && r.URL.Query().Has("watch") && strings.HasSuffix(r.URL.Path, "/multipartuploads") {
			response.Body = &heldBody{ReadCloser: response.Body, watches: h, over: r.Context().Done()}
		}
		return response, err
	})
}

type heldBody struct {
	io.ReadCloser
	watches *heldWatches
	over    <-chan struct{}
}

func (b *heldBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if gate := b.watches.held(); gate != nil {
		select {
		case <-gate:
		case <-b.over:
		}
	}
	return n, err
}

// heedless takes parts whatever became of their upload, as a store does that looks only at the end.
type heedless struct {
	*memory.Store
	begun chan struct{}
}

func (h heedless) PutPart(ctx context.Context, ref filestore.UploadRef, number int32, body io.Reader, size int64) (filestore.Part, error) {
	h.begun <- struct{}{}
	content, err := io.ReadAll(body)
	if err != nil {
		return filestore.Part{}, errors.Join(filestore.ErrIncompleteBody, err)
	}
	return h.Store.PutPart(ctx, ref, number, bytes.NewReader(content), size)
}

// TestPartBesideALateCache: a replica whose cache is behind takes a part for one of the upload that
// was aborted. The part is not refused for that when the file has been started anew before it came.
func TestPartBesideALateCache(t *testing.T) {
	for name, tt := range map[string]struct {
		before bool // the part comes before the upload is started anew
		status int
	}{
		"of the new upload": {false, 503},
		"of the old upload": {true, 409},
	} {
		t.Run(name, func(t *testing.T) {
			store := heedless{memory.New(memory.Options{MinPartSize: -1}), make(chan struct{}, 10)}
			s := newSystem(t, setup{store: store})
			watches := &heldWatches{}
			t.Cleanup(watches.release)
			late := s.beside(setup{noControllers: true, watches: watches})
			s.started("x")
			late.want(late.put(late.path("x?part=1"), randomBytes(3000)), 201) // its cache has the record now

			watches.hold()
			sent := time.Now().Unix()
			body := randomBytes(8 << 20)
			send := func() (<-chan reply, func()) {
				for len(store.begun) > 0 {
					<-store.begun
				}
				answer, finish := late.slowly(late.path("x?part=2"), body)
				<-store.begun
				sent = time.Now().Unix()
				return answer, finish
			}
			var answer <-chan reply
			var finish func()
			if tt.before {
				answer, finish = send()
			}
			s.want(s.put(s.path("x?upload=abort"), nil), 204)
			s.eventually("in a later second", func() error { // the API server tells no less of the start
				if time.Now().Unix() > sent {
					return nil
				}
				return errors.New("not yet")
			})
			s.want(s.put(s.path("x?upload=start"), nil), 201)
			if !tt.before {
				answer, finish = send()
			}
			watches.release()
			got := late.wantAnswer(answer, tt.status)
			finish()
			if tt.status == 503 && got.header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
			if tt.status == 503 {
				late.want(late.put(late.path("x?part=2"), body), 201)
			}
		})
	}
}
