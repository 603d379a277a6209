package devcluster

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// TestDownloadedBinariesAreUsed runs the real setup-envtest against an index and an archive served
// here.
func TestDownloadedBinariesAreUsed(t *testing.T) {
	root, err := ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	archive := envtestArchive(t)
	sum := sha512.Sum512(archive)
	hash := hex.EncodeToString(sum[:])
	downloads := 0
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	mux.HandleFunc("/index.yaml", func(w http.ResponseWriter, _ *http.Request) {
		name := fmt.Sprintf("envtest-v1.37.1-%s-%s.tar.gz", runtime.GOOS, runtime.GOARCH)
		fmt.Fprintf(w, "releases:\n  v1.37.1:\n    %s:\n      hash: %s\n      selfLink: %s/archive\n", name, hash, server.URL)
	})
	mux.HandleFunc("/archive", func(w http.ResponseWriter, _ *http.Request) {
		downloads++
		_, _ = w.Write(archive)
	})
	t.Setenv("KUBEBUILDER_ASSETS", "")
	t.Setenv("IOTFILE_TOOLS_DOWNLOAD", "")
	t.Setenv("IOTFILE_ENVTEST_INDEX", server.URL+"/index.yaml")

	finder := toolFinder{root: root, cache: t.TempDir(), log: t.Output()}
	for _, tool := range []Tool{Etcd, KubeAPIServer, Kubectl} {
		path, err := finder.find(t.Context(), tool)
		if err != nil {
			t.Fatal(err)
		}
		if content, err := os.ReadFile(path); err != nil || string(content) != "#!"+string(tool) {
			t.Errorf("%s at %s: %q, %v", tool, path, content, err)
		}
	}
	if downloads != 1 {
		t.Errorf("%d downloads, want 1", downloads)
	}

	hash = "00"
	broken := toolFinder{root: root, cache: t.TempDir(), log: t.Output()}
	if path, err := broken.envtestBinary(t.Context(), KubeAPIServer, "v1.37.2"); path != "" || err != nil || !broken.downloadFailed {
		t.Errorf("an archive with a wrong checksum: %q, %v; want none, and a build instead", path, err)
	}
	if left, _ := filepath.Glob(filepath.Join(broken.cache, "envtest", "*", "kube-apiserver")); len(left) > 0 {
		t.Errorf("an archive with a wrong checksum left %v", left)
	}
}

func envtestArchive(t *testing.T) []byte {
	t.Helper()
	var buffer bytes.Buffer
	zipped := gzip.NewWriter(&buffer)
	archive := tar.NewWriter(zipped)
	for _, tool := range []Tool{Etcd, KubeAPIServer, Kubectl} {
		content := []byte("#!" + tool)
		header := &tar.Header{Name: "controller-tools/envtest/" + string(tool), Mode: 0o755, Size: int64(len(content)), Typeflag: tar.TypeReg}
		if err := archive.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zipped.Close(); err != nil {
		t.Fatal(err)
	}
	return buffer.Bytes()
}
