package s3_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

const noSuchUpload = `<?xml version="1.0"?><Error><Code>NoSuchUpload</Code><Message>none</Message><RequestId>1</RequestId></Error>`

func answerWith(c net.Conn, status int, body string) {
	_, _ = fmt.Fprintf(c, "HTTP/1.1 %d %s\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n\r\n%s",
		status, http.StatusText(status), len(body), body)
}

// TestRefusalIsLost: a backend that closes the connection of a part instead of reading it is asked
// whether there is such an upload. Only if it says No is the part not worth sending again.
func TestRefusalIsLost(t *testing.T) {
	parts := `<?xml version="1.0"?><ListPartsResult><Bucket>bucket</Bucket><Key>k</Key><UploadId>id</UploadId></ListPartsResult>`
	for name, tc := range map[string]struct {
		status int
		body   string
		want   error
	}{
		"the upload is gone":  {404, noSuchUpload, filestore.ErrNoSuchUpload},
		"the upload is there": {200, parts, filestore.ErrUnavailable},
		"nobody knows":        {503, "", filestore.ErrUnavailable},
		"a stranger's 404":    {404, "", filestore.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			store := answersWith(t, time.Minute, func(c net.Conn) {
				req, err := http.ReadRequest(bufio.NewReader(c))
				if err != nil {
					return
				}
				if req.Method == http.MethodPut {
					_ = c.(*net.TCPConn).SetLinger(0) // what was not read is answered with RST
					_ = c.Close()
					return
				}
				answerWith(c, tc.status, tc.body)
			})
			_, err := store.PutPart(t.Context(), filestore.UploadRef{Key: "k", UploadID: "id"}, 1, bytes.NewReader(make([]byte, 8<<20)), 8<<20)
			if !errors.Is(err, tc.want) || errors.Is(err, filestore.ErrNoSuchUpload) != errors.Is(tc.want, filestore.ErrNoSuchUpload) {
				t.Error(err)
			}
		})
	}
}

// TestRefusedConnection: after a refused body nothing more is sent on its connection, on which the
// backend may take the body for requests; after one that was taken, the connection is used again.
func TestRefusedConnection(t *testing.T) {
	length := fmt.Sprintf("HTTP/1.1 404 Not Found\r\nContent-Length: %d\r\n\r\n%s", len(noSuchUpload), noSuchUpload)
	spaced := fmt.Sprintf("HTTP/1.1 404 Not Found\r\nContent-Length: %d\r\n\r\n%s\n", len(noSuchUpload)+1, noSuchUpload)
	chunks := fmt.Sprintf("HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(noSuchUpload), noSuchUpload)
	for name, tc := range map[string]struct {
		answer      string
		connections int
	}{
		"refused": {length, 10}, "refused, with a line end": {spaced, 10}, "refused in chunks": {chunks, 10},
		"taken": {"HTTP/1.1 200 OK\r\nETag: \"e\"\r\nContent-Length: 0\r\n\r\n", 1},
	} {
		t.Run(name, func(t *testing.T) {
			var connections atomic.Int32
			store := answersWith(t, time.Minute, func(c net.Conn) {
				connections.Add(1)
				in := bufio.NewReader(c)
				for {
					req, err := http.ReadRequest(in)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, req.Body)
					_, _ = io.WriteString(c, tc.answer)
				}
			})
			for range 10 {
				_, err := store.PutPart(t.Context(), filestore.UploadRef{Key: "k", UploadID: "id"}, 1, bytes.NewReader([]byte("part")), 4)
				if refused := tc.connections > 1; errors.Is(err, filestore.ErrNoSuchUpload) != refused || !refused && err != nil {
					t.Fatal(err)
				}
			}
			if n := connections.Load(); int(n) != tc.connections {
				t.Errorf("10 parts took %d connections", n)
			}
		})
	}
}
