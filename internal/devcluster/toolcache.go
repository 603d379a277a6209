package devcluster

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// CacheDir is where tools are kept between checkouts: $IOTFILE_TOOLS_DIR, else a directory in the
// user's cache. It need not exist.
func CacheDir() (string, error) {
	if dir := os.Getenv("IOTFILE_TOOLS_DIR"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no place to keep tools, set IOTFILE_TOOLS_DIR: %w", err)
	}
	return filepath.Join(dir, "iotfile-operator"), nil
}

// RaceCache is the build cache of what is compiled with the race detector, a directory beside the
// tools. So the usual one is neither used nor filled.
func RaceCache() (string, error) {
	dir, err := CacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "race"), nil
}

// toolCacheKey names a build of a tool: all that can change the binary goes into it but for the Go
// toolchain, a newer one of which is no reason to spend ten minutes again.
func toolCacheKey(version, moduleDir string, flags []string) (string, error) {
	sum := sha256.New()
	fmt.Fprintf(sum, "%s\n%q\n", platform(), flags)
	files, err := toolModuleFiles(moduleDir)
	if err != nil {
		return "", err
	}
	for _, file := range files {
		data, err := os.ReadFile(filepath.Join(moduleDir, file))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(sum, "%s %d\n%s\n", file, len(data), data)
	}
	return version + "-" + hex.EncodeToString(sum.Sum(nil))[:12], nil
}

// toolModuleFiles lists the files of a tools module that a build reads: go.mod, go.sum and, where
// the module has a main package of its own, its source.
func toolModuleFiles(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, entry := range entries {
		name := entry.Name()
		if name == "go.mod" || name == "go.sum" || (strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go")) {
			files = append(files, name)
		}
	}
	if !slices.Contains(files, "go.mod") {
		return nil, fmt.Errorf("%s holds no go.mod", dir)
	}
	return files, nil
}
