package rootfs

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// licenceName is how files are called that have to go with what they license.
var licenceName = regexp.MustCompile(`(?i)^((un)?licen[cs]es?|copying|notice|patents)([-._].*)?$`)

// goPackage is a package as `go list -json` tells of it.
type goPackage struct {
	Dir      string
	Standard bool
	Module   *struct {
		Path, Version, Dir string
		Main               bool
	}
}

// Licences finds the licences of this project, of Go, and of each module that has a package in the
// program, for goos and goarch: those of its root, and those of the directories on the way to the
// packages. A module without any is an error. It runs the go command in dir.
func Licences(ctx context.Context, dir, goos, goarch, program string) ([]File, error) {
	run := target{dir, goos, goarch}
	packages, err := run.list(ctx, program)
	if err != nil {
		return nil, err
	}
	goroot, err := run.goCommand(ctx, "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	found := map[string]string{} // directory in the image → directory here
	for _, p := range packages {
		switch {
		case p.Standard || p.Module == nil:
			found["/licenses/go"] = strings.TrimSpace(string(goroot))
		case p.Module.Main:
			found["/licenses/"+path.Base(p.Module.Path)] = p.Module.Dir
		default:
			root := "/licenses/" + p.Module.Path + "@" + p.Module.Version
			for at := p.Dir; strings.HasPrefix(at, p.Module.Dir); at = filepath.Dir(at) {
				found[path.Join(root, filepath.ToSlash(strings.TrimPrefix(at, p.Module.Dir)))] = at
			}
		}
	}
	var files []File
	for to, from := range found {
		more, err := licencesIn(from, to)
		if err != nil {
			return nil, err
		}
		files = append(files, more...)
	}
	slices.SortFunc(files, func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
	return files, everyoneHasOne(packages, files)
}

// licencesIn reads the licences of one directory.
func licencesIn(from, to string) ([]File, error) {
	entries, err := os.ReadDir(from)
	if err != nil {
		return nil, err
	}
	var files []File
	for _, entry := range entries {
		if entry.IsDir() || !licenceName.MatchString(entry.Name()) || strings.HasSuffix(entry.Name(), ".go") {
			continue
		}
		content, err := os.ReadFile(filepath.Join(from, entry.Name()))
		if err != nil {
			return nil, err
		}
		files = append(files, File{path.Join(to, entry.Name()), content})
	}
	return files, nil
}

// everyoneHasOne fails where a module, or Go itself, comes without a licence.
func everyoneHasOne(packages []goPackage, files []File) error {
	missing := map[string]bool{"/licenses/go/": true}
	for _, p := range packages {
		if p.Module != nil && !p.Module.Main {
			missing["/licenses/"+p.Module.Path+"@"+p.Module.Version+"/"] = true
		}
	}
	for root := range missing {
		if !slices.ContainsFunc(files, func(f File) bool { return strings.HasPrefix(f.Path, root) }) {
			return fmt.Errorf("there is none for %s", root)
		}
	}
	return nil
}

// target is what the go command is asked about.
type target struct{ dir, goos, goarch string }

func (t target) list(ctx context.Context, program string) ([]goPackage, error) {
	out, err := t.goCommand(ctx, "list", "-deps", "-json=Dir,Standard,Module", program)
	if err != nil {
		return nil, err
	}
	var packages []goPackage
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		switch err := decoder.Decode(&p); {
		case errors.Is(err, io.EOF):
			return packages, nil
		case err != nil:
			return nil, fmt.Errorf("go list: %w", err)
		}
		packages = append(packages, p)
	}
}

func (t target) goCommand(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = t.dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+t.goos, "GOARCH="+t.goarch)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
	}
	return out, nil
}
