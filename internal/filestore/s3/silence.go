package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

// attentive ends requests that only ask, or open an upload, when no byte of the answer has come for
// limit. A backend answers those from its metadata, however large the files are. All others take as
// long as the caller lets them: an assembly may copy the file, an abort may delete thousands of
// parts, and a body flows at its own pace.
type attentive struct {
	next http.RoundTripper
	// limit is a time.Duration.
	limit *atomic.Int64
}

// RoundTrip implements http.RoundTripper.
func (a attentive) RoundTrip(req *http.Request) (*http.Response, error) {
	if !prompt(req) {
		return a.next.RoundTrip(req)
	}
	limit := time.Duration(a.limit.Load())
	ctx, cancel := context.WithCancelCause(req.Context())
	w := &heard{limit: limit, cancel: cancel, cause: func() error { return context.Cause(ctx) }}
	w.timer = time.AfterFunc(limit, func() { cancel(errNoByte(limit)) })
	resp, err := a.next.RoundTrip(req.WithContext(ctx))
	w.timer.Stop()
	if err != nil {
		defer cancel(nil)
		return nil, w.verdict(err)
	}
	w.ReadCloser, resp.Body = resp.Body, w
	return resp, nil
}

// prompt reports whether a request only asks, or opens an upload.
func prompt(req *http.Request) bool {
	query := req.URL.Query()
	switch req.Method {
	case http.MethodHead:
		return true
	case http.MethodPost:
		return query.Has("uploads")
	case http.MethodGet:
		return query.Has("list-type") || query.Has("uploads") || query.Has("uploadId") || query.Has("location") ||
			req.Header.Get("Range") == "bytes=0-0" // see store.explain
	}
	return false
}

func errNoByte(limit time.Duration) error {
	return fmt.Errorf("%w: no byte of the answer in %s", filestore.ErrSilent, limit)
}

// heard is the body of an answer. Only the time counts for which its reader waits.
type heard struct {
	io.ReadCloser
	limit  time.Duration
	timer  *time.Timer
	cancel context.CancelCauseFunc
	cause  func() error
}

// Read implements io.Reader.
func (h *heard) Read(p []byte) (int, error) {
	h.timer.Reset(h.limit)
	defer h.timer.Stop()
	n, err := h.ReadCloser.Read(p)
	return n, h.verdict(err)
}

// Close implements io.Closer.
func (h *heard) Close() error {
	h.timer.Stop()
	err := h.ReadCloser.Close()
	h.cancel(nil)
	return err
}

// verdict names the silence, where that is why a request has failed.
func (h *heard) verdict(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	if cause := h.cause(); errors.Is(cause, filestore.ErrSilent) {
		return cause
	}
	return err
}

// silent reports whether err, of a call with ctx, says that the backend has said nothing: an
// attentive request has found that out, or no connection came about in its time. An end of ctx says
// how long the caller could wait, and nothing of the backend.
func silent(ctx context.Context, err error) bool {
	if errors.Is(err, filestore.ErrSilent) {
		return true
	}
	var late net.Error
	return ctx.Err() == nil && errors.As(err, &late) && late.Timeout()
}
