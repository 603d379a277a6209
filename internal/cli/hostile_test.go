package cli

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// hostile is a server that lists files under names that a real one refuses, each with its name as
// its bytes.
func hostile(t *testing.T, names []string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, file := strings.CutPrefix(r.URL.Path, "/api/iotfile/v3/files/"+anEntity+"/")
		if !file {
			list := []map[string]any{}
			for _, name := range names {
				list = append(list, map[string]any{"path": "", "name": name, "size": len(name), "etag": 0})
			}
			w.Header().Set("X-Total-Count", strconv.Itoa(len(list)))
			_ = json.NewEncoder(w).Encode(list)
			return
		}
		w.Header().Set("ETag", "0")
		w.Header().Set("X-File-Tag", "0-x")
		r.Header.Del("If-Match") // the version that is pinned is always there
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(path))
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// TestGetStaysBelow receives a tree of a server that wants to write elsewhere.
func TestGetStaysBelow(t *testing.T) {
	names := []string{
		"good", "sub/good", "../up", "sub/../../up", "/absolute", "sub//empty", "./dot", "..", "a\x1b]0;title\x07", "new\nline", "link/inside", "good.iotfile-partial",
	}
	t.Setenv("IOTFILE_URL", hostile(t, names))
	t.Setenv("IOTFILE_TOKEN", "x")
	t.Setenv("KUBECONFIG", "none")
	above := t.TempDir()
	target, outside := filepath.Join(above, "target"), t.TempDir()
	if err := os.Mkdir(target, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(target, "link")); err != nil {
		t.Fatal(err)
	}
	var out, told bytes.Buffer
	status := Main([]string{"kubectl-iotfile", "get", "-r", anEntity, target}, Streams{strings.NewReader(""), &out, &told}, nil, nil)
	if status != exitFailed {
		t.Errorf("it ends with %d", status)
	}
	for _, want := range []string{"received 2 of 12 files", "10 failed:", `a\x1b]0;title\a: its name has control characters`, `new\nline: `, "/../up: its name has a segment"} {
		if !strings.Contains(told.String(), want) {
			t.Errorf("%q is not in:\n%s", want, told.String())
		}
	}
	if strings.ContainsAny(told.String(), "\x1b\x07") {
		t.Errorf("a control character is written: %q", told.String())
	}
	for _, name := range []string{"good", "sub/good"} {
		if data, err := os.ReadFile(filepath.Join(target, name)); err != nil || string(data) != name {
			t.Errorf("%s: %q, %v", name, data, err)
		}
	}
	for dir, want := range map[string]int{above: 1, target: 3, filepath.Join(target, "sub"): 1, outside: 0} {
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) != want {
			t.Errorf("%s holds %v, %v", dir, entries, err)
		}
	}
}
