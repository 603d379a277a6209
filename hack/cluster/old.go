package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/iotfile-operator/iotfile-operator/hack/cluster/ociimage"
)

// defaultDistance is how many commits back the earlier operator is where no tag says it.
const defaultDistance = 20

// buildOld checks an earlier commit out beside this checkout and builds its operator. Without a history, as in a source archive or a shallow clone, there is none, and the run goes on without an
// upgrade; a commit that was asked for by name must be there.
func buildOld(ctx context.Context, a *artifacts, scratch, from string, images *[]*ociimage.Image) (string, error) {
	revision, err := oldRevision(ctx, a.Root, from)
	if err != nil && from != "" {
		return "", fmt.Errorf("there is no commit %q: %w", from, err)
	}
	if err != nil {
		return "none: this checkout has no history, and no upgrade is tried", nil
	}
	root := filepath.Join(scratch, oldDir)
	if err := extract(ctx, a.Root, revision, root); err != nil {
		return "", err
	}
	binary := filepath.Join(scratch, artifactsDir, "operator-old")
	if err := goBuild(ctx, root, binary, "./cmd/operator"); err != nil {
		return "", err
	}
	before, err := digest(binary)
	if err != nil {
		return "", err
	}
	now, err := digest(filepath.Join(scratch, artifactsDir, "operator"))
	if err != nil {
		return "", err
	}
	if before == now {
		return "none: that of " + revision + " is the same, and no upgrade is tried", nil
	}
	a.OldRevision, a.OldRoot = revision, root
	*images = append(*images, ociimage.Operator(operatorImage+":"+oldTag, binary))
	return revision, nil
}

// oldRevision is the commit to upgrade from, as people name it.
func oldRevision(ctx context.Context, root, from string) (string, error) {
	if from == "" {
		if tag, err := git(ctx, root, "describe", "--tags", "--abbrev=0", "HEAD^"); err == nil {
			return tag, nil
		}
		from = fmt.Sprintf("HEAD~%d", defaultDistance)
	}
	return git(ctx, root, "rev-parse", "--short", "--verify", "--quiet", from+"^{commit}")
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
