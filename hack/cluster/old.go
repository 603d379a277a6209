package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/iotfile-operator/iotfile-operator/hack/ociimage"
)

// defaultDistance is how many commits back the earlier operator is where no tag says it.
const defaultDistance = 20

// buildOld checks an earlier commit out beside this checkout and builds its operator. Without a
// history, as in a source archive or a shallow clone, there is none, and the run goes on without an
// upgrade; a commit that was asked for by name must be there.
func buildOld(ctx context.Context, a *artifacts, scratch, from string, images map[string]*ociimage.Image) (string, error) {
	revision, err := oldRevision(ctx, a.Root, from)
	if errors.Is(err, errNoHistory) {
		return "none: this checkout has no history, and no upgrade is tried", nil
	}
	if err != nil {
		return "", err
	}
	root := filepath.Join(scratch, oldDir)
	if err := extract(ctx, a.Root, revision, root); err != nil {
		return "", err
	}
	binary := filepath.Join(scratch, artifactsDir, "operator-old")
	if err := goBuild(ctx, root, binary, "./cmd/operator"); err != nil {
		return "", err
	}
	image, err := ociimage.Operator(ctx, root, runtime.GOARCH, binary)
	if err != nil {
		return "", err
	}
	a.OldRevision, a.OldRoot = revision, root
	images[operatorImage+":"+oldTag] = image
	return revision, nil
}

var errNoHistory = errors.New("no earlier commit")

// oldRevision is the commit to upgrade from, as people name it. It fails with errNoHistory where
// none was asked for and there is none.
func oldRevision(ctx context.Context, root, from string) (string, error) {
	commit := func(name string) (string, error) {
		return git(ctx, root, "rev-parse", "--short", "--verify", "--quiet", name+"^{commit}")
	}
	if from != "" {
		revision, err := commit(from)
		if err != nil {
			err = fmt.Errorf("there is no commit %q: %w", from, err)
		}
		return revision, err
	}
	if tag, err := git(ctx, root, "describe", "--tags", "--abbrev=0", "HEAD^"); err == nil {
		return tag, nil
	}
	revision, err := commit(fmt.Sprintf("HEAD~%d", defaultDistance))
	if err != nil {
		err = fmt.Errorf("%w: %w", errNoHistory, err)
	}
	return revision, err
}

// extract writes the files of a commit to dir.
func extract(ctx context.Context, root, revision, dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	archive := filepath.Join(dir, "archive.tar")
	if _, err := git(ctx, root, "archive", "--output="+archive, revision); err != nil {
		return fmt.Errorf("git archive: %w", err)
	}
	if out, err := exec.CommandContext(ctx, "tar", "-xf", archive, "-C", dir).CombinedOutput(); err != nil {
		return fmt.Errorf("tar: %w\n%s", err, out)
	}
	return os.Remove(archive)
}
