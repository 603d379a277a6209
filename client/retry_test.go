package iotfile

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"testing"
	"time"
)

// TestBackoff: pauses are spread from nothing to a bound that grows, and stops growing.
func TestBackoff(t *testing.T) {
	for n := 1; n < 100; n++ {
		bound := min(backoffFirst<<min(n-1, 20), backoffLast)
		least, most := time.Hour, time.Duration(0)
		for range 1000 {
			d := backoff(n)
			least, most = min(least, d), max(most, d)
		}
		if least < 0 || least > bound/10 || most >= bound || most < bound*9/10 {
			t.Fatalf("attempt %d: pauses of %s to %s, below %s", n, least, most, bound)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "0": 0, "7": 7 * time.Second, "-1": 0, "99999999": retryAfterMax, "soon": 0,
		now.Add(30 * time.Second).Format(http.TimeFormat): 30 * time.Second, now.Add(-time.Hour).Format(http.TimeFormat): 0,
	} {
		if got := retryAfter(text, now); got != want {
			t.Errorf("%q: %s, not %s", text, got, want)
		}
	}
}

func TestRepeatable(t *testing.T) {
	for status, want := range map[int]bool{301: false, 400: false, 401: true, 403: false, 404: false, 408: true, 409: false, 413: false, 429: true, 500: true, 502: true, 503: true, 504: true} {
		if got := repeatable(refusal(status, http.Header{}, nil), 1); got != want {
			t.Errorf("%d: %t", status, got)
		}
	}
	if repeatable(refusal(401, http.Header{}, nil), unauthorizedAttempts) {
		t.Error("a token is refused for ever")
	}
	for err, want := range map[error]bool{
		io.ErrUnexpectedEOF: true, &localError{io.EOF}: false, fmt.Errorf("x: %w", &tls.CertificateVerificationError{Err: io.EOF}): false,
	} {
		if got := repeatable(err, 1); got != want {
			t.Errorf("%v: %t", err, got)
		}
	}
}

// TestBorne: a completion that the server works on is asked for again and again, and nothing else.
func TestBorne(t *testing.T) {
	long := patientAfter + time.Second
	for name, tt := range map[string]struct {
		patient   bool
		status, n int
		took      time.Duration
		want      bool
	}{
		"being assembled": {true, 503, 20, long, true}, "refused by the store": {true, 502, 1, long, false}, "away": {true, 503, 1, time.Second, false},
		"no answer": {true, 0, 1, long, false}, "a part": {false, 503, 1, long, false}, "after an hour": {true, 503, patientFor + 1, long, false},
	} {
		if got := (&request{patient: tt.patient}).borne(&Error{Status: tt.status}, tt.n, tt.took); got != tt.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// TestErrorKinds: an answer is an error of one kind, with the server's message and id.
func TestErrorKinds(t *testing.T) {
	kinds := []error{ErrInvalid, ErrUnauthorized, ErrForbidden, ErrNotFound, ErrConflict, ErrBusy, ErrTooLarge, ErrUnavailable, ErrChanged, ErrChecksum}
	for _, tt := range []struct {
		status int
		body   string
		want   error
	}{
		{400, `{"id":"7","message":"no"}`, ErrInvalid},
		{401, `{}`, ErrUnauthorized},
		{403, "", ErrForbidden},
		{404, `<html>`, ErrNotFound},
		{409, `{"id":"7","message":"no"}`, ErrConflict},
		{412, `x`, ErrConflict},
		{413, `x`, ErrTooLarge},
		{429, "", ErrUnavailable},
		{503, "", ErrUnavailable},
		{400, `{"id":"7","message":"an upload of this file is open, and stays open: …"}`, ErrBusy},
		{400, `{"id":"7","message":"this Idempotency-Key opened the upload with another If-Match, X-File-Size or media type: …"}`, ErrBusy},
	} {
		err := refusal(tt.status, http.Header{"X-Request-Id": {"8"}}, []byte(tt.body))
		for _, kind := range kinds {
			if errors.Is(err, kind) != errors.Is(tt.want, kind) {
				t.Errorf("%d %s is %v: %t", tt.status, tt.body, kind, errors.Is(err, kind))
			}
		}
		if err.ID == "" || errors.Is(err, fs.ErrNotExist) != errors.Is(tt.want, ErrNotFound) {
			t.Errorf("%+v", err)
		}
	}
}

// TestParallel: the first error is the one that comes back, and the others are told to stop.
func TestParallel(t *testing.T) {
	broken := errors.New("broken")
	begun := make(chan struct{}, 3)
	first := make(chan struct{}, 1)
	first <- struct{}{}
	err := parallel(t.Context(), 4, func(ctx context.Context) error {
		select {
		case <-first:
			for range 3 {
				<-begun
			}
			return broken
		default:
		}
		begun <- struct{}{}
		<-ctx.Done()
		return errors.New("another one")
	})
	if !errors.Is(err, broken) {
		t.Error(err)
	}
}

// TestErrorOfASibling: what a part fails with ends the others, of which one waits to be sent again
// and one for its answer. They fail with it, and it does not contain itself.
func TestErrorOfASibling(t *testing.T) {
	for name, other := range map[string]func(w http.ResponseWriter, r *http.Request){
		"waits for its answer": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"waits to be sent again": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "60")
			w.WriteHeader(http.StatusServiceUnavailable)
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := serve(t, Options{}, other)
			ctx, cancel := context.WithCancelCause(t.Context())
			first := &Error{Op: "part 1", Path: "x", Status: http.StatusForbidden, Message: "no", kind: ErrForbidden}
			time.AfterFunc(200*time.Millisecond, func() { cancel(first) })
			_, err := c.Stat(ctx, entity+"/a")
			for seen, e := map[error]bool{}, err; e != nil; e = errors.Unwrap(e) {
				if seen[e] {
					t.Fatal("the error contains itself")
				}
				seen[e] = true
			}
			if first.Err != nil {
				t.Fatalf("the error of the other was changed: it contains %T", first.Err)
			}
			if !errors.Is(err, context.Canceled) || !errors.Is(err, ErrForbidden) {
				t.Errorf("%v", err)
			}
		})
	}
}
