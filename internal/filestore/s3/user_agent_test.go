package s3_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/version"
)

// Object storage is told who asks, in each request.
func TestUserAgent(t *testing.T) {
	var mu sync.Mutex
	agents := map[string]string{}
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		agents[r.Method+" "+r.URL.String()] = r.UserAgent()
		w.WriteHeader(http.StatusForbidden)
	}))
	defer backend.Close()
	keys := &filestore.Credentials{AccessKeyID: "id", SecretAccessKey: "secret"}
	calls(t, connect(t, filestore.Config{Endpoint: backend.URL, Bucket: "files", Credentials: keys, PayloadMode: v1alpha1.PayloadUnsigned}))
	if len(agents) == 0 {
		t.Fatal("nothing was asked")
	}
	for request, agent := range agents {
		if !strings.HasSuffix(agent, " "+version.Name+"/"+version.Number()) {
			t.Errorf("%s: User-Agent %q", request, agent)
		}
	}
}
