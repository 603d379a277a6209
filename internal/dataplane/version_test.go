package dataplane_test

import (
	"net/http"
	"testing"

	"github.com/iotfile-operator/iotfile-operator/internal/dataplane"
)

// TestVersionForCallers: who has a good token learns the version, whatever the answer is; who has
// none does not.
func TestVersionForCallers(t *testing.T) {
	const number = "9.8.7"
	s := newSystem(t, setup{noReadyProbe: true, options: func(o *dataplane.Options) { o.Authenticator, o.Version = tokenAuthenticator{}, number }})
	const file = "/api/iotfile/v3/files/0123456789abcdef0123456789abcdef/none"
	for _, tt := range []struct {
		method, path, token string
		status              int
		want                string
	}{
		{http.MethodHead, file, "good", http.StatusNotFound, number},
		{http.MethodPut, file + "?upload=nonsense", "good", http.StatusBadRequest, number},
		{http.MethodGet, "/api/iotfile/v3/nothing", "good", http.StatusNotFound, number},
		{http.MethodHead, file, "bad", http.StatusUnauthorized, ""},
		{http.MethodHead, file, "", http.StatusUnauthorized, ""},
		{http.MethodGet, "/openapi.yaml", "good", http.StatusOK, ""},
		{http.MethodGet, "/", "good", http.StatusNotFound, ""},
	} {
		request, err := http.NewRequestWithContext(t.Context(), tt.method, "http://"+s.addr+tt.path, nil)
		must(t, err)
		if tt.token != "" {
			request.Header.Set("Authorization", "Bearer "+tt.token)
		}
		answer, err := http.DefaultClient.Do(request)
		must(t, err)
		must(t, answer.Body.Close())
		if got := answer.Header.Get("X-Operator-Version"); answer.StatusCode != tt.status || got != tt.want {
			t.Errorf("%s %s with token %q: %d and version %q, not %d and %q", tt.method, tt.path, tt.token, answer.StatusCode, got, tt.status, tt.want)
		}
	}
}
