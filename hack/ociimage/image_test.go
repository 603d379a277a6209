package ociimage

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// TestLayout reads an archive as an engine would: from its index down to the files, each blob by
// its digest.
func TestLayout(t *testing.T) {
	source := filepath.Join(t.TempDir(), "binary")
	if err := os.WriteFile(source, []byte("the binary"), 0o600); err != nil {
		t.Fatal(err)
	}
	image := operator(t, source)
	const name = "registry.example/some/operator:v1"
	write := func() []byte {
		t.Helper()
		path := filepath.Join(t.TempDir(), "image.tar")
		built, err := image.Build(runtime.GOARCH, time.Unix(1_000_000_000, 0))
		if err != nil {
			t.Fatal(err)
		}
		if err := WriteImage(path, name, built); err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return content
	}
	first := write()
	if err := os.Chtimes(source, time.Unix(1, 0), time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, write()) {
		t.Error("the same content gives other bytes when it is written again")
	}

	archive := untar(t, bytes.NewReader(first))
	blob := func(d descriptor) []byte {
		content, ok := archive["blobs/"+strings.Replace(d.Digest, ":", "/", 1)]
		if sum := sha256.Sum256(content); !ok || "sha256:"+hex.EncodeToString(sum[:]) != d.Digest || int64(len(content)) != d.Size {
			t.Fatalf("the blob %+v is not there, or is another", d)
		}
		return content
	}
	var index struct{ Manifests []descriptor }
	var manifest struct {
		Config descriptor
		Layers []descriptor
	}
	var config struct {
		Architecture, OS string
		Config           struct {
			Entrypoint []string
			User       string
			Env        []string
		}
		RootFS struct {
			DiffIDs []string `json:"diff_ids"`
		}
	}
	unmarshal(t, archive["index.json"], &index)
	if len(index.Manifests) != 1 {
		t.Fatalf("it holds %d images", len(index.Manifests))
	}
	unmarshal(t, blob(index.Manifests[0]), &manifest)
	unmarshal(t, blob(manifest.Config), &config)
	if got := index.Manifests[0].Annotations["io.containerd.image.name"]; got != name {
		t.Errorf("it is named %q", got)
	}
	if got := index.Manifests[0].Annotations["org.opencontainers.image.ref.name"]; got != "v1" {
		t.Errorf("its tag is %q", got)
	}
	if config.OS != "linux" || config.Architecture != runtime.GOARCH {
		t.Errorf("it is for %s/%s", config.OS, config.Architecture)
	}
	if len(manifest.Layers) != 1 {
		t.Fatalf("it has %d layers", len(manifest.Layers))
	}
	compressed, err := gzip.NewReader(bytes.NewReader(blob(manifest.Layers[0])))
	if err != nil {
		t.Fatal(err)
	}
	layer, err := io.ReadAll(compressed)
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(layer); !slices.Equal(config.RootFS.DiffIDs, []string{"sha256:" + hex.EncodeToString(sum[:])}) {
		t.Errorf("the configuration says that the layers are %v, and it is %x", config.RootFS.DiffIDs, sum)
	}
	files := untar(t, bytes.NewReader(layer))
	if string(files["operator"]) != "the binary" {
		t.Errorf("the binary is %q", files["operator"])
	}
	for name := range files {
		if !strings.HasPrefix(name, "licenses/") &&
			!slices.Contains([]string{"operator", "etc/", "etc/passwd", "etc/group", "etc/ssl/", "etc/ssl/certs/", "etc/ssl/certs/ca-certificates.crt"}, name) {
			t.Errorf("%s is in the image", name)
		}
	}
	for _, name := range []string{"etc/passwd", "licenses/iotfile-operator/LICENSE", "licenses/go/LICENSE"} {
		if len(files[name]) == 0 {
			t.Errorf("%s is not in the image", name)
		}
	}
}

// descriptor is how one blob names another.
type descriptor struct {
	Digest      string
	Size        int64
	Annotations map[string]string
}

