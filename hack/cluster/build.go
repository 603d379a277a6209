package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/iotfile-operator/iotfile-operator/hack/ociimage"
	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// Directories below the scratch directory.
const (
	artifactsDir = "artifacts" // what build makes
	logsDir      = "logs"      // of the servers
	podLogsDir   = "varlog/pods"
	oldDir       = "old" // the checkout of an earlier commit
)

// The images that nobody pulls: those of the suite's own pods, and of the earlier operator.
const (
	operatorImage = "iotfile.test/iotfile-operator"
	newTag        = "new"
	oldTag        = "old"
	pauseImage    = "iotfile.test/pause:e2e"
	probeImage    = "iotfile.test/probe:e2e"
	dnsImage      = "iotfile.test/coredns:e2e"
	storeImage    = "iotfile.test/versitygw:e2e"
)

// artifacts is what build has made, told to the part that runs in namespaces in a file.
type artifacts struct {
	// Root is the checkout.
	Root string
	// Kubectl, Helm and, for kind, Kind are programs.
	Kubectl, Helm, Kind string
	// Release is what is installed: this checkout's.
	Release released
	// Registry is a program: where the node pulls the release from. kind's node does not.
	Registry string
	// CLI is the command line of the release.
	CLI string
	// Images are OCI archives.
	Images []string
	// OldRevision says what is upgraded from, and OldRoot has its manifests; empty where there is
	// nothing.
	OldRevision, OldRoot string
	// Built are the steps that have made all this, for the table at the end.
	Built []row
}

func (a *artifacts) write(scratch string) error {
	data, err := json.Marshal(a)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(scratch, artifactsDir, "artifacts.json"), data, 0o600)
}

func readArtifacts(scratch string) (*artifacts, error) {
	data, err := os.ReadFile(filepath.Join(scratch, artifactsDir, "artifacts.json"))
	if err != nil {
		return nil, err
	}
	a := &artifacts{}
	return a, json.Unmarshal(data, a)
}

// build gets the tools, builds the programs and makes images of them: all that needs a network or
// the checkout's own history.
func build(ctx context.Context, r *report, scratch, engine, from string) error {
	dir := filepath.Join(scratch, artifactsDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	root, err := devcluster.ModuleRoot()
	if err != nil {
		return err
	}
	a := &artifacts{Root: root}
	images := map[string]*ociimage.Image{}
	steps := []struct {
		name string
		do   func() (string, error)
	}{
		{"tools", func() (string, error) { return findTools(ctx, r.out, a, engine, images) }},
		{"release", func() (string, error) { return makeRelease(ctx, a, dir, engine) }},
		{"earlier operator", func() (string, error) { return buildOld(ctx, a, scratch, from, images) }},
		{"client", func() (string, error) {
			binary := filepath.Join(dir, "probe")
			images[probeImage], images[pauseImage] = ociimage.Program(binary), ociimage.Program(binary, "pause")
			return "hack/cluster/probe", goBuild(ctx, root, binary, "./hack/cluster/probe")
		}},
		{"images", func() (string, error) {
			for name, image := range images {
				path := filepath.Join(dir, fmt.Sprintf("image-%d.tar", len(a.Images)))
				if err := writeImage(name, image, path); err != nil {
					return "", fmt.Errorf("%s: %w", name, err)
				}
				a.Images = append(a.Images, path)
			}
			return fmt.Sprintf("%d OCI archives, without an engine", len(images)), nil
		}},
	}
	for _, step := range steps {
		if err := r.step(step.name, step.do); err != nil {
			return err
		}
	}
	a.Built = r.rows
	return a.write(scratch)
}

func findTools(ctx context.Context, log io.Writer, a *artifacts, engine string, images map[string]*ociimage.Image) (string, error) {
	tools := []devcluster.Tool{devcluster.Kubectl, devcluster.Helm, devcluster.VersityGW}
	if engine == engineKind {
		tools = append(tools, devcluster.Kind)
	} else {
		tools = append(tools, devcluster.CoreDNS, devcluster.Registry, devcluster.Etcd, devcluster.KubeAPIServer, devcluster.KubeControllerManager, devcluster.KubeScheduler, devcluster.Kubelet, devcluster.KubeProxy)
	}
	paths, err := devcluster.FindTools(ctx, log, tools...)
	if err != nil {
		return "", err
	}
	a.Kubectl, a.Helm = paths[0], paths[1]
	images[storeImage] = ociimage.Program(paths[2])
	if engine == engineKind {
		a.Kind = paths[3]
	} else {
		images[dnsImage], a.Registry = ociimage.Program(paths[3]), paths[4]
	}
	return fmt.Sprintf("%d programs", len(paths)), nil
}

// goBuild builds a package of the module in dir as the operator is built: static, trimmed,
// stripped. Of workspaces, that of the checkout counts alone, which has the Go client.
func goBuild(ctx context.Context, dir, out, pkg string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-mod=readonly", "-trimpath", "-ldflags", "-s -w", "-o", out, pkg)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=", "PWD="+dir)
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w\n%s", pkg, err, text)
	}
	return nil
}

func writeImage(name string, image *ociimage.Image, path string) error {
	built, err := image.Build(runtime.GOARCH, time.Unix(0, 0))
	if err != nil {
		return err
	}
	return ociimage.WriteImage(path, name, built)
}

// git runs git in the checkout and returns what it prints.
func git(ctx context.Context, root string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "git", append([]string{"-C", root}, args...)...).Output()
	return strings.TrimSpace(string(out)), err
}
