// Command imageroot writes the files of an image besides its binary into a directory, for the
// Dockerfile.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/iotfile-operator/iotfile-operator/hack/imageroot/rootfs"
)

func main() {
	to := flag.String("to", "", "The directory that becomes the root of the image.")
	goarch := flag.String("goarch", "", "The architecture of the image. Default: this machine's.")
	program := flag.String("program", rootfs.Operator, "The package that the binary is made of.")
	flag.Parse()
	if err := write(context.Background(), *to, cmp.Or(*goarch, runtime.GOARCH), *program); err != nil {
		fmt.Fprintln(os.Stderr, "imageroot:", err)
		os.Exit(1)
	}
}

func write(ctx context.Context, to, goarch, program string) error {
	if to == "" {
		return errors.New("-to is missing")
	}
	files, err := rootfs.Files(ctx, ".", goarch, program)
	if err != nil {
		return err
	}
	for _, file := range files {
		path := filepath.Join(to, file.Path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, file.Content, 0o644); err != nil { //nolint:gosec // the image's user is not its owner
			return err
		}
	}
	return nil
}
