package dataplane

import (
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestHeaderTable holds the table of headers in docs/rest-api.md against the code: each header that
// is read has its row.
func TestHeaderTable(t *testing.T) {
	page, err := os.ReadFile("../../docs/rest-api.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## Headers\n")
	section, _, _ = strings.Cut(section, "\n## ")
	documented := map[string]bool{}
	row := regexp.MustCompile(`(?m)^\| ([^|]+) \|`)
	name := regexp.MustCompile("`([A-Za-z0-9-]+)")
	for _, cells := range row.FindAllStringSubmatch(section, -1) {
		for _, found := range name.FindAllStringSubmatch(cells[1], -1) {
			documented[http.CanonicalHeaderKey(found[1])] = true
		}
	}
	read := map[string]string{}
	for _, dir := range append(rooms(t), "../identity", "../digest") {
		for _, file := range goFiles(t, dir) {
			headersIn(t, file, read)
		}
	}
	for header, where := range read {
		if !documented[http.CanonicalHeaderKey(header)] {
			t.Errorf("docs/rest-api.md has no row for %s, which is read in %s", header, where)
		}
	}
	if len(read) < 22 {
		t.Errorf("only %d headers were found in the code: the search must have missed some: %v", len(read), read)
	}
}

func goFiles(t *testing.T, dir string) (files []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if name := entry.Name(); strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
			files = append(files, filepath.Join(dir, name))
		}
	}
	return files
}

// headersIn finds the names that look like those of headers where headers are read: as the argument
// of a getter, in the lists that are gone through, in comparisons and prefixes.
func headersIn(t *testing.T, file string, read map[string]string) {
	t.Helper()
	set := gotoken.NewFileSet()
	parsed, err := parser.ParseFile(set, file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	known := regexp.MustCompile(`^(If|Content|Cache|X|Idempotency|Accept|Repr)-[A-Za-z0-9-]+$|^(Authorization|Range|Expect|Digest|Host|type|description|timestamp)$`)
	add := func(e ast.Expr) {
		if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == gotoken.STRING {
			if name, err := strconv.Unquote(lit.Value); err == nil && known.MatchString(name) {
				read[name] = set.Position(lit.Pos()).String()
			}
		}
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			if name := written(n.Fun); len(n.Args) == 1 && (name == "h.Get" || name == "h.Values" || strings.HasPrefix(name, "r.Header.") || name == "r.Header.Get" || name == "since") {
				add(n.Args[0])
			} else if name == "listOf" {
				add(n.Args[1])
			}
		case *ast.CompositeLit:
			for _, element := range n.Elts { // lists of names, and rows that begin with one
				add(element)
			}
		case *ast.BinaryExpr:
			if n.Op == gotoken.EQL {
				add(n.Y)
			}
		}
		return true
	})
}
