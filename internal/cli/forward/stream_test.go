package forward

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"
)

// TestAnswerIsReadBeforeTheEnd has a pod answer and end in each way while nobody reads. The reader
// gets the answer first, and then the reason.
func TestAnswerIsReadBeforeTheEnd(t *testing.T) {
	answer := strings.Repeat("an answer of some frames; ", 4000)
	for name, c := range map[string]struct {
		end  func(connection httpstream.Connection, faults, data httpstream.Stream)
		want string
	}{
		"the connection": {func(connection httpstream.Connection, _, _ httpstream.Stream) {
			_ = connection.Close()
		}, "the API server has closed the connection to the pod a"},
		"the stream, and then the connection": {func(connection httpstream.Connection, faults, data httpstream.Stream) {
			_, _ = faults.Close(), data.Close()
			_ = connection.Close()
		}, "the API server has closed the connection to the pod a"},
		"the stream": {func(_ httpstream.Connection, faults, data httpstream.Stream) {
			_, _ = faults.Close(), data.Close()
		}, ""},
		"with a fault": {func(_ httpstream.Connection, faults, data httpstream.Stream) {
			_, _ = io.WriteString(faults, "broken\npipe")
			_, _ = faults.Close(), data.Close()
		}, "the pod a: broken pipe"},
		"with a fault, and then the connection": {func(connection httpstream.Connection, faults, data httpstream.Stream) {
			_, _ = io.WriteString(faults, "broken\npipe")
			_, _ = faults.Close(), data.Close()
			_ = connection.Close()
		}, "the pod a: broken pipe"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			near := podThat(t, func(connection httpstream.Connection, faults, data httpstream.Stream) {
				if _, err := io.WriteString(data, answer); err != nil {
					t.Error(err)
				}
				c.end(connection, faults, data)
			})
			time.Sleep(3 * faultWait) // by then, all has come that comes
			got, err := io.ReadAll(near)
			if err == nil && c.want != "" || err != nil && err.Error() != c.want || string(got) != answer {
				t.Errorf("%d of %d bytes came, and %v", len(got), len(answer), err)
			}
		})
	}
}

// podThat gives a connection to a pod, and has the pod do something with its end of it.
func podThat(t *testing.T, do func(connection httpstream.Connection, faults, data httpstream.Stream)) net.Conn {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	there, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	here, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	arrived := make(chan httpstream.Stream, 2)
	pod, err := spdy.NewServerConnection(there, func(s httpstream.Stream, _ <-chan struct{}) error {
		arrived <- s
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	connection, err := spdy.NewClientConnection(here)
	if err != nil {
		t.Fatal(err)
	}
	var ours, theirs [2]httpstream.Stream
	for i, kind := range []string{corev1.StreamTypeError, corev1.StreamTypeData} {
		if ours[i], err = connection.CreateStream(http.Header{corev1.StreamType: {kind}}); err != nil {
			t.Fatal(err)
		}
		theirs[i] = <-arrived
	}
	_ = ours[0].Close()
	near := carry(connection, ours[0], ours[1], "a")
	t.Cleanup(func() {
		_ = near.Close()
		_, _ = there.Close(), here.Close()
	})
	go do(pod, theirs[0], theirs[1])
	return near
}
