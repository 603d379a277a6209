// Command reference writes the pages of the documentation that the code knows best:
// docs/spec/fields.md from the CRDs, docs/flags.md from what the operator says of its flags, and
// docs/cli.md and the man pages of docs/man from the help of the command line. `make reference`
// runs it, and a test in docs fails while the pages are not what it would write.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	out := flag.String("out", "docs", "directory of the pages")
	flag.Parse()
	if err := write(*out); err != nil {
		fmt.Fprintln(os.Stderr, "reference:", err)
		os.Exit(1)
	}
}

// write writes all pages below dir.
func write(dir string) error {
	for name, page := range map[string]func() ([]byte, error){
		filepath.Join("spec", "fields.md"): fieldsPage,
		"flags.md":                         flagsPage,
		"cli.md":                           cliPage,
	} {
		text, err := page()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			return err
		}
	}
	return manPages(filepath.Join(dir, "man"))
}
