package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/iotfile-operator/iotfile-operator/hack/cluster/ociimage"
	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// Directories below the scratch directory.
const (
	artifactsDir = "artifacts" // what build makes
	logsDir      = "logs"      // of the servers
	podLogsDir   = "varlog/pods"
	oldDir       = "old" // the checkout of an earlier commit
)

// The images. None of them is in a registry.
const (
	registry      = "iotfile.test"
	operatorImage = registry + "/iotfile-operator"
	newTag        = "new"
	oldTag        = "old"
	pauseImage    = registry + "/pause:e2e"
	probeImage    = registry + "/probe:e2e"
	dnsImage      = registry + "/coredns:e2e"
	storeImage    = registry + "/versitygw:e2e"
	cliImage      = registry + "/kubectl-iotfile:e2e"
)

// artifacts is what build has made, told to the part that runs in namespaces in a file.
type artifacts struct {
	// Root is the checkout.
	Root string
	// Kubectl, Helm and, for kind, Kind are programs.
	Kubectl, Helm, Kind string
	// CLI is the command line of this checkout.
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
	var images []*ociimage.Image
	steps := []struct {
		name string
		do   func() (string, error)
	}{
		{"tools", func() (string, error) { return findTools(ctx, r.out, a, engine, &images) }},
		{"operator", func() (string, error) {
			binary := filepath.Join(dir, "operator")
			image, err := ociimage.Operator(ctx, root, operatorImage+":"+newTag, binary)
			if err != nil {
				return "", err
			}
			images = append(images, image)
			return "this checkout's", devcluster.BuildOperator(ctx, r.out, binary)
		}},
		{"earlier operator", func() (string, error) { return buildOld(ctx, a, scratch, from, &images) }},
		{"client", func() (string, error) {
			binary := filepath.Join(dir, "probe")
			images = append(images, ociimage.Program(probeImage, binary), ociimage.Program(pauseImage, binary, "pause"))
			return "hack/cluster/probe", goBuild(ctx, root, binary, "./hack/cluster/probe")
		}},
		{"command line", func() (string, error) {
			a.CLI = filepath.Join(dir, "kubectl-iotfile")
			image, err := ociimage.CLI(ctx, root, cliImage, a.CLI)
			if err != nil {
				return "", err
			}
			images = append(images, image)
			return "this checkout's", devcluster.BuildCLI(ctx, r.out, a.CLI)
		}},
		{"images", func() (string, error) {
			for i, image := range images {
				path := filepath.Join(dir, fmt.Sprintf("image-%d.tar", i))
				if err := writeImage(image, path); err != nil {
					return "", fmt.Errorf("%s: %w", image.Name, err)
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

func findTools(ctx context.Context, log io.Writer, a *artifacts, engine string, images *[]*ociimage.Image) (string, error) {
	tools := []devcluster.Tool{devcluster.Kubectl, devcluster.Helm, devcluster.VersityGW}
	if engine == engineKind {
		tools = append(tools, devcluster.Kind)
	} else {
		tools = append(tools, devcluster.CoreDNS, devcluster.Etcd, devcluster.KubeAPIServer, devcluster.KubeControllerManager, devcluster.KubeScheduler, devcluster.Kubelet, devcluster.KubeProxy)
	}
	paths, err := devcluster.FindTools(ctx, log, tools...)
	if err != nil {
		return "", err
	}
	a.Kubectl, a.Helm = paths[0], paths[1]
	*images = append(*images, ociimage.Program(storeImage, paths[2]))
	if engine == engineKind {
		a.Kind = paths[3]
	} else {
		*images = append(*images, ociimage.Program(dnsImage, paths[3]))
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

func writeImage(image *ociimage.Image, path string) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := image.Write(file); err != nil {
		_ = file.Close()
		return err
	}
	return file.Close()
}

// writeOperatorImage is all that -image does.
func writeOperatorImage(ctx context.Context, path string) error {
	dir, err := os.MkdirTemp("", "iotfile-image-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binary := filepath.Join(dir, "operator")
	if err := devcluster.BuildOperator(ctx, os.Stderr, binary); err != nil {
		return err
	}
	root, err := devcluster.ModuleRoot()
	if err != nil {
		return err
	}
	image, err := ociimage.Operator(ctx, root, "localhost/iotfile-operator:latest", binary)
	if err != nil {
		return err
	}
	return writeImage(image, path)
}

// digest is that of a file.
func digest(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	sum := sha256.New()
	_, err = io.Copy(sum, file)
	return fmt.Sprintf("%x", sum.Sum(nil)), err
}

// git runs git in the checkout and returns what it prints.
func git(ctx context.Context, root string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "git", append([]string{"-C", root}, args...)...).Output()
	return strings.TrimSpace(string(out)), err
}
