package iotfile

import (
	"context"
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

const (
	// backoffFirst bounds the pause after the first attempt; each further one is bounded by twice
	// as much, up to backoffLast.
	backoffFirst = 500 * time.Millisecond
	backoffLast  = 20 * time.Second
	// retryAfterMax is how long a server may make a client wait at once.
	retryAfterMax = 5 * time.Minute
	// unauthorizedAttempts is how often a request with a refused token is sent: the kubelet may be
	// about to replace it.
	unauthorizedAttempts = 3
)

// backoff is the pause after attempt n, counted from 1, with full jitter: many clients that fail
// together do not come back together.
func backoff(n int) time.Duration {
	return rand.N(min(backoffFirst<<min(n-1, 16), backoffLast)) //nolint:gosec // no secret
}

// retryAfter reads that header: seconds, or a date. 0 where there is none.
func retryAfter(text string, now time.Time) time.Duration {
	wait := time.Duration(0)
	if seconds, err := strconv.Atoi(text); err == nil {
		wait = time.Duration(min(max(seconds, 0), 3600)) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), retryAfterMax)
}

// repeatable reports whether attempt n, which has failed, is worth another one.
func repeatable(err error, n int) bool {
	var local *localError
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &local) || errors.As(err, &certificate) {
		return false
	}
	var refused *Error
	if !errors.As(err, &refused) || refused.Status == 0 {
		return true // no answer, or half of one
	}
	switch refused.Status {
	case http.StatusUnauthorized:
		return n < unauthorizedAttempts
	case http.StatusRequestTimeout, http.StatusTooManyRequests,
		http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// pause waits, or reports the end of ctx.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
