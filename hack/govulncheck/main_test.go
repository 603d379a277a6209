package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestNoDatabase runs the command where there is no database: it must not be taken for a run
// without findings.
func TestNoDatabase(t *testing.T) {
	if os.Getenv("GOVULNCHECK_MAIN") != "" {
		main()
		return
	}
	gone := httptest.NewServer(http.NotFoundHandler())
	defer gone.Close()
	for _, database := range []string{gone.URL, "http://127.0.0.1:1", "file://" + t.TempDir(), "://"} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestNoDatabase$")
		cmd.Env = append(os.Environ(), "GOVULNCHECK_MAIN=1", "GOVULNDB="+database)
		out, _ := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != unchecked || !strings.Contains(string(out), "NOTHING WAS CHECKED") || !strings.Contains(string(out), "GOVULNDB=") {
			t.Errorf("%s: exit status %d\n%s", database, cmd.ProcessState.ExitCode(), out)
		}
	}
}

func TestReach(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/mirror/index/db.json" {
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "index"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "index", "db.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, database := range []string{server.URL + "/mirror", server.URL + "/mirror/", "file://" + dir} {
		if err := reach(t.Context(), database); err != nil {
			t.Errorf("%s: %v", database, err)
		}
	}
}
