package devcluster

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// ErrNoNode is returned where Node.js or npm is missing. CI runs everything: with CI=true their
// absence is another error.
var ErrNoNode = errors.New("this needs Node.js 18 or later with npm, and not both are installed")

// InstallPackages installs the npm packages of a lock file, once for each lock file and version of
// Node.js, and returns their directory, which is kept in the cache of the tools. It is idempotent,
// and may run in several processes at once.
func InstallPackages(ctx context.Context, name string, manifest, lock []byte) (dir string, err error) {
	for _, program := range []string{"npm", "node"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("CI") == "true" {
				return "", fmt.Errorf("CI runs everything: install Node.js 18 or later with npm: %w", err)
			}
			return "", ErrNoNode
		}
	}
	version, err := exec.CommandContext(ctx, "node", "--version").Output()
	if err != nil {
		return "", fmt.Errorf("node --version: %w", err)
	}
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(slices.Concat(version, manifest, lock))
	final := filepath.Join(cache, "npm", name+"-"+hex.EncodeToString(sum[:])[:12])
	if _, err := os.Stat(final); err == nil {
		return final, nil
	}
	fresh := fmt.Sprintf("%s.new-%d", final, os.Getpid()) // beside its place, so that it can be renamed
	defer func() { _ = os.RemoveAll(fresh) }()
	if err := installPackages(ctx, fresh, manifest, lock); err != nil {
		return "", err
	}
	if err := os.Rename(fresh, final); err != nil {
		if _, other := os.Stat(final); other != nil { // else another process was faster
			return "", err
		}
	}
	return final, nil
}

func installPackages(ctx context.Context, dir string, manifest, lock []byte) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, data := range map[string][]byte{"package.json": manifest, "package-lock.json": lock} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return err
		}
	}
	// Nothing of the packages runs at their installation.
	cmd := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci: %w\n%s", err, out)
	}
	return nil
}
