package transfer

import (
	"bytes"
	"context"
	"hash"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/iotfile-operator/iotfile-operator/internal/digest"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

// sumKeeper is a Store that asks bodies for their checksum.
type sumKeeper struct {
	filestore.Store
	running hash.Hash
}

func (s *sumKeeper) PutPart(_ context.Context, _ filestore.UploadRef, _ int32, body io.Reader, _ int64) (filestore.Part, error) {
	s.running = filestore.Running(body, "CRC64NVME")
	_, err := io.Copy(io.Discard, body)
	return filestore.Part{}, err
}

// TestSumIsComputedOnce: a store behind its metrics is given the checksum that a client has made
// the server compute, and no other.
func TestSumIsComputedOnce(t *testing.T) {
	content := []byte("123456789")
	for name, h := range testkit.Digests(content) {
		r := httptest.NewRequest(http.MethodPut, "/", bytes.NewReader(content))
		r.Header.Set(h[0], h[1])
		announced, err := digest.Of(r.Header)
		if err != nil {
			t.Fatal(err)
		}
		for _, digests := range []*digest.Set{announced, nil} {
			r.Body = io.NopCloser(bytes.NewReader(content))
			body, ctx := NewStream(t.Context(), NewInbound(r, http.NewResponseController(httptest.NewRecorder()), Timeouts{Idle: time.Minute}), digests, time.Minute)
			keeper := &sumKeeper{}
			store := filestore.Observe(filestore.Config{}, keeper, filestore.Observation{Metrics: filestore.NewMetrics(prometheus.NewRegistry())})
			_, err := store.PutPart(ctx, filestore.UploadRef{}, 1, body, int64(len(content)))
			body.Stop()
			if want := name == "x-amz-checksum-crc64nvme" && digests != nil; err != nil || (keeper.running != nil) != want {
				t.Errorf("%s: %v, %v", name, keeper.running, err)
			}
		}
	}
}
