package reviewserver

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/iotfile-operator/iotfile-operator/internal/connlimit"
)

// refusal is why a review is not looked at.
type refusal struct {
	status  int
	reason  string // as the metric names it
	message string
}

// Error implements error.
func (r *refusal) Error() string { return r.message }

var (
	errTooLarge = &refusal{
		http.StatusRequestEntityTooLarge, "too_large",
		fmt.Sprintf("the review has more than %d bytes: the object, which an update sends as it was and as it is to be, is too large. Make its labels, annotations and the like smaller", MaxBodyBytes),
	}
	errBusy = &refusal{http.StatusServiceUnavailable, "busy", "there are too many reviews at once: send it again"}
	errSlow = &refusal{http.StatusRequestTimeout, "slow", "the body of the review did not arrive in time"}
)

// ServeHTTP reads a review and hands it to its webhook, or refuses it.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	address := addressOf(r.RemoteAddr)
	body, leave, err := s.read(r, address)
	if err != nil {
		s.refuse(w, err)
		return
	}
	defer leave()
	connlimit.Known(r.Context()) // a connection that brings whole reviews is not cut within one
	done, ok := s.reviews.enter(r.Context(), address, queueTimeout)
	if !ok {
		s.refuse(w, errBusy)
		return
	}
	defer done()
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	s.hooks.WebhookMux().ServeHTTP(w, r)
}

// read reads the body of a review. One that is not small needs a place, which the caller gives back
// by leave once it has done with the body.
func (s *Server) read(r *http.Request, address string) (body []byte, leave func(), err error) {
	leave = func() {}
	if r.ContentLength > MaxBodyBytes {
		return nil, nil, tooLarge(r)
	}
	room := int64(smallBody)
	if r.ContentLength >= 0 {
		room = min(room, r.ContentLength)
	}
	body = make([]byte, room)
	n, err := io.ReadFull(r.Body, body)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF) && r.ContentLength < 0, err == nil && room == r.ContentLength:
		return body[:n], leave, nil
	case err != nil:
		return nil, nil, errSlow
	}
	leave, ok := s.large.enter(r.Context(), address, queueTimeout)
	if !ok {
		return nil, nil, errBusy
	}
	whole := make([]byte, MaxBodyBytes+1)
	copy(whole, body)
	rest, err := io.ReadFull(r.Body, whole[n:])
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) && r.ContentLength < 0 || int64(n+rest) == r.ContentLength {
		return whole[:n+rest], leave, nil
	}
	leave()
	if err == nil {
		return nil, nil, tooLarge(r)
	}
	return nil, nil, errSlow
}

// tooLarge takes what is left of a body that is not too far from what there may be: an answer to a
// client that still sends is lost when the connection is closed.
func tooLarge(r *http.Request) error {
	if r.ContentLength <= drained {
		_, _ = io.CopyN(io.Discard, r.Body, drained)
	}
	return errTooLarge
}

// refuse answers as the API server's client understands it. The connection ends with it.
func (s *Server) refuse(w http.ResponseWriter, err error) {
	var why *refusal
	if !errors.As(err, &why) {
		why = errSlow
	}
	s.refused.WithLabelValues(why.reason).Inc()
	data, _ := json.Marshal(metav1.Status{ // it cannot fail
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure,
		Reason: reasons[why.status], Code: int32(why.status), Message: why.message, //nolint:gosec // an HTTP status
	})
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Connection", "close")
	if why.status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "1")
	}
	w.WriteHeader(why.status)
	_, _ = w.Write(data) // the client may be gone
}

var reasons = map[int]metav1.StatusReason{
	http.StatusRequestEntityTooLarge: metav1.StatusReasonRequestEntityTooLarge,
	http.StatusServiceUnavailable:    metav1.StatusReasonServiceUnavailable,
	http.StatusRequestTimeout:        metav1.StatusReasonTimeout,
}
