package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestLargest(t *testing.T) {
	for name, tt := range map[string]struct {
		uses map[string][]string
		want []string
	}{
		"nobody calls anybody": {map[string][]string{"a": nil, "b": nil}, []string{"a"}},
		"a line":               {map[string][]string{"a": {"b"}, "b": {"c"}, "c": nil}, []string{"a"}},
		"two circles":          {map[string][]string{"a": {"b"}, "b": {"a", "c"}, "c": {"d"}, "d": {"e"}, "e": {"c"}}, []string{"c", "d", "e"}},
		"two that meet":        {map[string][]string{"a": {"b"}, "b": {"a", "c"}, "c": {"b"}, "d": {"a"}}, []string{"a", "b", "c"}},
	} {
		if got := largest(tt.uses); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

// Types, functions, constants and methods count, fields and methods of interfaces do not.
func TestUses(t *testing.T) {
	dir := t.TempDir()
	for name, source := range map[string]string{
		"a.go": "package p\n\ntype A struct{ field int }\n\ntype Doer interface{ Do() }\n\nfunc use(d Doer) { d.Do() }\n",
		"b.go": "package p\n\nfunc (a *A) Do() { use(a); _ = a.field }\n",
		"c.go": "package p\n\nfunc C(a *A) { a.Do() }\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(source), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	uses, err := usesOf(listed{ImportPath: "p", Dir: dir, GoFiles: []string{"a.go", "b.go", "c.go"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	others := func(name string) []string {
		to := slices.DeleteFunc(uses[name], func(other string) bool { return other == name })
		slices.Sort(to)
		return slices.Compact(to)
	}
	if a, b, c := others("a.go"), others("b.go"), others("c.go"); len(a) > 0 || !slices.Equal(b, []string{"a.go"}) || !slices.Equal(c, []string{"a.go", "b.go"}) {
		t.Errorf("a uses %v, b uses %v, c uses %v", a, b, c)
	}
}

// A group that is larger, or smaller, than the page says is an error, and so is a row of a package
// that needs none.
func TestReport(t *testing.T) {
	group := func(n int) []string { return slices.Repeat([]string{"x.go"}, n) }
	t.Chdir(t.TempDir())
	if err := os.MkdirAll(filepath.Dir(page), 0o700); err != nil {
		t.Fatal(err)
	}
	text := "x\n## Circles of files\n\n| package | files |\n|---|---|\n| `known` | 20 |\n\n## Next\n| `other` | 30 |\n"
	if err := os.WriteFile(page, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		known, other int
		fails        string
	}{
		{20, 15, ""},
		{21, 1, "allows 20"},
		{19, 1, "allows 20"},
		{20, 16, "other has a group of 16"},
		{15, 1, "take its row out"},
	} {
		var out bytes.Buffer
		err := report(&out, map[string][]string{"known": group(tt.known), "other": group(tt.other)}, false, true)
		if (err == nil) != (tt.fails == "") || err != nil && !strings.Contains(err.Error(), tt.fails) {
			t.Errorf("%d and %d files: %v", tt.known, tt.other, err)
		}
	}
}