func operator(t *testing.T, binary string) *Image {
	t.Helper()
	root, err := devcluster.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	image, err := Operator(t.Context(), root, runtime.GOARCH, binary)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

func untar(t *testing.T, r io.Reader) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for archive := tar.NewReader(r); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[header.Name], err = io.ReadAll(archive); err != nil {
			t.Fatal(err)
		}
		if header.Uid != 0 || header.Gid != 0 {
			t.Errorf("%s belongs to %d:%d", header.Name, header.Uid, header.Gid)
		}
	}
}

func unmarshal(t *testing.T, data []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("%v: %s", err, data)
	}
}

// TestFinalStages holds the images that are written here against the stages of the Dockerfile,
// which no engine builds in CI: the same user, the same entry point, and the files that
// hack/imageroot writes for the one and package rootfs gives the other, on a base without anything.
func TestFinalStages(t *testing.T) {
	dockerfile, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	stages := strings.Split("\n"+string(dockerfile), "\nFROM ")
	root, err := devcluster.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	cli, err := CLI(t.Context(), root, runtime.GOARCH, "")
	if err != nil {
		t.Fatal(err)
	}
	built := `-goarch=$TARGETARCH`
	checkStage(t, operator(t, ""), stages[len(stages)-1], "scratch", "--from=build /image", stages[1],
		"-o /image/operator ./cmd/operator", "go run -trimpath ./hack/imageroot "+built+" -to=/image")
	checkStage(t, cli, stages[len(stages)-2], "scratch AS cli", "--from=build-cli /cli", stages[2],
		"-o /cli/kubectl-iotfile ./cmd/kubectl-iotfile", "go run -trimpath ./hack/imageroot "+built+" -program=./cmd/kubectl-iotfile -to=/cli")
}

// checkStage compares an image with a stage, and the stage that fills it.
func checkStage(t *testing.T, image *Image, stage, from, filled, build string, built ...string) {
	t.Helper()
	var lines []string
	for line := range strings.Lines("FROM " + stage) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	want := []string{"FROM " + from, "COPY " + filled + " /", "USER " + image.User, `ENTRYPOINT ["` + strings.Join(image.Entrypoint, `", "`) + `"]`}
	for _, w := range want {
		if !slices.Contains(lines, w) {
			t.Errorf("the stage %q of the Dockerfile has no %q", from, w)
		}
	}
	for _, line := range lines {
		if regexp.MustCompile(`^(RUN|ADD|COPY|VOLUME|CMD) `).MatchString(line) && !slices.Contains(want, line) {
			t.Errorf("the stage %q of the Dockerfile has %q, and the image that is tested has not", from, line)
		}
	}
	for _, line := range append(built, "CGO_ENABLED=0", `-trimpath -ldflags '-s -w'`) {
		if !strings.Contains(build, line) {
			t.Errorf("the Dockerfile does not fill the image with %q", line)
		}
	}
}

// TestBinaryNeedsNothing runs the operator's binary where there is nothing but it, as the image's
// user.
func TestBinaryNeedsNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the operator")
	}
	root := t.TempDir()
	binary := filepath.Join(root, "operator")
	if err := devcluster.BuildOperator(t.Context(), os.Stderr, binary); err != nil {
		t.Fatal(err)
	}
	file, err := elf.Open(binary)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	for _, program := range file.Progs {
		if program.Type == elf.PT_INTERP || program.Type == elf.PT_DYNAMIC {
			t.Errorf("the binary has a segment %s: it is not static", program.Type)
		}
	}
	if os.Geteuid() != 0 {
		t.Skip("chroot takes root")
	}
	// Everybody may pass through, as in an image: the directory, and the one that the test has for
	// all that it makes.
	for _, dir := range []string{root, filepath.Dir(root)} {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "/operator", "-h")
	cmd.Dir, cmd.Env = "/", []string{"POD_NAMESPACE=iotfile-system"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "-data-plane-bind-address") {
		t.Errorf("in an empty chroot, as %s: %v\n%s", NonRoot, err, out)
	}
	entries, err := os.ReadDir(root)
	if err != nil || len(entries) != 1 {
		t.Errorf("the chroot has %v (%v)", entries, err)
	}
}
