package image

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The modules that others install: the operator's, and the client's, which lies in a directory of
// it.
const (
	operatorModule = "github.com/iotfile-operator/iotfile-operator"
	clientModule   = operatorModule + "/client"
)

// goCommand runs the go command in a directory and returns what it prints.
func goCommand(t *testing.T, dir string, env []string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0", "PWD="+dir), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, stderr.Bytes())
	}
	return string(out)
}

// modFile is what `go mod edit -json` tells of a go.mod.
type modFile struct {
	Require []struct{ Path, Version string }
	Replace []any
}

// requirements reads the versions that a go.mod requires.
func requirements(t *testing.T, file string) (map[string]string, modFile) {
	t.Helper()
	var m modFile
	if err := json.Unmarshal([]byte(goCommand(t, ".", nil, "mod", "edit", "-json", file)), &m); err != nil {
		t.Fatal(err)
	}
	versions := map[string]string{}
	for _, r := range m.Require {
		versions[r.Path] = r.Version
	}
	return versions, m
}

// TestModules: the workspace has the client that go.mod requires, and no go.mod replaces anything,
// since `go install …@VERSION` would refuse that.
func TestModules(t *testing.T) {
	root := moduleRoot(t)
	versions, m := requirements(t, filepath.Join(root, "go.mod"))
	_, c := requirements(t, filepath.Join(root, "client", "go.mod"))
	if len(m.Replace)+len(c.Replace) > 0 {
		t.Errorf("go.mod replaces %v, and that of the client %v", m.Replace, c.Replace)
	}
	work, err := os.ReadFile(filepath.Join(root, "go.work"))
	if err != nil {
		t.Fatal(err)
	}
	if want := "replace " + clientModule + " " + versions[clientModule] + " => ./client\n"; versions[clientModule] == "" || !strings.Contains(string(work), want) {
		t.Errorf("go.work lacks the line %q", want)
	}
}

// TestInstall packs both modules into a module proxy of files, and installs from there into
// directories that know nothing of the checkout.
func TestInstall(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles the operator from a module cache of its own")
	}
	root := moduleRoot(t)
	versions, _ := requirements(t, filepath.Join(root, "go.mod"))
	const version = "v0.0.1" // of the operator: one that nobody has published
	proxy, cache, bin := t.TempDir(), t.TempDir(), t.TempDir()
	files := sources(t, root)
	pack(t, proxy, clientModule, versions[clientModule], filepath.Join(root, "client"), within(files, "client"))
	pack(t, proxy, operatorModule, version, root, files)
	upstream := strings.TrimSpace(goCommand(t, root, nil, "env", "GOPROXY"))
	downloaded := filepath.Join(strings.TrimSpace(goCommand(t, root, nil, "env", "GOMODCACHE")), "cache", "download")
	env := []string{
		"GOPROXY=file://" + proxy + ",file://" + downloaded + "," + upstream, "GOSUMDB=off", "GONOSUMDB=*", "GONOSUMCHECK=1", "GOFLAGS=-mod=mod -modcacherw",
		"GOMODCACHE=" + cache, "GOWORK=off", "GOBIN=" + bin,
	}
	t.Run("library", func(t *testing.T) {
		dir := t.TempDir()
		program := "package main\n\nimport iotfile \"" + clientModule + "\"\n\nfunc main() {\n\t_, err := iotfile.New(\"http://127.0.0.1:1\", nil)\n\tprintln(err == nil)\n}\n"
		if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(program), 0o600); err != nil {
			t.Fatal(err)
		}
		goCommand(t, dir, env, "mod", "init", "example.com/app")
		goCommand(t, dir, env, "get", clientModule+"@"+versions[clientModule])
		goCommand(t, dir, env, "mod", "tidy")
		goCommand(t, dir, env, "build", "-trimpath", "-o", filepath.Join(bin, "app"), ".")
		required, _ := requirements(t, filepath.Join(dir, "go.mod"))
		want := []string{clientModule, "github.com/klauspost/cpuid/v2", "github.com/minio/crc64nvme", "golang.org/x/sys"}
		if got := slices.Sorted(maps.Keys(required)); !slices.Equal(got, want) {
			t.Errorf("whoever takes the client takes %q", got)
		}
		if out, err := exec.CommandContext(t.Context(), filepath.Join(bin, "app")).CombinedOutput(); err != nil || string(out) != "true\n" {
			t.Errorf("%v: %s", err, out)
		}
	})
	t.Run("programs", func(t *testing.T) {
		goCommand(t, t.TempDir(), env, "install", "-trimpath", operatorModule+"/docs/examples/upload@"+version, operatorModule+"/cmd/operator@"+version, operatorModule+"/cmd/kubectl-iotfile@"+version)
		info := goCommand(t, bin, env, "version", "-m", "upload")
		for _, want := range []string{operatorModule + "\t" + version, clientModule + "\t" + versions[clientModule]} {
			if !strings.Contains(info, want) {
				t.Errorf("%q is not in the program:\n%s", want, info)
			}
		}
		for _, program := range [][]string{{"operator", "--version", "iotfile-operator "}, {"kubectl-iotfile", "version --client", "kubectl-iotfile "}} {
			out, err := exec.CommandContext(t.Context(), filepath.Join(bin, program[0]), strings.Fields(program[1])...).CombinedOutput()
			if err != nil || !strings.HasPrefix(string(out), program[2]) {
				t.Errorf("%v: %s", err, out)
			}
		}
	})
}

// sources lists what git would have in the checkout.
func sources(t *testing.T, root string) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for name := range strings.SplitSeq(strings.TrimRight(string(out), "\x00"), "\x00") {
		if info, err := os.Stat(filepath.Join(root, name)); err == nil && info.Mode().IsRegular() { // it may be deleted
			files = append(files, name)
		}
	}
	return files
}

// within picks the files below a directory, by their names there.
func within(files []string, dir string) []string {
	var out []string
	for _, name := range files {
		if below, ok := strings.CutPrefix(name, dir+"/"); ok {
			out = append(out, below)
		}
	}
	return out
}

// pack adds a version of a module to a proxy of files. Modules in directories below are left out.
func pack(t *testing.T, proxy, module, version, dir string, files []string) {
	t.Helper()
	var nested []string
	for _, name := range files {
		if path.Base(name) == "go.mod" && name != "go.mod" {
			nested = append(nested, path.Dir(name)+"/")
		}
	}
	var archive bytes.Buffer
	w := zip.NewWriter(&archive)
	for _, name := range files {
		if slices.ContainsFunc(nested, func(below string) bool { return strings.HasPrefix(name, below) }) {
			continue
		}
		entry, err := w.Create(module + "@" + version + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		file, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(entry, file); err != nil {
			t.Fatal(err)
		}
		_ = file.Close()
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(proxy, module, "@v")
	if err := os.MkdirAll(to, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"list": []byte(version + "\n"), version + ".info": []byte(`{"Version":"` + version + `"}`), version + ".mod": mod, version + ".zip": archive.Bytes(),
	} {
		if err := os.WriteFile(filepath.Join(to, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
