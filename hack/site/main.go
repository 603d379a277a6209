// Command site makes a static web site of the directory docs: `make docs`. It needs no network, and
// the site neither: one style sheet, no script.
//
// The pages are those that GitHub shows. Their order, and the navigation beside them, is what
// docs/README.md lists.
package main

import (
	"bytes"
	"embed"
	"errors"
	"flag"
	"fmt"
	"html/template"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

//go:embed page.html style.css
var assets embed.FS

func main() {
	s := site{}
	flag.StringVar(&s.from, "from", "docs", "directory of the pages")
	flag.StringVar(&s.to, "to", filepath.Join("bin", "site"), "directory of the site; what is in it is replaced")
	flag.StringVar(&s.source, "source", "https://github.com/iotfile-operator/iotfile-operator/blob/main",
		"what links to files of the project that are no pages lead to")
	flag.Parse()
	if err := s.make(); err != nil {
		fmt.Fprintln(os.Stderr, "site:", err)
		os.Exit(1)
	}
	fmt.Println(filepath.Join(s.to, "index.html"))
}

// site is a directory of pages that becomes a site.
type site struct {
	from, to, source string
	template         *template.Template
	sections         []section
}

// make makes the whole site.
func (s *site) make() error {
	var err error
	if s.template, err = template.ParseFS(assets, "page.html"); err != nil {
		return err
	}
	index, err := os.ReadFile(filepath.Join(s.from, "README.md"))
	if err != nil {
		return err
	}
	if s.sections, err = navigation(index); err != nil {
		return err
	}
	if err := os.RemoveAll(s.to); err != nil {
		return err
	}
	style, err := assets.ReadFile("style.css")
	if err != nil {
		return err
	}
	if err := s.write("style.css", style); err != nil {
		return err
	}
	return filepath.WalkDir(s.from, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(file) == ".go" { // which would be packages of the module there
			return err
		}
		relative, err := filepath.Rel(s.from, file)
		if err != nil {
			return err
		}
		return s.add(filepath.ToSlash(relative), file)
	})
}

// add adds a file of docs: Markdown as a page, anything else as it is.
func (s *site) add(name, file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if path.Ext(name) != ".md" {
		return s.write(name, data)
	}
	html, title, err := s.render(name, data)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	up := strings.Repeat("../", strings.Count(name, "/"))
	// The page is HTML already, and stands between two templates: what goes into a template is
	// escaped.
	var out bytes.Buffer
	if err := s.template.ExecuteTemplate(&out, "top", map[string]any{"Title": title, "Up": up, "Sections": s.sections, "Here": page(name)}); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	out.WriteString(html)
	if err := s.template.ExecuteTemplate(&out, "bottom", nil); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return s.write(page(name), out.Bytes())
}

// write writes a file of the site. Who may read it is what the umask says: a web server may run as
// somebody else.
func (s *site) write(name string, data []byte) error {
	target := filepath.Join(s.to, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	file, err := os.Create(target)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	return errors.Join(err, file.Close())
}

// page is the page that a Markdown file becomes.
func page(name string) string {
	if path.Base(name) == "README.md" {
		return path.Join(path.Dir(name), "index.html")
	}
	return strings.TrimSuffix(name, ".md") + ".html"
}
