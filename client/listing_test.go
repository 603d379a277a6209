package iotfile

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// TestListingWithoutSizes: a server whose list of parts tells number and time alone, as the
// service's does whose API this is, takes a file all the same.
func TestListingWithoutSizes(t *testing.T) {
	content := bytes.Repeat([]byte("iotfile "), 12<<17) // 12 MiB
	var mu sync.Mutex
	parts := map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("ETag", "0")
		switch {
		case strings.Contains(r.URL.Path, "/fileslist/"):
			var listed []string
			for number := range parts {
				listed = append(listed, fmt.Sprintf(`{"objectKey":"k","partNo":%s,"created":1}`, number))
			}
			fmt.Fprintf(w, "[%s]", strings.Join(listed, ","))
		case r.Method == http.MethodHead:
			w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		default:
			if number := r.URL.Query().Get("part"); number != "" {
				parts[number] = len(body)
			}
			w.WriteHeader(http.StatusCreated)
		}
	}))
	defer server.Close()
	c, err := New(server.URL, &Options{Token: StaticToken(secret), Attempts: 1})
	if err != nil {
		t.Fatal(err)
	}
	f, err := c.Upload(t.Context(), entity+"/a.bin", bytes.NewReader(content), int64(len(content)), &UploadOptions{PartSize: 5 << 20})
	if err != nil || f.Size != int64(len(content)) {
		t.Errorf("%+v, %v", f, err)
	}
	if parts["1"] != 5<<20 || parts["2"] != 5<<20 {
		t.Errorf("the parts have %v bytes", parts)
	}
}
