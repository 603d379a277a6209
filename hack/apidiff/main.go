// Command apidiff holds that each break of the Go client's API has a note in CHANGELOG.md: a change
// after which programs that use package iotfile do not compile. The note names what has changed, as
// `iotfile.Client.Upload`, say.
//
// It compares the checkout with a commit: with -base, or with the last one if files of client have
// changed since, else with the one before that.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

const (
	pkg       = "github.com/iotfile-operator/iotfile-operator/client"
	dir       = "client"
	changelog = "CHANGELOG.md"
)

func main() {
	base := flag.String("base", "", "The commit to compare with. Default: HEAD if files of client have changed since, else HEAD^.")
	flag.Parse()
	if err := run(context.Background(), *base); err != nil {
		fmt.Fprintln(os.Stderr, "apidiff:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, base string) error {
	root, err := devcluster.ModuleRoot()
	if err != nil {
		return err
	}
	changed, err := output(ctx, root, "git", "status", "--porcelain", "--", dir)
	if err != nil {
		return err
	}
	if base == "" && changed == "" {
		base = "HEAD^"
	}
	base = cmp.Or(base, "HEAD")
	module, err := output(ctx, root, "git", "ls-tree", base, dir+"/go.mod")
	if err != nil {
		return err
	}
	if module == "" {
		fmt.Printf("The Go client's API: %s has none to compare with.\n", base)
		return nil
	}
	breaks, err := breaks(ctx, root, base)
	if err != nil {
		return err
	}
	before, err := output(ctx, root, "git", "show", base+":"+changelog)
	if err != nil {
		return err
	}
	now, err := os.ReadFile(filepath.Join(root, changelog))
	if err != nil {
		return err
	}
	missing := unnoted(breaks, before, string(now))
	if len(missing) > 0 {
		return fmt.Errorf("these breaks of the Go client's API since %s have no note in %s, each with its name as `iotfile.NAME`:\n  %s", base, changelog, strings.Join(missing, "\n  "))
	}
	fmt.Printf("The Go client's API: %d breaks since %s, each with a note.\n", len(breaks), base)
	return nil
}

// breaks lists the incompatible changes since a commit, such as "Client.Stat: removed".
func breaks(ctx context.Context, root, base string) ([]string, error) {
	tool, err := devcluster.FindTool(ctx, os.Stderr, devcluster.APIDiff)
	if err != nil {
		return nil, err
	}
	temporary, err := os.MkdirTemp("", "iotfile-apidiff-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(temporary) }()
	tree, export := filepath.Join(temporary, "tree"), filepath.Join(temporary, "base")
	if _, err := output(ctx, root, "git", "worktree", "add", "--detach", tree, base); err != nil {
		return nil, err
	}
	defer func() { // also when ctx is over
		_, _ = output(context.WithoutCancel(ctx), root, "git", "worktree", "remove", "--force", tree)
	}()
	if _, err := output(ctx, filepath.Join(tree, dir), tool, "-w", export, pkg); err != nil {
		return nil, err
	}
	text, err := output(ctx, filepath.Join(root, dir), tool, "-incompatible", export, pkg)
	if err != nil {
		return nil, err
	}
	var all []string
	for line := range strings.Lines(text) {
		if change, ok := strings.CutPrefix(strings.TrimSpace(line), "- "); ok {
			all = append(all, change)
		}
	}
	return all, nil
}

// unnoted are the changes whose names the changelog has no more often than before.
func unnoted(changes []string, before, now string) []string {
	var missing []string
	for _, change := range changes {
		name, _, _ := strings.Cut(change, ":")
		if pointer, ok := strings.CutPrefix(name, "(*"); ok { // "(*Client).Stat"
			name = strings.Replace(pointer, ")", "", 1)
		}
		note := "`iotfile." + name + "`"
		if strings.Count(now, note) <= strings.Count(before, note) {
			missing = append(missing, change)
		}
	}
	return missing
}

// output runs a program in a directory, with the module there alone.
func output(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "PWD="+dir)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", name, args[0], err, stderr.String())
	}
	return string(out), nil
}
