package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// cniPlugins is where Debian has the plugins.
const cniPlugins = "/usr/lib/cni"

// needed are the programs and plugins that are not built from modules, and the Debian packages that
// have them.
var needed = []struct{ path, debian string }{
	{"containerd", "containerd"},
	{"containerd-shim-runc-v2", "containerd"},
	{"ctr", "containerd"},
	{"runc", "runc"},
	{"iptables-restore", "iptables"},
	{"ip", "iproute2"},
	{filepath.Join(cniPlugins, "ptp"), "containernetworking-plugins"},
	{filepath.Join(cniPlugins, "host-local"), "containernetworking-plugins"},
	{filepath.Join(cniPlugins, "loopback"), "containernetworking-plugins"},
}

// checkMachine refuses machines that cannot be a node, and says what is missing.
func checkMachine(ctx context.Context, install bool) error {
	if os.Geteuid() != 0 {
		return errors.New("without a container engine the cluster is a node on this machine, which takes root (namespaces, mounts, cgroups); start docker or podman, or run this as root")
	}
	if err := checkDirectories(); err != nil {
		return err
	}
	packages := missing()
	if len(packages) == 0 {
		return nil
	}
	names := strings.Join(packages, " ")
	if !install {
		return fmt.Errorf("missing: %s; on Debian: apt-get install --no-install-recommends %s, or run this again with -install-packages", names, names)
	}
	for _, args := range [][]string{{"update", "-q"}, append([]string{"install", "-y", "-q", "--no-install-recommends"}, packages...)} {
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("apt-get %s: %w", args[0], err)
		}
	}
	if left := missing(); len(left) > 0 {
		return fmt.Errorf("installed, and yet missing: %v", left)
	}
	return nil
}

// missing lists the packages of what is not there.
func missing() []string {
	var packages []string
	for _, n := range needed {
		if _, err := exec.LookPath(n.path); err != nil && (len(packages) == 0 || packages[len(packages)-1] != n.debian) {
			packages = append(packages, n.debian)
		}
	}
	return packages
}

// checkDirectories refuses to run where what the node covers in its mount namespace is needed, and
// where its containers could have no file system.
func checkDirectories() error {
	root, err := devcluster.ModuleRoot()
	if err != nil {
		return err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return err
	}
	for _, dir := range []string{root, cache, os.TempDir()} {
		for _, hidden := range []string{"/var/lib", "/var/log", runDir, "/var/run"} {
			if rest, err := filepath.Rel(hidden, dir); err == nil && filepath.IsLocal(rest) {
				return fmt.Errorf("%s is below %s, which the node covers with its own", dir, hidden)
			}
		}
	}
	const overlayMagic = 0x794c7630
	var stat unix.Statfs_t
	if err := unix.Statfs(os.TempDir(), &stat); err != nil {
		return err
	}
	if stat.Type == overlayMagic {
		return fmt.Errorf("%s is on an overlay, on which containers cannot have theirs: set TMPDIR to a directory on a disk", os.TempDir())
	}
	return nil
}
