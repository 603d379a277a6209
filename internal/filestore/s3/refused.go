package s3

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

// sendBody sends a request that has a body, and closes its connection if the answer is a refusal. A
// backend may refuse before it has read the body. What it then takes the rest of the body for may
// be the next request, whose answer would be read as that to somebody else's.
func sendBody(next http.RoundTripper, req *http.Request) (*http.Response, error) {
	var used net.Conn
	trace := &httptrace.ClientTrace{GotConn: func(got httptrace.GotConnInfo) { used = got.Conn }}
	resp, err := next.RoundTrip(req.WithContext(httptrace.WithClientTrace(req.Context(), trace)))
	if err == nil && resp.StatusCode >= http.StatusBadRequest && used != nil {
		resp.Body = &refusal{resp.Body, rawConn(used)}
	}
	return resp, err
}

// rawConn is the connection below TLS. Closing that does not wait for a peer that does not read.
func rawConn(c net.Conn) net.Conn {
	if t, ok := c.(*tls.Conn); ok {
		return t.NetConn()
	}
	return c
}

// refusal is the body of an answer whose connection is not to be used again.
type refusal struct {
	io.ReadCloser
	conn net.Conn
}

// Read implements io.Reader.
func (r *refusal) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if err != nil {
		_ = r.conn.Close()
	}
	return n, err
}

// Close implements io.Closer.
func (r *refusal) Close() error {
	_ = r.conn.Close()
	return r.ReadCloser.Close()
}

// explainCut asks why a part was not taken whose connection has failed. A backend that refuses a
// part before it has read it may close the connection; then TCP loses the refusal (RFC 9112 section
// 9.6), and the part would be sent again and again to an upload that is gone.
func (s *store) explainCut(ctx context.Context, ref filestore.UploadRef, err error) error {
	var e *filestore.Error
	if ctx.Err() != nil || !errors.As(err, &e) || e.Status != 0 || !errors.Is(err, filestore.ErrUnavailable) || errors.Is(err, filestore.ErrSilent) {
		return err
	}
	_, why := s.core.ListObjectParts(ctx, s.cfg.Bucket, ref.Key, ref.UploadID, 0, 1)
	if why = translate(ctx, opListParts, why); errors.Is(why, filestore.ErrNoSuchUpload) {
		return errors.Join(why, e.Cause)
	}
	return err
}
