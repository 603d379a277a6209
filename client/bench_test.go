package iotfile

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// BenchmarkPart is what a part costs this side but its bytes: time, memory and allocations, those
// of a server that drops them included.
func BenchmarkPart(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusCreated)
	}))
	defer server.Close()
	c, err := New(server.URL, &Options{Token: StaticToken(secret)})
	if err != nil {
		b.Fatal(err)
	}
	u, err := c.newUpload(entity+"/a", -1, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer u.end()
	part := make([]byte, 5*mib)
	b.SetBytes(int64(len(part)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := u.sendPart(b.Context(), 1, io.NewSectionReader(bytes.NewReader(part), 0, int64(len(part))), Part{}, false); err != nil {
			b.Fatal(err)
		}
	}
}
