package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// listed is what `go list` tells of a package.
type listed struct {
	ImportPath, Dir, Export string
	DepOnly                 bool
	GoFiles                 []string
	ImportMap               map[string]string
}

// circlesOf finds the largest group of each package.
func circlesOf(patterns []string) (map[string][]string, error) {
	packages, err := list(patterns)
	if err != nil {
		return nil, err
	}
	exports := map[string]string{}
	for _, p := range packages {
		exports[p.ImportPath] = p.Export
	}
	found := map[string][]string{}
	for _, p := range packages {
		if p.DepOnly || len(p.GoFiles) == 0 {
			continue
		}
		uses, err := usesOf(p, exports)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.ImportPath, err)
		}
		found[short(p.ImportPath)] = largest(uses)
	}
	return found, nil
}

// list asks the go command for the packages and all that they import, compiled. The flags are those
// of the Makefile, so that nothing is compiled twice.
func list(patterns []string) ([]listed, error) {
	args := append([]string{"list", "-trimpath", "-export", "-deps", "-json=ImportPath,Dir,Export,DepOnly,GoFiles,ImportMap"}, patterns...)
	cmd := exec.Command("go", args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	var packages []listed
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return packages, nil
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		packages = append(packages, p)
	}
}

// usesOf draws which files of a package use what other files of it declare.
func usesOf(p listed, exports map[string]string) (map[string][]string, error) {
	set := token.NewFileSet()
	var files []*ast.File
	for _, name := range p.GoFiles {
		file, err := parser.ParseFile(set, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	lookup := func(importPath string) (io.ReadCloser, error) {
		return os.Open(exports[cmp.Or(p.ImportMap[importPath], importPath)])
	}
	config := types.Config{Importer: importer.ForCompiler(set, "gc", lookup)}
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	pkg, err := config.Check(p.ImportPath, set, files, info)
	if err != nil {
		return nil, err
	}
	fileOf := func(pos token.Pos) string { return filepath.Base(set.Position(pos).Filename) }
	uses := map[string][]string{}
	for _, name := range p.GoFiles {
		uses[name] = nil
	}
	for ident, object := range info.Uses {
		if topLevel(object, pkg) {
			from := fileOf(ident.Pos())
			uses[from] = append(uses[from], fileOf(object.Pos()))
		}
	}
	return uses, nil
}

// topLevel reports whether the package declares the object outside of functions: by itself, or as a
// method of one of its types.
func topLevel(object types.Object, pkg *types.Package) bool {
	if object.Pkg() != pkg {
		return false
	}
	if f, ok := object.(*types.Func); ok {
		recv := f.Signature().Recv()
		return recv == nil || !types.IsInterface(recv.Type())
	}
	return object.Parent() == pkg.Scope()
}
