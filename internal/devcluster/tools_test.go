package devcluster

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// writeTree writes files, named by their slash-separated paths, below root.
func writeTree(t *testing.T, root string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		if err := writeFile(filepath.Join(root, filepath.FromSlash(name)), []byte(content)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCacheKeyFollowsWhatIsBuilt(t *testing.T) {
	base := map[string]string{"go.mod": "module x\n", "go.sum": "a", "main.go": "package main"}
	key := func(version string, files map[string]string, flags ...string) string {
		dir := t.TempDir()
		writeTree(t, dir, base)
		writeTree(t, dir, files)
		key, err := toolCacheKey(version, dir, flags)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	same := key("v1.2.3", nil, "-trimpath")
	if !strings.HasPrefix(same, "v1.2.3-") {
		t.Errorf("key %q does not show the version", same)
	}
	for name, other := range map[string]string{
		"the same": key("v1.2.3", nil, "-trimpath"), "a test": key("v1.2.3", map[string]string{"x_test.go": "package main"}, "-trimpath"),
		"a README": key("v1.2.3", map[string]string{"README.md": "#"}, "-trimpath"),
	} {
		if other != same {
			t.Errorf("%s changes the key", name)
		}
	}
	for name, other := range map[string]string{
		"version": key("v1.2.4", nil, "-trimpath"),
		"flags":   key("v1.2.3", nil, "-trimpath", "-tags=x"),
		"go.mod":  key("v1.2.3", map[string]string{"go.mod": "module y\n"}, "-trimpath"),
		"go.sum":  key("v1.2.3", map[string]string{"go.sum": "b"}, "-trimpath"),
		"source":  key("v1.2.3", map[string]string{"main.go": "package main // 2"}, "-trimpath"),
		"joined":  key("v1.2.3", map[string]string{"go.sum": "", "main.go": "apackage main"}, "-trimpath"),
	} {
		if other == same {
			t.Errorf("a change of %s does not change the key", name)
		}
	}
	if _, err := toolCacheKey("v1", t.TempDir(), nil); err == nil {
		t.Error("a directory without go.mod has a key")
	}
}

func TestEveryToolIsPinned(t *testing.T) {
	root, err := ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	for _, tool := range AllTools() {
		build, err := newToolBuild(root, t.TempDir(), tool, toolSources[tool])
		if err != nil {
			t.Errorf("%s: %v", tool, err)
			continue
		}
		if !strings.HasPrefix(build.version, "v") {
			t.Errorf("%s: version %q", tool, build.version)
		}
	}
	vars := kubernetesVersionVars("v1.37.2")
	for name, want := range map[string]string{"gitVersion": "v1.37.2", "gitMajor": "1", "gitMinor": "37"} {
		if got := vars["k8s.io/client-go/pkg/version."+name]; got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
}

// tinyTool is a checkout whose only tool compiles in a moment.
func tinyTool(t *testing.T, source string) *toolBuild {
	t.Helper()
	root := t.TempDir()
	writeTree(t, root, map[string]string{
		"hack/tools/tiny/go.mod":  "module tiny\n\ngo 1.26.0\n\nrequire example.com/version v1.2.3 // indirect\n",
		"hack/tools/tiny/main.go": source,
	})
	build, err := newToolBuild(root, filepath.Join(root, "cache"), "tiny", toolSource{module: "tiny", pkg: ".", versionFrom: "example.com/version"})
	if err != nil {
		t.Fatal(err)
	}
	// The module of that name is there for the version only and cannot be loaded.
	build.flags[1] = "-mod=mod"
	writeTree(t, root, map[string]string{"hack/tools/tiny/go.mod": "module tiny\n\ngo 1.26.0\n"})
	return build
}

func TestToolIsBuiltOnceByManyAtOnce(t *testing.T) {
	build := tinyTool(t, "package main\n\nfunc main() {}\n")
	var mu sync.Mutex
	var log bytes.Buffer
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			path, err := build.run(t.Context(), lockedWriter{&mu, &log})
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := executable(path); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if built := strings.Count(log.String(), "building it from source"); built != 1 {
		t.Errorf("built %d times:\n%s", built, log.String())
	}
	if _, err := os.Stat(build.path() + ".unfinished"); !os.IsNotExist(err) {
		t.Errorf("the unfinished build is left behind: %v", err)
	}
}

func TestFailedBuildLeavesNoTool(t *testing.T) {
	build := tinyTool(t, "package main\n\nfunc main() { undefinedName() }\n")
	_, err := build.run(t.Context(), &bytes.Buffer{})
	if err == nil || !strings.Contains(err.Error(), "undefinedName") {
		t.Errorf("error does not say what is wrong: %v", err)
	}
	if _, err := executable(build.path()); err == nil {
		t.Error("a failed build left a tool")
	}
}

func TestAssetsOfKubebuilderComeFirst(t *testing.T) {
	assets := t.TempDir()
	etcd := filepath.Join(assets, "etcd")
	if err := os.WriteFile(etcd, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBEBUILDER_ASSETS", assets)
	t.Setenv("IOTFILE_TOOLS", "")
	if path, err := FindTool(t.Context(), nil, Etcd); err != nil || path != etcd {
		t.Errorf("got %s, %v", path, err)
	}
	if _, err := FindTool(t.Context(), nil, KubeAPIServer); err == nil {
		t.Error("an API server that is not among the assets was found elsewhere: its version may not fit them")
	}
}

type lockedWriter struct {
	mu *sync.Mutex
	to *bytes.Buffer
}

func (w lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.to.Write(p)
}
