package forward

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/streaming/pkg/httpstream"
)

// connect opens a connection to a port of a pod. It has a connection to the API server of its own:
// streams that share one wait for each other, and end together.
func (w *Way) connect(ctx context.Context, to pod) (net.Conn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	done := make(chan result, 1)
	go func() {
		conn, err := w.open(to)
		done <- result{conn, err}
	}()
	select {
	case r := <-done:
		return r.conn, r.err
	case <-ctx.Done(): // which the dialer does not know
		go func() {
			if r := <-done; r.err == nil {
				_ = r.conn.Close()
			}
		}()
		return nil, context.Cause(ctx)
	}
}

// upgrade has the API server open a connection to a pod as kubectl does: by WebSocket, and by SPDY
// where that does not get through.
func (w *Way) upgrade(name string) (connection httpstream.Connection, protocol string, err error) {
	address := w.client.CoreV1().RESTClient().Post().Resource("pods").Namespace(w.namespace).Name(name).SubResource("portforward").URL()
	first, err := portforward.NewSPDYOverWebsocketDialerForStreaming(address, w.config)
	if err != nil {
		return nil, "", err
	}
	connection, protocol, err = first.Dial(portforward.PortForwardProtocolV1Name)
	if err == nil || !httpstream.IsUpgradeFailure(err) && !httpstream.IsHTTPSProxyError(err) {
		return connection, protocol, err
	}
	answer := status(err)
	if answer != nil && (refusal(w.namespace, answer) != nil || apierrors.IsNotFound(answer)) {
		return nil, "", answer // it would say the same again
	}
	transport, upgrader, failed := spdy.RoundTripperFor(w.config)
	if failed != nil {
		return nil, "", failed
	}
	second := spdy.NewDialerForStreaming(upgrader, &http.Client{Transport: transport}, http.MethodPost, address)
	connection, protocol, failed = second.Dial(portforward.PortForwardProtocolV1Name)
	switch {
	case failed == nil:
		return connection, protocol, nil
	case answer != nil:
		return nil, "", answer
	}
	return nil, "", noUpgrade(err, failed)
}

// open has the API server connect to a port of a pod.
func (w *Way) open(to pod) (net.Conn, error) {
	connection, protocol, err := w.upgrade(to.name)
	if err != nil {
		return nil, err
	}
	if protocol != portforward.PortForwardProtocolV1Name {
		_ = connection.Close()
		return nil, fmt.Errorf("the API server speaks %q, not %q", protocol, portforward.PortForwardProtocolV1Name)
	}
	header := http.Header{}
	header.Set(corev1.PortHeader, strconv.Itoa(int(to.port)))
	header.Set(corev1.PortForwardRequestIDHeader, "0")
	header.Set(corev1.StreamType, corev1.StreamTypeError)
	faults, err := connection.CreateStream(header)
	if err != nil {
		_ = connection.Close()
		return nil, err
	}
	_ = faults.Close() // nothing is written there
	header.Set(corev1.StreamType, corev1.StreamTypeData)
	data, err := connection.CreateStream(header)
	if err != nil {
		_ = connection.Close()
		return nil, err
	}
	return carry(connection, faults, data, to.name), nil
}

// stream is a connection to a port of a pod. Its near end is a pipe, which has the deadlines that
// streams have not: one that the API server no longer takes bytes of can be given up. Unless
// somebody sets a deadline, it fails when it moves no byte for too long.
type stream struct {
	net.Conn

	deadline atomic.Bool // somebody has set one

	mu    sync.Mutex
	fault error
}

// carry moves the bytes between a pipe and a stream. What has come is read before the end is told:
// a pod that refuses a body answers, and ends the connection, while it is still sent to.
func carry(connection httpstream.Connection, faults, data httpstream.Stream, name string) *stream {
	near, far := net.Pipe()
	s := &stream{Conn: near}
	told, read := make(chan struct{}), make(chan struct{})
	go func() { // what the kubelet says of the pod
		defer close(told)
		text, _ := io.ReadAll(io.LimitReader(faults, 4<<10))
		if len(text) > 0 {
			s.fail(fmt.Errorf("the pod %s: %s", name, oneLine(string(text))))
			time.AfterFunc(readWait, func() { _ = far.Close() })
		}
	}()
	go func() {
		defer close(read)
		_, _ = io.CopyBuffer(writer{far}, data, make([]byte, bufferSize))
		why := io.EOF
		select {
		case <-connection.CloseChan(): // its streams end after that, and after what has come
			why = errors.New("the API server has closed the connection to the pod " + name)
		default:
		}
		select { // what the kubelet says of the end comes on a stream of its own
		case <-told:
		case <-time.After(faultWait):
		}
		s.fail(why)
		_ = far.Close()
	}()
	go func() { // ends when either end is closed
		_, err := io.CopyBuffer(writer{data}, far, make([]byte, bufferSize))
		if err != nil && !errors.Is(err, io.ErrClosedPipe) { // the pod takes no more
			select {
			case <-read:
			case <-time.After(readWait):
			}
		}
		_ = far.Close()
		_ = connection.Close()
	}()
	return s
}

const (
	// faultWait is how long the end of a connection waits for its reason.
	faultWait = 300 * time.Millisecond
	// readWait is how long what has come may take to be read once the pod takes no more.
	readWait = 5 * time.Second
)

// bufferSize is what is read and written at once: what a TLS record holds fits in.
const bufferSize = 32 << 10

// writer hides what io.Copy would rather use.
type writer struct{ io.Writer }

func (s *stream) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fault == nil {
		s.fault = err
	}
}

// because is the reason for the end of the pipe, where one is known.
func (s *stream) because(err error) error {
	if err == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fault != nil && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrClosedPipe)) {
		return s.fault
	}
	return err
}

// silence is how long a connection may move no byte: the server answers within one minute, be it
// with "later".
const silence = 2 * time.Minute

func (s *stream) slide() {
	if !s.deadline.Load() {
		_ = s.Conn.SetDeadline(time.Now().Add(silence))
	}
}

// Read implements net.Conn.
func (s *stream) Read(p []byte) (int, error) {
	s.slide()
	n, err := s.Conn.Read(p)
	return n, s.because(err)
}

// Write implements net.Conn.
func (s *stream) Write(p []byte) (int, error) {
	s.slide()
	n, err := s.Conn.Write(p)
	return n, s.because(err)
}

// SetDeadline implements net.Conn.
func (s *stream) SetDeadline(t time.Time) error {
	s.deadline.Store(true)
	return s.Conn.SetDeadline(t)
}

// SetReadDeadline implements net.Conn.
func (s *stream) SetReadDeadline(t time.Time) error {
	s.deadline.Store(true)
	return s.Conn.SetReadDeadline(t)
}

// SetWriteDeadline implements net.Conn.
func (s *stream) SetWriteDeadline(t time.Time) error {
	s.deadline.Store(true)
	return s.Conn.SetWriteDeadline(t)
}
