package transfer

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// BenchmarkBody is what watching both sides of a body costs, by the size of the reads: the bytes
// themselves are free here.
func BenchmarkBody(b *testing.B) {
	const size = 64 << 20
	for _, read := range []int{16 << 10, 256 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("read=%dKiB", read>>10), func(b *testing.B) {
			buffer := make([]byte, read)
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				r := httptest.NewRequest(http.MethodPut, "/", io.LimitReader(free{}, size))
				r.ContentLength = size
				body, _ := NewStream(b.Context(), NewInbound(r, http.NewResponseController(httptest.NewRecorder()), Timeouts{Idle: time.Minute, MinRate: 1 << 10, Grace: 30 * time.Second}), nil, time.Minute)
				if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, onlyReader{io.LimitReader(body, size)}, buffer); err != nil {
					b.Fatal(err)
				}
				body.Stop()
			}
		})
	}
}

// free is a Reader that touches no byte.
type free struct{}

func (free) Read(p []byte) (int, error) { return len(p), nil }
