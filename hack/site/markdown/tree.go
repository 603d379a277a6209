package markdown

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
)

// Tree reads every Markdown file below root, by its path from there. Directories whose names begin
// with a dot, bin and node_modules are left out. A link that leads out of root is an error.
func Tree(root string) (map[string]*Document, error) {
	dir, err := os.OpenRoot(root)
	if err != nil {
		return nil, err
	}
	defer func() { _ = dir.Close() }()
	files := dir.FS()
	out := map[string]*Document{}
	err = fs.WalkDir(files, ".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() && file != "." && (strings.HasPrefix(name, ".") || name == "bin" || name == "node_modules") {
			return fs.SkipDir
		}
		if entry.IsDir() || path.Ext(name) != ".md" {
			return nil
		}
		source, err := fs.ReadFile(files, file)
		if err != nil {
			return err
		}
		if out[file], err = Parse(source); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		return nil
	})
	return out, err
}
