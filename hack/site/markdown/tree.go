package markdown

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Tree reads every Markdown file below root, by its path from there. Directories whose names begin with a dot, bin and node_modules are left out.
func Tree(root string) (map[string]*Document, error) {
	out := map[string]*Document{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() && path != root && (strings.HasPrefix(name, ".") || name == "bin" || name == "node_modules") {
			return filepath.SkipDir
		}
		if entry.IsDir() || filepath.Ext(name) != ".md" {
			return nil
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if out[filepath.ToSlash(relative)], err = Parse(source); err != nil {
			return fmt.Errorf("%s: %w", relative, err)
		}
		return nil
	})
	return out, err
}
