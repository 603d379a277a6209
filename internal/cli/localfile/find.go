package localfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Source is a file to send.
type Source struct {
	// Path is where it is.
	Path string
	// Rel is what it is called below a destination, with slashes.
	Rel string
	// Size is in bytes.
	Size int64
}

// Skipped is something that was met and is not sent.
type Skipped struct {
	Path, Why string
}

// Find gives the files that arguments mean, in the order of the arguments, and by name within each:
// a file; the files that a pattern matches, where no file has its name; with recursive all files
// below a directory, by their names below it. It follows symbolic links to files, and none to
// directories, which it skips below a directory. What is neither file nor directory is skipped,
// too.
//
// The error is of an argument that means nothing, or of a directory without recursive.
func Find(args []string, recursive bool) ([]Source, []Skipped, error) {
	f := &finder{recursive: recursive}
	for _, arg := range args {
		names, err := expand(arg)
		if err != nil {
			return nil, nil, err
		}
		for _, name := range names {
			if err := f.add(name); err != nil {
				return nil, nil, err
			}
		}
	}
	return f.found, f.skipped, nil
}

// expand gives the names that an argument means. Shells have expanded most patterns before;
// Windows' expand none.
func expand(arg string) ([]string, error) {
	_, err := os.Lstat(arg)
	if err == nil || !strings.ContainsAny(arg, "*?[") {
		return []string{arg}, nil
	}
	names, err := filepath.Glob(arg)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", arg, err)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s: no file has this name, and none matches this pattern", arg)
	}
	return names, nil
}

type finder struct {
	recursive bool
	found     []Source
	skipped   []Skipped
}

func (f *finder) add(name string) error {
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return err
	case info.IsDir() && !f.recursive:
		return fmt.Errorf("%s is a directory: give -r to send what is below it", name)
	case info.IsDir():
		return f.walk(name)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is no regular file: to send what a program writes, pipe it into put -", name)
	}
	f.found = append(f.found, Source{name, filepath.Base(name), info.Size()})
	return nil
}

// walk adds all files below a directory. One that cannot be read fails the command before anything
// is sent.
func (f *finder) walk(root string) error {
	// A root that is a link is followed, since it was named.
	resolved, err := filepath.EvalSymlinks(root)
	if err != nil {
		return err
	}
	return filepath.WalkDir(resolved, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		rel, err := filepath.Rel(resolved, name)
		if err != nil {
			return err
		}
		shown := filepath.Join(root, rel)
		info, err := os.Stat(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			f.skip(shown, "a symbolic link to nothing")
		case err != nil:
			return err
		case info.IsDir():
			f.skip(shown, "a symbolic link to a directory")
		case !info.Mode().IsRegular():
			f.skip(shown, "no regular file")
		default:
			f.found = append(f.found, Source{shown, filepath.ToSlash(rel), info.Size()})
		}
		return nil
	})
}

func (f *finder) skip(name, why string) { f.skipped = append(f.skipped, Skipped{name, why}) }
