package s3

import (
	"io"
	"testing"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

// BenchmarkPutObject is BenchmarkPutPart with whole objects: they must not cost more.
func BenchmarkPutObject(b *testing.B) {
	for _, mode := range preferred {
		b.Run(string(mode), func(b *testing.B) {
			backend := startNullBackend(b)
			s, err := New(nullConfig(backend, mode))
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			benchParts(b, func(r io.Reader) error {
				_, err := s.PutObject(b.Context(), "k", r, benchPart, filestore.CreateUploadOptions{}, filestore.Condition{})
				return err
			}, "socket", backend)
		})
	}
}
