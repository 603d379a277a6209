package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// suiteTimeout bounds the suite: what hangs is named in its output.
const suiteTimeout = 20 * time.Minute

// runSuite runs the tests of internal/filestore/s3 that take any store, prints what has failed and
// the table of what was observed, and reports whether all has passed.
func runSuite(ctx context.Context, store *devcluster.ExternalStore, dir string, out io.Writer) (bool, error) {
	root, err := devcluster.ModuleRoot()
	if err != nil {
		return false, err
	}
	fmt.Fprintf(out, "The suite of stores, on %s:\n", store.Endpoint)
	table := filepath.Join(dir, "table.md")
	cmd := exec.CommandContext(ctx, "go", "test", "-trimpath", "-count=1", "-v", "-timeout="+suiteTimeout.String(), "-run=^TestAnyStore$", "./internal/filestore/s3")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0",
		"IOTFILE_CONFORMANCE_ENDPOINT="+store.Endpoint, "IOTFILE_CONFORMANCE_BUCKET="+store.Bucket, "IOTFILE_CONFORMANCE_REGION="+store.Region,
		"IOTFILE_CONFORMANCE_PREFIX="+store.Prefix, "AWS_ACCESS_KEY_ID="+store.AccessKey, "AWS_SECRET_ACCESS_KEY="+store.SecretKey,
		"IOTFILE_CONFORMANCE_TABLE="+table)
	cmd.Stderr = os.Stderr
	lines, err := cmd.StdoutPipe()
	if err != nil {
		return false, err
	}
	if err := cmd.Start(); err != nil {
		return false, err
	}
	passed, failed, skipped := summarize(lines, out)
	err = cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return false, err
	}
	fmt.Fprintf(out, "%d passed, %d failed, %d left out\n\n", passed, failed, skipped)
	text, readErr := os.ReadFile(table)
	if readErr == nil {
		fmt.Fprintln(out, string(text))
	}
	return err == nil, nil
}

// summarize counts the results of tests, and prints what was said in and around those that failed.
func summarize(lines io.Reader, out io.Writer) (passed, failed, skipped int) {
	scanner := bufio.NewScanner(lines)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		line := scanner.Text()
		switch text := strings.TrimSpace(line); {
		case strings.HasPrefix(text, "--- PASS"):
			passed++
		case strings.HasPrefix(text, "--- SKIP"):
			skipped++
		case strings.HasPrefix(text, "--- FAIL"):
			failed++
			fmt.Fprintln(out, line)
		case strings.Contains(text, "_test.go:"), strings.Contains(text, ".go:"), strings.HasPrefix(text, "panic:"):
			fmt.Fprintln(out, line)
		}
	}
	return passed, failed, skipped
}
