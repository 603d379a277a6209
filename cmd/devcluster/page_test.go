package main

import (
	"context"
	"errors"
	"testing"
	"time"
)

// TestSampleTokens are made again before they end, and an error of that is told.
func TestSampleTokens(t *testing.T) {
	made, failed := "second", error(nil)
	s := &sampleTokens{make: func(context.Context) (string, error) { return made, failed }, token: "first", renew: time.Now().Add(time.Hour)}
	token := func(want string, wantError error) {
		t.Helper()
		if got, err := s.Token(t.Context()); got != want || !errors.Is(err, wantError) {
			t.Errorf("the token is %q, %v; want %q, %v", got, err, want, wantError)
		}
	}
	token("first", nil)
	s.renew = time.Now().Add(-time.Second)
	failed = errors.New("the API server is away")
	token("", failed)
	failed = nil
	token("second", nil)
	made = "third"
	token("second", nil)
}
