package docs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestReferenceIsFresh writes the pages anew that are made from the code.
func TestReferenceIsFresh(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "go", "run", "-trimpath", "./hack/reference", "-out="+dir)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	names := []string{"flags.md", "cli.md", "spec/fields.md"}
	for _, where := range []string{".", dir} { // of both, so that none is missing and none is left over
		man, err := filepath.Glob(filepath.Join(where, "man", "*.1"))
		if err != nil || len(man) < 10 {
			t.Fatalf("%s has %d man pages, %v", where, len(man), err)
		}
		for _, path := range man {
			names = append(names, filepath.Join("man", filepath.Base(path)))
		}
	}
	for _, name := range names {
		want, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(name); err != nil || string(got) != string(want) {
			t.Errorf("docs/%s is stale: run make reference (%v)", name, err)
		}
	}
}

// foreignFlags are those that pages mention of other programs.
var foreignFlags = map[string]string{
	"--keep-alive": "versitygw", "--sidecar": "versitygw", "--for": "kubectl", "--admission-control-config-file": "kube-apiserver", "--abort": "the programs of docs/examples",
	"--target": "docker buildx",
}

var (
	flagRow = regexp.MustCompile("(?m)^\\| `(--[a-z0-9-]+)`[ ,]")
	aFlag   = regexp.MustCompile(`^--[a-z][a-z0-9-]*`)
	argLine = regexp.MustCompile(`(?m)^\s*- (--[a-z][a-z0-9-]*)`)
)

// TestFlags makes sure that every flag that a page tells of exists. That all of them are told of is
// TestReferenceIsFresh's.
func TestFlags(t *testing.T) {
	known, ofCLI := map[string]bool{}, map[string]bool{}
	for name, flags := range map[string]map[string]bool{"flags.md": known, "cli.md": ofCLI} {
		page, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range flagRow.FindAllStringSubmatch(string(page), -1) {
			flags[row[1]] = true
		}
	}
	mentioned := 0
	check := func(where, flag string) {
		mentioned++
		if !known[flag] && !ofCLI[flag] && foreignFlags[flag] == "" {
			t.Errorf("%s: neither the operator nor the command line has a flag %s", where, flag)
		}
	}
	for name, page := range pages(t) {
		if name == "docs/flags.md" {
			continue
		}
		for _, span := range page.Spans {
			if flag := aFlag.FindString(span); flag != "" {
				check(name, flag)
			}
		}
		for _, block := range page.Blocks {
			if block.Language != "yaml" || !strings.Contains(block.Text, "args:") {
				continue
			}
			for _, line := range argLine.FindAllStringSubmatch(block.Text, -1) {
				check(name, line[1])
			}
		}
	}
	if len(known) < 20 || len(ofCLI) < 20 || mentioned < 20 {
		t.Errorf("only %d flags, and %d mentions of them, were found, so they were not read", len(known), mentioned)
	}
}
