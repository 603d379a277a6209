package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"flag"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
	"github.com/iotfile-operator/iotfile-operator/internal/version"
)

var everywhere = flag.Bool("all-platforms", false, "TestReproducible makes a release for all platforms, and not for this machine's alone")

// TestReproducible makes a release twice, elsewhere, later, in another time zone and under another
// umask, and then uses what it has made: every file has its checksum, Helm reads the chart, the
// command line says its version, and a registry takes images and chart.
func TestReproducible(t *testing.T) {
	if testing.Short() {
		t.Skip("builds all programs")
	}
	root, err := devcluster.ModuleRoot()
	check(t, err)
	program := filepath.Join(t.TempDir(), "release")
	run(t, root, nil, "go", "build", "-trimpath", "-o", program, "./hack/release")
	first, second := filepath.Join(t.TempDir(), "first"), filepath.Join(t.TempDir(), "of another name", "second")
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	at := strings.TrimPrefix(server.URL, "http://") + "/some/team"
	args := []string{"-registry=" + at}
	if !*everywhere {
		args = append(args, "-platforms=linux/"+runtime.GOARCH)
	}
	run(t, root, []string{"TZ=Pacific/Auckland", "SOURCE_DATE_EPOCH=1700000000"}, program, append(args, "-to="+first)...)
	run(t, root, []string{"TZ=America/Caracas", "SOURCE_DATE_EPOCH=1700000000"}, "sh", append([]string{"-c", `umask 077; exec "$@"`, "sh", program}, append(args, "-to="+second)...)...)
	sums, err := os.ReadFile(filepath.Join(first, checksumsName))
	check(t, err)
	again, err := os.ReadFile(filepath.Join(second, checksumsName))
	check(t, err)
	if !bytes.Equal(sums, again) {
		t.Errorf("made twice, the checksums are\n%sand\n%s", sums, again)
	}
	run(t, second, nil, "sha256sum", "--check", "--strict", checksumsName)
	entries, err := os.ReadDir(first)
	check(t, err)
	if lines := bytes.Count(sums, []byte("\n")); lines != len(entries)-1 || lines < 10 {
		t.Errorf("%d checksums of %d files", lines, len(entries))
	}

	helm, err := devcluster.FindTool(t.Context(), os.Stderr, devcluster.Helm)
	check(t, err)
	rendered := run(t, first, nil, helm, "template", "iotfile-operator-"+version.Number()+".tgz")
	manifests, err := os.ReadFile(filepath.Join(first, "install.yaml"))
	check(t, err)
	pushed := strings.Fields(run(t, root, nil, program, "push", "-registry="+at, "-from="+first))
	if len(pushed) != 3 {
		t.Fatalf("pushed were %q", pushed)
	}
	repository, digest, _ := strings.Cut(pushed[0], "@")
	if named := "image: " + repository + "@" + digest; !bytes.Contains(manifests, []byte(named)) {
		t.Errorf("install.yaml has no %q", named)
	}
	if named := `"` + strings.TrimSuffix(repository, ":"+version.Number()) + "@" + digest + `"`; !strings.Contains(rendered, named) {
		t.Errorf("the chart has no image %s", named)
	}
	chart, digest, _ := strings.Cut(pushed[2], "@")
	out := run(t, t.TempDir(), nil, helm, "pull", "--plain-http", "oci://"+strings.TrimSuffix(chart, ":"+version.Number())+"@"+digest)
	if !strings.Contains(out, digest) {
		t.Errorf("Helm says %s", out)
	}
	for _, arch := range []string{"amd64", "arm64"} {
		if !*everywhere && arch != runtime.GOARCH {
			continue
		}
		emulator := emulatorOf(t, arch)
		cliArchive(t, filepath.Join(first, "kubectl-iotfile-"+version.Number()+"-linux-"+arch+".tar.gz"), emulator)
		imageRuns(t, pushed[0], arch, emulator)
	}
	t.Logf("\n%s", sums)
}

