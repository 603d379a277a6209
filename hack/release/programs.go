package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The programs of a release, by their directories in cmd.
const (
	operator = "operator"
	cli      = "kubectl-iotfile"
)

// program is where a compiled program is.
func (r *release) program(name string, on platform) string {
	return filepath.Join(r.programs, on.String(), name+on.suffix())
}

// programs are those that a release has for the platform.
func (p platform) programs() []string {
	if p.os == "linux" {
		return []string{cli, operator}
	}
	return []string{cli}
}

func (p platform) suffix() string {
	if p.os == "windows" {
		return ".exe"
	}
	return ""
}

// compile builds the command line for each platform, and the operator for those of Linux. Of a
// checkout with history, Go notes the commit in each program, and whether files had changed.
func (r *release) compile(ctx context.Context) error {
	for _, on := range r.platforms {
		for _, name := range on.programs() {
			cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=auto", "-mod=readonly", "-trimpath", "-ldflags=-s -w", "-o", r.program(name, on), "./cmd/"+name)
			cmd.Dir = r.root
			cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=", "GOOS="+on.os, "GOARCH="+on.arch, "GOAMD64=", "GOARM64=", "PWD="+r.root)
			if out, err := cmd.CombinedOutput(); err != nil {
				return fmt.Errorf("go build ./cmd/%s for %s: %w\n%s", name, on, err, out)
			}
		}
	}
	return nil
}

// billsOfMaterials lists the modules of each program, as CycloneDX.
func (r *release) billsOfMaterials(ctx context.Context) error {
	for _, on := range r.platforms {
		for _, name := range on.programs() {
			binary := r.program(name, on)
			to := filepath.Join(r.to, r.named(name, on)+".cdx.json")
			cmd := exec.CommandContext(ctx, r.sbom, "bin", "-json", "-noserial", "-notimestamp", "-version=v"+r.version, "-output="+to, binary)
			if out, err := cmd.CombinedOutput(); err != nil {
				return fmt.Errorf("cyclonedx-gomod for %s: %w\n%s", binary, err, out)
			}
			if err := os.Chmod(to, 0o644); err != nil { // for everybody, whatever the tool has made it
				return err
			}
		}
	}
	return nil
}

// named is how a program of the release is called in file names.
func (r *release) named(name string, on platform) string {
	if name == operator {
		name = imageName(operator)
	}
	return strings.Join([]string{name, r.version, on.os, on.arch}, "-")
}
