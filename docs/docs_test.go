// Package docs_test holds the documentation against the project: links lead somewhere, manifests
// are valid, flags exist, and what is shown of a program stands in it.
package docs_test

import (
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/iotfile-operator/iotfile-operator/hack/site/markdown"
)

// root is the project's directory, as tests see it.
const root = ".."

// pages reads all Markdown of the project.
func pages(t *testing.T) map[string]*markdown.Document {
	t.Helper()
	all, err := markdown.Tree(root)
	if err != nil {
		t.Fatal(err)
	}
	if all["README.md"] == nil || all["docs/README.md"] == nil {
		t.Fatalf("the first pages are not among the %d that were read", len(all))
	}
	return all
}

// TestLinks follows every link within the project: to a file or directory that is there, and to a
// heading that it has.
func TestLinks(t *testing.T) {
	all := pages(t)
	followed := 0
	for from, page := range all {
		for _, link := range page.Links {
			target, err := url.Parse(link)
			if err != nil {
				t.Errorf("%s: %v", from, err)
				continue
			}
			if target.Scheme != "" {
				continue // of the world outside, which changes without us
			}
			followed++
			if problem := follow(all, from, target); problem != "" {
				t.Errorf("%s: the link %s leads to %s", from, link, problem)
			}
		}
	}
	if followed < 50 {
		t.Errorf("only %d links were found, so they were not read", followed)
	}
}

// follow says what is wrong with a link.
func follow(all map[string]*markdown.Document, from string, target *url.URL) string {
	to := from
	if target.Path != "" {
		to = path.Join(path.Dir(from), target.Path)
	}
	if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(to))); err != nil || strings.HasPrefix(to, "..") {
		return "nothing"
	}
	if target.Fragment == "" {
		return ""
	}
	page := all[to]
	switch {
	case page == nil:
		return "an anchor in a file that is not Markdown"
	case !page.Anchors[target.Fragment]:
		return "no heading of " + to
	}
	return ""
}

// TestReachable makes sure that a reader who begins at the README can come to every page of docs by
// following links.
func TestReachable(t *testing.T) {
	all := pages(t)
	seen, queue := map[string]bool{"README.md": true}, []string{"README.md"}
	for len(queue) > 0 {
		from := queue[0]
		queue = queue[1:]
		for _, link := range all[from].Links {
			target, err := url.Parse(link)
			if err != nil || target.Scheme != "" || target.Path == "" {
				continue
			}
			if to := path.Join(path.Dir(from), target.Path); all[to] != nil && !seen[to] {
				seen[to] = true
				queue = append(queue, to)
			}
		}
	}
	for name, page := range all {
		if strings.HasPrefix(name, "docs/") && !seen[name] {
			t.Errorf("no link leads to %s", name)
		}
		if page.Title == "" {
			t.Errorf("%s has no title", name)
		}
	}
}

// TestListings makes sure that what a page shows of an example's program stands there, line by
// line.
func TestListings(t *testing.T) {
	programs := map[string]string{}
	for language, files := range map[string][]string{
		"go": {"examples/upload/main.go"}, "python": {"examples/upload.py"},
	} {
		for _, name := range files {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			programs[language] += string(data) + "\n"
		}
	}
	shown := map[string]int{}
	for _, block := range pages(t)["docs/apps.md"].Blocks {
		program, ok := programs[block.Language]
		if !ok {
			continue
		}
		shown[block.Language]++
		for piece := range strings.SplitSeq(block.Text, "\n\n") {
			if !strings.Contains(program, strings.Trim(piece, "\n")+"\n") {
				t.Errorf("docs/apps.md:%d: this stands in no program for %s:\n%s", block.Line, block.Language, piece)
			}
		}
	}
	for language := range programs {
		if shown[language] == 0 {
			t.Errorf("docs/apps.md shows nothing in %s", language)
		}
	}
}

// TestShownExamples makes sure that a page shows an example of docs/examples as it is, but for the
// line that says what it is.
func TestShownExamples(t *testing.T) {
	for _, example := range []struct{ name, page, language string }{
		{"rook.yaml", "docs/object-stores.md", "yaml"},
		{"cosi.yaml", "docs/object-stores.md", "yaml"},
		{"minio-policy.json", "docs/object-stores.md", "json"},
	} {
		data, err := os.ReadFile(filepath.Join("examples", example.name))
		if err != nil {
			t.Fatal(err)
		}
		want := string(data)
		if first, rest, _ := strings.Cut(want, "\n"); strings.HasPrefix(first, "#") {
			want = rest
		}
		shown := slices.ContainsFunc(pages(t)[example.page].Blocks, func(block markdown.Block) bool {
			return block.Language == example.language && strings.Trim(block.Text, "\n") == strings.Trim(want, "\n")
		})
		if !shown {
			t.Errorf("%s does not show docs/examples/%s as it is", example.page, example.name)
		}
	}
}
