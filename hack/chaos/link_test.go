package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestGateOutlastsItsCaller: a completion is not cut in the store when its operator is killed; any
// other request is.
func TestGateOutlastsItsCaller(t *testing.T) {
	for query, whole := range map[string]bool{"?uploadId=x": true, "?uploads": false} {
		arrived, gone := make(chan struct{}), make(chan struct{})
		store := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			close(arrived)
			select {
			case <-gone:
			case <-r.Context().Done():
			}
		}))
		ctx, kill := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, store.URL+"/bucket/key"+query, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		answered := make(chan error, 1)
		go func() {
			res, err := newGate().RoundTrip(req)
			if err == nil {
				err = res.Body.Close()
			}
			answered <- err
		}()
		<-arrived
		kill()
		if whole {
			close(gone)
		}
		if err := <-answered; (err == nil) != whole {
			t.Errorf("%s: %v", query, err)
		}
		store.Close()
	}
}
