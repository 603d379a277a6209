package devcluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	// envtestProbeTimeout is how long a machine without internet is held up before it builds from
	// source instead.
	envtestProbeTimeout = 15 * time.Second
	// envtestDownloadTimeout bounds the download of about 150 MB.
	envtestDownloadTimeout = 10 * time.Minute
)

// envtestBinary returns a control plane binary from the archive that the envtest project publishes
// for the minor release of version, downloading it once. It returns "" when there is none to be
// had, which is normal: then the tool is built. IOTFILE_TOOLS_DOWNLOAD=no turns downloads off;
// IOTFILE_ENVTEST_INDEX names another index, such as a mirror's.
func (f *toolFinder) envtestBinary(ctx context.Context, tool Tool, version string) (string, error) {
	release := version[:strings.LastIndex(version, ".")] // v1.37.2 → v1.37
	if tool == Etcd {
		// etcd comes in the archive of the API server that it is tested with.
		apiServer, err := requiredVersion(filepath.Join(f.root, "hack", "tools", "controlplane", "go.mod"), "k8s.io/kubernetes")
		if err != nil {
			return "", err
		}
		release = apiServer[:strings.LastIndex(apiServer, ".")]
	}
	dir := filepath.Join(f.cache, "envtest", release+"-"+platform())
	return f.once(ctx, tool, filepath.Join(dir, string(tool)), func() error { return f.downloadEnvtest(ctx, release, dir) })
}

// once returns what is at path, after a download where it is missing. It returns "" when there is
// nothing to be had, or downloads are turned off.
func (f *toolFinder) once(ctx context.Context, tool Tool, path string, download func() error) (string, error) {
	if f.downloadFailed || os.Getenv("IOTFILE_TOOLS_DOWNLOAD") == "no" {
		return "", nil
	}
	if path, err := executable(path); err == nil {
		return path, nil
	}
	if err := download(); err != nil {
		if ctx.Err() != nil {
			return "", err
		}
		f.downloadFailed = true
		fmt.Fprintf(f.log, "%s: no ready-made binary can be downloaded (%s)\n", tool, cause(err))
		return "", nil
	}
	return executable(path)
}

// downloadEnvtest fetches the newest archive of a release with setup-envtest, which verifies its
// checksum, and puts it at dir when it is whole.
func (f *toolFinder) downloadEnvtest(ctx context.Context, release, dir string) error {
	setup, err := f.find(ctx, SetupEnvtest)
	if err != nil {
		return err
	}
	lock, err := waitLock(ctx, dir+".lock", func(holder string) {
		fmt.Fprintf(f.log, "Kubernetes %s: waiting for pid %s, which is downloading it\n", release, holder)
	})
	if err != nil {
		return err
	}
	defer func() { _ = lock.Unlock() }()
	if _, err := executable(filepath.Join(dir, string(KubeAPIServer))); err == nil {
		return nil
	}
	unfinished := dir + ".unfinished"
	if err := os.RemoveAll(unfinished); err != nil {
		return err
	}
	selector := strings.TrimPrefix(release, "v") + ".x"
	found, err := setupEnvtest(ctx, envtestProbeTimeout, setup, "list", selector, "--bin-dir", unfinished)
	if err != nil {
		return err
	}
	if strings.TrimSpace(found) == "" {
		return fmt.Errorf("none published for %s on %s", release, platform())
	}
	progress := startProgress(f.log, "Kubernetes "+release)
	progress.set("downloading etcd, kube-apiserver and kubectl")
	defer progress.finish()
	path, err := setupEnvtest(ctx, envtestDownloadTimeout, setup, "use", selector, "--print", "path", "--bin-dir", unfinished)
	if err != nil {
		return err
	}
	if err := os.Rename(strings.TrimSpace(path), dir); err != nil {
		return err
	}
	return os.RemoveAll(unfinished)
}

// setupEnvtest runs setup-envtest for no longer than limit and returns what it prints.
func setupEnvtest(ctx context.Context, limit time.Duration, program string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer within %s", limit))
	defer cancel()
	if index := os.Getenv("IOTFILE_ENVTEST_INDEX"); index != "" {
		args = append(args, "--index", index)
	}
	cmd := exec.CommandContext(ctx, program, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.Output()
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if err != nil {
		return "", errors.New(strings.TrimSpace(stderr.String()))
	}
	return string(stdout), nil
}

// cause is the innermost part of an error's text, which is all that a line of progress has room
// for.
func cause(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return strings.TrimSpace(line[strings.LastIndex(line, ": ")+1:])
}
