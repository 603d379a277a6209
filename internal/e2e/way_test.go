package e2e

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/iotfile-operator/iotfile-operator/internal/tcpfault"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

// serve serves on 127.0.0.1 until the test ends, and returns the URL.
func serve(t *testing.T, handler http.Handler) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server.URL
}

// way is a way to a server that can be blocked: connections stay as they are, and no byte gets
// through.
type way struct{ *tcpfault.Proxy }

func newWay(t *testing.T, target string) way {
	t.Helper()
	return way{testkit.FaultyTCP(t, target)}
}

func (w way) block() { w.Add("blocked", tcpfault.Fault{Kind: tcpfault.Block}) }
func (w way) open()  { w.Remove("blocked") }

// kubeconfig is a copy of one that goes this way to the system's API server.
func (w way) kubeconfig(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.ReplaceAll(string(data), system.plane.URL, "https://"+w.Addr())
	if changed == string(data) {
		t.Fatalf("%s does not name %s", path, system.plane.URL)
	}
	other := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(other, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	return other
}
