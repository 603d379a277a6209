// Command govulncheck looks for known vulnerabilities in what the operator is made of, as far as
// its code reaches them. It says so where the database of the Go project is not to be had, since
// the tool's own error is hard to tell from a finding.
//
// It exits with the status of govulncheck: 0 for none, 3 for findings, 1 for other failures. 69
// means that nothing was checked, because there is no database.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

const (
	// publicDB is where govulncheck looks when $GOVULNDB does not name another place.
	publicDB = "https://vuln.go.dev"
	// unchecked is EX_UNAVAILABLE of sysexits.h.
	unchecked = 69
	timeout   = 20 * time.Second
)

func main() {
	database := os.Getenv("GOVULNDB")
	if database == "" {
		database = publicDB
	}
	ctx := context.Background()
	if err := reach(ctx, database); err != nil {
		fmt.Fprintf(os.Stderr, "govulncheck: NOTHING WAS CHECKED: the database of vulnerabilities is not to be had: %v\n"+
			"Run it where %s can be reached, or name a mirror: GOVULNDB=https://MIRROR or GOVULNDB=file:///DIRECTORY\n", err, database)
		os.Exit(unchecked)
	}
	os.Exit(check(ctx, database, os.Args[1:]))
}

// reach asks for the file that each copy of the database begins with.
func reach(ctx context.Context, database string) error {
	if dir, ok := strings.CutPrefix(database, "file://"); ok {
		_, err := os.Stat(filepath.Join(dir, "index", "db.json"))
		return err
	}
	address, err := url.JoinPath(database, "index", "db.json")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", address, res.Status)
	}
	_, err = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20))
	return err
}

// check runs govulncheck on the operator, with further arguments, and returns its exit status.
func check(ctx context.Context, database string, args []string) int {
	root, err := devcluster.ModuleRoot()
	if err == nil {
		var tool string
		if tool, err = devcluster.FindTool(ctx, os.Stderr, devcluster.Govulncheck); err == nil {
			cmd := exec.CommandContext(ctx, tool, append([]string{"-db=" + database, "./cmd/..."}, args...)...)
			cmd.Dir, cmd.Stdout, cmd.Stderr = root, os.Stdout, os.Stderr
			err = cmd.Run()
		}
	}
	var ended *exec.ExitError
	switch {
	case errors.As(err, &ended):
		return ended.ExitCode()
	case err != nil:
		fmt.Fprintln(os.Stderr, "govulncheck:", err)
		return 1
	}
	return 0
}
