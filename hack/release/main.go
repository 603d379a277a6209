// Command release makes all that a release has, without a container engine: images, the chart,
// manifests, the command line, bills of materials and checksums; `make release` runs it. The same
// commit gives the same bytes, whoever makes it, where and when, with one Go and one list of
// certificate authorities.
//
// `release push -registry=HOST/PATH` sends the images and the chart of a release to a registry.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
	"github.com/iotfile-operator/iotfile-operator/internal/version"
)

const (
	repository = "https://github.com/iotfile-operator/iotfile-operator"
	// publicRegistry is where the images of a release are, as manifests name them.
	publicRegistry = "ghcr.io/iotfile-operator"
	allPlatforms   = "linux/amd64,linux/arm64,darwin/amd64,darwin/arm64,windows/amd64,windows/arm64"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	command := makeRelease
	args := os.Args[1:]
	if len(args) > 0 && args[0] == "push" {
		command, args = push, args[1:]
	}
	if err := command(ctx, args); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// platform is what a program runs on.
type platform struct{ os, arch string }

func (p platform) String() string { return p.os + "-" + p.arch }

// release is what is being made.
type release struct {
	root, to string
	// programs is the directory of what is compiled, which is no part of the release.
	programs string
	version  string
	registry string
	// made is the time that files say they were made at.
	made      time.Time
	platforms []platform
	// kubectl and sbom are tools.
	kubectl, sbom string
	// operatorDigest is that of the operator's image for all platforms.
	operatorDigest string
}

func makeRelease(ctx context.Context, args []string) (err error) {
	flags := flag.NewFlagSet("release", flag.ExitOnError)
	to := flags.String("to", filepath.Join("bin", "release"), "the directory that the release is written to, which is emptied first")
	platforms := flags.String("platforms", allPlatforms, "what programs are made for; images are made for those of Linux")
	registry := flags.String("registry", publicRegistry, "where the chart and the manifests find the images")
	if err := flags.Parse(args); err != nil {
		return err
	}
	r := &release{version: version.Number(), registry: *registry}
	if r.platforms, err = parsePlatforms(*platforms); err != nil {
		return err
	}
	if r.root, err = devcluster.ModuleRoot(); err != nil {
		return err
	}
	if r.to, err = filepath.Abs(*to); err != nil {
		return err
	}
	if r.made, err = madeAt(ctx, r.root); err != nil {
		return err
	}
	tools, err := devcluster.FindTools(ctx, os.Stderr, devcluster.Kubectl, devcluster.SBOM)
	if err != nil {
		return err
	}
	r.kubectl, r.sbom = tools[0], tools[1]
	if r.programs, err = os.MkdirTemp("", "iotfile-release-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(r.programs)) }()
	if err := errors.Join(os.RemoveAll(r.to), os.MkdirAll(r.to, 0o755)); err != nil {
		return err
	}
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"programs", r.compile},
		{"bills of materials", r.billsOfMaterials},
		{"images", r.images},
		{"command line", r.archives},
		{"manifests", r.manifests},
		{"chart", r.chart},
		{"documents", r.documents},
		{"checksums", r.checksums},
	} {
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return r.list()
}

func parsePlatforms(text string) ([]platform, error) {
	var out []platform
	for one := range strings.SplitSeq(text, ",") {
		os, arch, ok := strings.Cut(one, "/")
		if !ok || !strings.Contains(","+allPlatforms+",", ","+one+",") {
			return nil, fmt.Errorf("-platforms: %q is none of %s", one, allPlatforms)
		}
		out = append(out, platform{os, arch})
	}
	if !slices.ContainsFunc(out, func(p platform) bool { return p.os == "linux" }) {
		return nil, errors.New("-platforms: the images are made for Linux, and none of them is")
	}
	return out, nil
}

// madeAt is $SOURCE_DATE_EPOCH (https://reproducible-builds.org/specs/source-date-epoch), or the
// time of the commit.
func madeAt(ctx context.Context, root string) (time.Time, error) {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		out, err := exec.CommandContext(ctx, "git", "-C", root, "log", "-1", "--format=%ct").Output()
		if err != nil {
			return time.Time{}, fmt.Errorf("this checkout has no history: set SOURCE_DATE_EPOCH to the time of the release, in seconds since 1970: %w", err)
		}
		text = strings.TrimSpace(string(out))
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// write makes a file of the release.
func (r *release) write(name string, content []byte) error {
	return os.WriteFile(filepath.Join(r.to, name), content, 0o644) //nolint:gosec // a release is for everybody
}

// list prints what there is.
func (r *release) list() error {
	fmt.Printf("%s, of %s:\n", r.to, r.made.Format(time.RFC3339))
	return filepath.WalkDir(r.to, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			fmt.Printf("%12d  %s\n", info.Size(), strings.TrimPrefix(path, r.to+string(filepath.Separator)))
		}
		return err
	})
}
