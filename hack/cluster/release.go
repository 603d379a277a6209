package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"

	"github.com/iotfile-operator/iotfile-operator/internal/version"
)

// Where the release says that its images are. On the node a registry is there, which containerd
// speaks to without TLS since it is on the loopback. What is loaded into kind's node needs none.
const (
	nodeRegistry = "127.0.0.1:5000"
	kindRegistry = "iotfile.test/release"
)

// released is a release, as it is installed.
type released struct {
	// Program is hack/release, and Dir what it has made.
	Program, Dir string
	// Manifests is a file of Dir, and Image the operator's as it is named in it.
	Manifests, Image string
	// Chart is what Helm installs: a package, or by its digest what the registry has.
	Chart string
	// CLIImage is the image of the command line.
	CLIImage string
}

// makeRelease makes a release of this checkout for this machine, and unpacks the command line.
func makeRelease(ctx context.Context, a *artifacts, dir, engine string) (string, error) {
	rel := released{Program: filepath.Join(dir, "release-program"), Dir: filepath.Join(dir, "release")}
	if err := goBuild(ctx, a.Root, rel.Program, "./hack/release"); err != nil {
		return "", err
	}
	registry := nodeRegistry
	if engine == engineKind {
		registry = kindRegistry
	}
	cmd := exec.CommandContext(ctx, rel.Program, "-to="+rel.Dir, "-registry="+registry, "-platforms=linux/"+runtime.GOARCH)
	cmd.Dir = a.Root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("release: %w\n%s", err, out)
	}
	rel.Manifests = filepath.Join(rel.Dir, "install.yaml")
	text, err := os.ReadFile(rel.Manifests)
	if err != nil {
		return "", err
	}
	image := regexp.MustCompile(`image: (` + regexp.QuoteMeta(registry) + `/iotfile-operator:\S+@sha256:\S+)`).FindSubmatch(text)
	if image == nil {
		return "", errors.New("the manifests of the release name no image of its registry by a digest")
	}
	rel.Image, rel.CLIImage = string(image[1]), registry+"/kubectl-iotfile:"+version.Number()
	rel.Chart = filepath.Join(rel.Dir, "iotfile-operator-"+version.Number()+".tgz")
	if engine == engineKind {
		for _, name := range []string{"iotfile-operator", "kubectl-iotfile"} {
			a.Images = append(a.Images, filepath.Join(rel.Dir, name+"-"+version.Number()+".oci.tar"))
		}
	}
	a.Release, a.CLI = rel, filepath.Join(dir, "kubectl-iotfile")
	archive := filepath.Join(rel.Dir, fmt.Sprintf("kubectl-iotfile-%s-linux-%s.tar.gz", version.Number(), runtime.GOARCH))
	if out, err := exec.CommandContext(ctx, "tar", "-xzf", archive, "-C", dir, filepath.Base(a.CLI)).CombinedOutput(); err != nil {
		return "", fmt.Errorf("tar: %w\n%s", err, out)
	}
	return "this checkout's, for linux/" + runtime.GOARCH, nil
}

// push sends the release to the node's registry. From then on the chart is the one that is there.
func (rel *released) push(ctx context.Context) (string, error) {
	cmd := exec.CommandContext(ctx, rel.Program, "push", "-from="+rel.Dir, "-registry="+nodeRegistry)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("release push: %w", err)
	}
	for line := range strings.Lines(string(out)) {
		reference, digest, _ := strings.Cut(strings.TrimSpace(line), "@")
		repository := strings.TrimSuffix(reference, ":"+version.Number())
		switch {
		case strings.HasPrefix(repository, nodeRegistry+"/charts/"):
			rel.Chart = "oci://" + repository + "@" + digest
		case strings.HasSuffix(repository, "/kubectl-iotfile"):
			rel.CLIImage = reference + "@" + digest
		case reference+"@"+digest != rel.Image:
			return "", fmt.Errorf("the registry has %s, and the manifests name %s", line, rel.Image)
		}
	}
	if !strings.HasPrefix(rel.Chart, "oci://") {
		return "", fmt.Errorf("no chart was pushed:\n%s", out)
	}
	return rel.Chart, nil
}
