// Command page checks the page that `kubectl iotfile ui` serves: that its files are small together,
// that none has a browser fetch something from elsewhere, and that its modules use the REST API and
// the kinds as they are. The types of these are made anew each time, in bin/page, where an editor
// finds them by hack/page/tsconfig.json.
//
// Where Node.js is missing the types are not checked, and the command says so; with CI=true it
// fails.
package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/iotfile-operator/iotfile-operator/cmd/kubectl-iotfile/page"
	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

var (
	//go:embed package.json
	manifest []byte
	//go:embed package-lock.json
	lock []byte
)

func main() {
	if err := check(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "page:", err)
		os.Exit(1)
	}
}

func check(ctx context.Context, out io.Writer) error {
	root, err := devcluster.ModuleRoot()
	if err != nil {
		return err
	}
	files, err := readPage(page.Files)
	if err != nil {
		return err
	}
	if err := errors.Join(checkSize(files), checkAddresses(files)); err != nil {
		return err
	}
	fmt.Fprintf(out, "The page: %d files, %d bytes of %d, nothing from elsewhere.\n", len(files), sizeOf(files), mostBytes)
	packages, err := devcluster.InstallPackages(ctx, "page-check", manifest, lock)
	if errors.Is(err, devcluster.ErrNoNode) {
		fmt.Fprintln(out, "NOT CHECKED: the types of the page:", err)
		return nil
	}
	if err != nil {
		return err
	}
	if err := checkTypes(ctx, packages, root); err != nil {
		return err
	}
	fmt.Fprintln(out, "The types of the page are right.")
	return nil
}

// checkTypes makes the types of the REST API and of the kinds, and holds the modules against them.
func checkTypes(ctx context.Context, packages, root string) error {
	for _, args := range [][]string{
		{filepath.Join(root, "hack", "page", "generate.mjs"), packages, root, filepath.Join(root, "bin", "page")},
		{filepath.Join(packages, "node_modules", "typescript", "bin", "tsc"), "--project", filepath.Join(root, "hack", "page")},
	} {
		cmd := exec.CommandContext(ctx, "node", args...)
		cmd.Dir = root
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("node %s: %w\n%s", filepath.Base(args[0]), err, out)
		}
	}
	return nil
}
