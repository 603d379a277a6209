package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// checksumsName is the file that has the checksums of all others, as `sha256sum -c` reads them.
const checksumsName = "checksums.txt"

func (r *release) checksums(context.Context) error {
	entries, err := os.ReadDir(r.to)
	if err != nil {
		return err
	}
	var out strings.Builder
	for _, entry := range entries {
		sum, err := checksum(filepath.Join(r.to, entry.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&out, "%s  %s\n", sum, entry.Name())
	}
	return r.write(checksumsName, []byte(out.String()))
}

func checksum(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	sum := sha256.New()
	_, err = io.Copy(sum, file)
	return fmt.Sprintf("%x", sum.Sum(nil)), err
}