// emulatorOf is what runs programs of another architecture: qemu, as Debian's qemu-user-static has
// it. It is empty for this machine's own, and nil where there is none.
func emulatorOf(t *testing.T, arch string) []string {
	t.Helper()
	if arch == runtime.GOARCH {
		return []string{}
	}
	path, err := exec.LookPath(map[string]string{"amd64": "qemu-x86_64-static", "arm64": "qemu-aarch64-static"}[arch])
	if err != nil {
		t.Logf("NOT TESTED: that programs for %s run: apt-get install qemu-user-static", arch)
		return nil
	}
	return []string{path}
}

// saysVersion runs a program, in the emulator if that is not empty, and looks for this version in
// what it prints.
func saysVersion(t *testing.T, emulator []string, program string, args ...string) {
	t.Helper()
	if emulator == nil {
		return
	}
	words := append(append(slices.Clone(emulator), program), args...)
	if out := run(t, t.TempDir(), nil, words[0], words[1:]...); !strings.Contains(out, version.Number()) {
		t.Errorf("%q says %s", words, out)
	}
}

// imageRuns takes the operator out of the image of an architecture, from a registry, and runs it.
func imageRuns(t *testing.T, reference, arch string, emulator []string) {
	t.Helper()
	named, err := name.ParseReference(reference)
	check(t, err)
	image, err := remote.Image(named, remote.WithPlatform(v1.Platform{OS: "linux", Architecture: arch}))
	check(t, err)
	config, err := image.ConfigFile()
	check(t, err)
	files := mutate.Extract(image)
	defer func() { _ = files.Close() }()
	binary := extractProgram(t, tar.NewReader(files), strings.TrimPrefix(config.Config.Entrypoint[0], "/"), nil)
	saysVersion(t, emulator, binary, "--version")
}

// extractProgram writes the program of that name in an archive to a file, and adds the names of all
// that is there to names.
func extractProgram(t *testing.T, archive *tar.Reader, program string, names *[]string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "program")
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return binary
		}
		check(t, err)
		if names != nil {
			*names = append(*names, header.Name)
		}
		if strings.TrimPrefix(header.Name, "/") == program {
			content, err := io.ReadAll(archive)
			check(t, err)
			check(t, os.WriteFile(binary, content, 0o700))
		}
	}
}

// cliArchive looks into the archive of the command line, and runs it.
func cliArchive(t *testing.T, path string, emulator []string) {
	t.Helper()
	file, err := os.Open(path)
	check(t, err)
	defer func() { _ = file.Close() }()
	compressed, err := gzip.NewReader(file)
	check(t, err)
	var names []string
	binary := extractProgram(t, tar.NewReader(compressed), cli, &names)
	for _, name := range []string{cli, "LICENSE", "man/kubectl-iotfile-put.1", "licenses/go/LICENSE"} {
		if !slices.Contains(names, name) {
			t.Errorf("%s is not in the archive", name)
		}
	}
	saysVersion(t, emulator, binary, "version", "--client")
}

// TestPlatforms refuses what cannot be made, and says what can.
func TestPlatforms(t *testing.T) {
	for text, want := range map[string]string{
		"linux/amd64,windows/arm64": "", "linux": `"linux" is none of`, "linux/s390x": `"linux/s390x" is none of`, "darwin/arm64": "none of them is", "": `"" is none of`, "linux/amd64,linux/arm": `"linux/arm" is none of`,
	} {
		_, err := parsePlatforms(text)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestChangesOf takes one section, with links that work elsewhere.
func TestChangesOf(t *testing.T) {
	const changelog = "# Changelog\n\n## 0.2.0 (2026-12-01)\n\n- New: [a page](docs/a.md#b).\n\n## 0.1.0\n\nThe first.\n"
	for version, want := range map[string]string{"0.2.0": "- New: [a page](" + repository + "/blob/v0.2.0/docs/a.md#b).\n", "0.1.0": "The first.\n"} {
		if got, err := changesOf(changelog, version); err != nil || got != want {
			t.Errorf("of %s: %q, %v", version, got, err)
		}
	}
	if _, err := changesOf(changelog, "0.3.0"); err == nil || !strings.Contains(err.Error(), "## 0.3.0") {
		t.Error(err)
	}
}

func run(t *testing.T, dir string, env []string, program string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), append(env, "PWD="+dir)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return string(out)
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
