package devcluster

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// toolBuild is one build of one tool from its pinned module, and the place in the cache that it
// goes to.
type toolBuild struct {
	tool      Tool
	version   string
	cost      string
	moduleDir string
	pkg       string
	flags     []string
	cacheDir  string // of this version of this tool
}

func newToolBuild(root, cache string, tool Tool, source toolSource) (*toolBuild, error) {
	moduleDir := filepath.Join(root, "hack", "tools", source.module)
	version, err := requiredVersion(filepath.Join(moduleDir, "go.mod"), source.versionFrom)
	if err != nil {
		return nil, err
	}
	linker := "-s -w"
	if source.versionVars != nil {
		vars := source.versionVars(version)
		for _, name := range slices.Sorted(maps.Keys(vars)) {
			linker += fmt.Sprintf(" -X %s=%s", name, vars[name])
		}
	}
	flags := []string{"-buildvcs=false", "-mod=readonly", "-trimpath", "-ldflags", linker}
	if source.tags != "" {
		flags = append(flags, "-tags", source.tags)
	}
	key, err := toolCacheKey(version, moduleDir, flags)
	if err != nil {
		return nil, err
	}
	return &toolBuild{
		tool: tool, version: version, cost: source.cost, moduleDir: moduleDir, pkg: source.pkg, flags: flags,
		cacheDir: filepath.Join(cache, string(tool), key),
	}, nil
}

// path is where the finished binary lies. It exists only once it is whole.
func (b *toolBuild) path() string {
	return filepath.Join(b.cacheDir, string(b.tool))
}

// run builds the tool, unless another process does so meanwhile, and returns its path.
func (b *toolBuild) run(ctx context.Context, log io.Writer) (string, error) {
	lock, err := waitLock(ctx, b.cacheDir+".lock", func(holder string) {
		fmt.Fprintf(log, "%s %s: waiting for pid %s, which is building it\n", b.tool, b.version, holder)
	})
	if err != nil {
		return "", err
	}
	defer func() { _ = lock.Unlock() }()
	if path, err := executable(b.path()); err == nil {
		return path, nil
	}
	fmt.Fprintf(log, "%s %s: building it from source, once (up to %s on two cores)\n", b.tool, b.version, b.cost)
	started := time.Now()
	if err := os.MkdirAll(b.cacheDir, 0o755); err != nil {
		return "", err
	}
	// A build that is cut short leaves only a file of this name, which the next one overwrites.
	unfinished := b.path() + ".unfinished"
	if err := goBuild(ctx, log, b.moduleDir, unfinished, b.pkg, b.flags...); err != nil {
		return "", err
	}
	if err := os.Rename(unfinished, b.path()); err != nil {
		return "", err
	}
	fmt.Fprintf(log, "%s %s: built in %s\n", b.tool, b.version, time.Since(started).Round(time.Second))
	return executable(b.path())
}

// goBuild builds pkg of the module in dir into the file out, and reports its progress to log. The
// binary is static, but with the flag -race, which needs cgo.
func goBuild(ctx context.Context, log io.Writer, dir, out, pkg string, flags ...string) error {
	env := []string{"CGO_ENABLED=0"}
	if slices.Contains(flags, "-race") {
		cache, err := RaceCache()
		if err != nil {
			return err
		}
		env = []string{"CGO_ENABLED=1", "GOCACHE=" + cache}
	}
	// That of the checkout has the client of the checkout, which go.sum knows nothing of. The
	// modules of tools are outside of it.
	work := filepath.Join(dir, "go.work")
	if _, err := os.Stat(work); err == nil {
		env = append(env, "GOWORK="+work)
	}
	progress := startProgress(log, filepath.Base(strings.TrimSuffix(out, ".unfinished")))
	defer progress.finish()

	downloads := 0
	progress.set("reading the module graph")
	args := append([]string{"list", "-deps"}, listFlags(flags)...)
	packages, err := runGo(ctx, dir, env, append(args, pkg), func(line string) {
		if strings.HasPrefix(line, "go: downloading ") {
			downloads++
			progress.set("%d modules downloaded", downloads)
		}
	})
	if err != nil {
		return err
	}
	total, compiled := strings.Count(packages, "\n"), 0
	progress.set("compiling, at most %d packages", total)
	args = append([]string{"build", "-v", "-o", out}, flags...)
	_, err = runGo(ctx, dir, env, append(args, pkg), func(string) {
		compiled++
		progress.set("%d of at most %d packages compiled", min(compiled, total), total)
	})
	return err
}

// listFlags picks the flags that decide which packages a build is made of.
func listFlags(flags []string) []string {
	var picked []string
	for i, flag := range flags {
		switch {
		case flag == "-tags":
			picked = append(picked, flag, flags[i+1])
		case strings.HasPrefix(flag, "-mod="):
			picked = append(picked, flag)
		}
	}
	return picked
}

// tellsWhy reports whether a line of the go command can be about a failure: the names of packages
// that are compiled side by side, and downloads, would bury it.
func tellsWhy(line string) bool {
	return strings.Contains(line, " ") && !strings.HasPrefix(line, "go: downloading ")
}

// runGo runs the go command in dir, calls onLine for each line on its standard error and returns
// its standard output. The error ends with what the command said last. env holds further variables,
// NAME=value.
func runGo(ctx context.Context, dir string, env, args []string, onLine func(string)) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	// GOFLAGS and a workspace of the user's must not change what is built.
	cmd.Env = append(append(os.Environ(), "GOFLAGS=", "GOWORK=off", "PWD="+dir), env...)
	// An interrupt lets go clean up after itself.
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.WaitDelay = 10 * time.Second
	var stdout bytes.Buffer
	cmd.Stdout = &stdout
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return "", err
	}
	if err := spawn(cmd); err != nil {
		return "", fmt.Errorf("run go: %w", err)
	}
	var last []string
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		onLine(lines.Text())
		if !tellsWhy(lines.Text()) {
			continue
		}
		last = append(last, lines.Text())
		if len(last) > 20 {
			last = last[1:]
		}
	}
	if err := cmd.Wait(); err != nil {
		if ctx.Err() != nil {
			return "", fmt.Errorf("go %s: %w", args[0], context.Cause(ctx))
		}
		return "", fmt.Errorf("go %s: %w\n%s", args[0], err, strings.Join(last, "\n"))
	}
	return stdout.String(), nil
}

// requiredVersion returns the version of module that the go.mod at path requires.
func requiredVersion(path, module string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	line := regexp.MustCompile(`(?m)^\s*(?:require\s+)?` + regexp.QuoteMeta(module) + `\s+(v\S+)`)
	match := line.FindSubmatch(data)
	if match == nil {
		return "", fmt.Errorf("%s does not require %s", path, module)
	}
	return string(match[1]), nil
}

// platform is the operating system and architecture that tools are built for.
func platform() string {
	return runtime.GOOS + "-" + runtime.GOARCH
}
