package connection

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/client"
)

// TestAskExpects: a body that waits for "100 Continue" is not sent before that, so that the answer
// of a hop which refuses it is not lost with the connection.
func TestAskExpects(t *testing.T) {
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	early := make(chan error, 1)
	go func() {
		early <- func() error {
			conn, err := listener.Accept()
			if err != nil {
				return err
			}
			defer func() { _ = conn.Close() }()
			in := bufio.NewReader(conn)
			if _, err := http.ReadRequest(in); err != nil {
				return err
			}
			_ = conn.SetReadDeadline(time.Now().Add(time.Second))
			if _, err := in.ReadByte(); !errors.Is(err, os.ErrDeadlineExceeded) {
				return errors.New("the body was sent before it was asked for")
			}
			_, err = io.WriteString(conn, "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
			return err
		}()
	}()
	c := &Connection{Server: "http://" + listener.Addr().String(), Token: iotfile.StaticToken("token")}
	answer, err := c.Ask(t.Context(), http.MethodPut, "/files/x", http.Header{"Expect": {"100-continue"}}, strings.NewReader("body"), 4)
	if err != nil || answer.Status != http.StatusRequestEntityTooLarge {
		t.Errorf("the answer is %+v, %v", answer, err)
	}
	_ = listener.Close()
	if err := <-early; err != nil {
		t.Error(err)
	}
}
