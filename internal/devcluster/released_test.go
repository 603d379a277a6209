package devcluster

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// TestReleasedBinariesAreUsed: a program of a Kubernetes release is downloaded once; one that is
// damaged, or not there, is not used, and nothing of it stays.
func TestReleasedBinariesAreUsed(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("servers are published for Linux alone")
	}
	root, err := ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	const version, content = "v1.37.2", "#!kube-controller-manager"
	sum := sha256.Sum256([]byte(content))
	hash, downloads := hex.EncodeToString(sum[:]), 0
	mux := http.NewServeMux()
	at := "/" + version + "/bin/linux/" + runtime.GOARCH + "/kube-controller-manager"
	mux.HandleFunc(at, func(w http.ResponseWriter, _ *http.Request) {
		downloads++
		_, _ = w.Write([]byte(content))
	})
	mux.HandleFunc(at+".sha256", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(hash)) })
	server := httptest.NewServer(mux)
	defer server.Close()
	t.Setenv("IOTFILE_TOOLS_DOWNLOAD", "")
	t.Setenv("IOTFILE_KUBERNETES_RELEASES", server.URL)

	cache := t.TempDir()
	for range 2 {
		finder := toolFinder{root: root, cache: cache, log: t.Output()}
		path, err := finder.find(t.Context(), KubeControllerManager)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != content {
			t.Errorf("%s: %q, %v", path, got, err)
		}
	}
	if downloads != 1 {
		t.Errorf("%d downloads, want 1", downloads)
	}

	none := func(what, version string) {
		t.Helper()
		finder := toolFinder{root: root, cache: t.TempDir(), log: t.Output()}
		if path, err := finder.releasedBinary(t.Context(), KubeControllerManager, version); path != "" || err != nil {
			t.Errorf("%s: %q, %v; want none, and a build instead", what, path, err)
		}
		if left, _ := filepath.Glob(filepath.Join(finder.cache, "released", "*", "kube-controller-manager*[^k]")); len(left) > 0 {
			t.Errorf("%s: %v is left", what, left)
		}
	}
	none("a version that is not there", "v1.36.0")
	hash = "00"
	none("a program with a wrong checksum", version)
	t.Setenv("IOTFILE_TOOLS_DOWNLOAD", "no")
	before := downloads
	none("downloads are turned off", version)
	if downloads != before {
		t.Error("there was a download although they are turned off")
	}
}
