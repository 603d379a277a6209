package e2e

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

const (
	// held is how long a reader is watched that has to wait.
	held = 3 * time.Second
	// busy is what a machine may need for anything; less than a minute, after which the operator
	// gives up a writer that sends nothing.
	busy = 40 * time.Second
)

// TestReadersBesideSlowPut: readers see the old file while a new one is on its way. Of a
// file that is larger than a buffer MinIO makes them wait for the end of a conditional write; none
// may get anything but the old file or the new one, and none waits once the writer is gone.
func TestReadersBesideSlowPut(t *testing.T) {
	onEachStore(t, func(t *testing.T, tn *tenant) {
		for _, c := range []struct {
			name  string
			size  int
			waits bool
		}{
			{"small", 200 << 10, false},
			{"large", 4 * mib, tn.store.Kind == devcluster.StoreMinIO},
		} {
			t.Run(c.name, func(t *testing.T) {
				f, old := tn.newFile("read-meanwhile.bin"), []byte("old")
				f.must(t, 201, http.MethodPut, "", old)
				ctx, leave := context.WithCancel(t.Context())
				defer leave()
				body, rest := io.Pipe()
				gone := make(chan struct{})
				go func() {
					defer close(gone)
					req, _ := http.NewRequestWithContext(ctx, http.MethodPut, f.url("files", ""), body)
					req.ContentLength = int64(c.size)
					req.Header.Set("If-Match", "0")
					req.Header.Set("Authorization", "Bearer "+f.token)
					if res, err := http.DefaultClient.Do(req); err == nil {
						_ = res.Body.Close()
					}
				}()
				if _, err := rest.Write(random(c.size / 2)); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second) // so that object storage has the beginning of it
				limit := busy
				if c.waits {
					limit = held
				}
				begin := time.Now()
				read, got := f.beginToRead(t, limit)
				for c.waits && got != nil && time.Since(begin) < busy { // it may not have the beginning yet
					time.Sleep(100 * time.Millisecond)
					read, got = f.beginToRead(t, limit)
				}
				t.Logf("%s, %d of %d bytes sent: the reader waits: %t (%s)", tn.store.Kind, c.size/2, c.size, got == nil, time.Since(begin).Round(time.Millisecond))
				if waits := got == nil; waits != c.waits {
					t.Errorf("the reader waits: %t, want %t", waits, c.waits)
				}
				leave()
				_ = rest.CloseWithError(io.ErrUnexpectedEOF)
				<-gone
				if got == nil {
					got = <-read
				}
				if got == nil || got.status != 200 || !bytes.Equal(got.body, old) || got.header.Get("ETag") != strconv.Itoa(0) {
					t.Errorf("the reader got %+v", got)
				}
				f.must(t, 204, http.MethodPut, "", []byte("new"), "If-Match", "0")
			})
		}
	})
}

// beginToRead reads the file, and gives the answer if it comes within limit; else it will come from
// the channel.
func (f *file) beginToRead(t *testing.T, limit time.Duration) (<-chan *answer, *answer) {
	t.Helper()
	read := make(chan *answer, 1)
	go func() {
		a, err := f.do(t.Context(), http.MethodGet, f.url("files", ""), nil)
		if err != nil {
			t.Error(err)
		}
		read <- a
	}()
	select {
	case got := <-read:
		return read, got
	case <-time.After(limit):
		return read, nil
	}
}
