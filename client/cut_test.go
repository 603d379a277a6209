package iotfile

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/minio/crc64nvme"
)

// serveCut serves content as one file, and cuts the first answers in their middle. ranges counts
// what was asked for; sum is the checksum that is told.
func serveCut(t *testing.T, content []byte, cuts int64, sum uint64) (c *Client, ranges *atomic.Int64) {
	t.Helper()
	ranges = &atomic.Int64{}
	c, _ = serve(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("ETag", "7")
		h.Set("X-File-Tag", "7-abc")
		if r.Method == http.MethodHead {
			h.Set("X-Amz-Checksum-Crc64nvme", encodeCRC(sum))
			h.Set("X-Amz-Checksum-Type", "FULL_OBJECT")
			h.Set("Content-Length", fmt.Sprint(len(content)))
			return
		}
		var from, to int
		if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to); err != nil || r.Header.Get("If-Match") != "7-abc" {
			t.Errorf("asked for %q of %q", r.Header.Get("Range"), r.Header.Get("If-Match"))
		}
		piece := content[from : to+1]
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, len(content)))
		h.Set("Content-Length", fmt.Sprint(len(piece)))
		w.WriteHeader(http.StatusPartialContent)
		if ranges.Add(1) <= cuts {
			_, _ = w.Write(piece[:len(piece)/2])
			panic(http.ErrAbortHandler)
		}
		_, _ = w.Write(piece)
	})
	return c, ranges
}

// TestCutAnswers: an answer that is cut is continued where it was, and what was read is compared.
func TestCutAnswers(t *testing.T) {
	content := make([]byte, 3*mib+77)
	_, _ = rand.Read(content)
	sum := crc64nvme.Checksum(content)
	path := entity + "/a"
	t.Run("download", func(t *testing.T) {
		c, ranges := serveCut(t, content, 3, sum)
		to, err := os.Create(filepath.Join(t.TempDir(), "to"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = to.Close() }()
		var last Progress
		if _, err := c.Download(t.Context(), path, to, &DownloadOptions{PartSize: mib, Progress: func(p Progress) { last = p }}); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(to.Name())
		if err != nil || !bytes.Equal(got, content) || ranges.Load() != 4+3 || last.Moved != last.Total || last.Done != last.Total {
			t.Errorf("%d bytes in %d ranges, %+v, %v", len(got), ranges.Load(), last, err)
		}
	})
	t.Run("open", func(t *testing.T) {
		c, ranges := serveCut(t, content, 3, sum)
		r, err := c.Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = r.Close() }()
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, content) || ranges.Load() != 4 {
			t.Errorf("%d bytes in %d ranges, %v", len(got), ranges.Load(), err)
		}
	})
	t.Run("other bytes", func(t *testing.T) {
		c, _ := serveCut(t, content, 0, sum+1)
		to, err := os.Create(filepath.Join(t.TempDir(), "to"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = to.Close() }()
		if _, err := c.Download(t.Context(), path, to, nil); !errors.Is(err, ErrChecksum) {
			t.Errorf("downloaded: %v", err)
		}
		r, err := c.Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = r.Close() }()
		if _, err := io.ReadAll(r); !errors.Is(err, ErrChecksum) {
			t.Errorf("read: %v", err)
		}
	})
	t.Run("a broken destination", func(t *testing.T) {
		c, ranges := serveCut(t, content, 0, sum)
		if _, err := c.Download(t.Context(), path, full{}, &DownloadOptions{Concurrency: 1}); !errors.Is(err, errFull) || ranges.Load() != 1 {
			t.Errorf("after %d ranges: %v", ranges.Load(), err)
		}
	})
}

var errFull = errors.New("the disk is full")

// full is a destination that takes nothing.
type full struct{}

// WriteAt implements io.WriterAt.
func (full) WriteAt([]byte, int64) (int, error) { return 0, errFull }
