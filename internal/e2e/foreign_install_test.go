package e2e

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// foreignPackage is where the foreign client's lock file and its driver are.
const foreignPackage = "mindconnect"

// installForeign installs the packages of the lock file, once for each lock file and Node version, and returns the directory.
func installForeign(t *testing.T) string {
	t.Helper()
	for _, program := range []string{"npm", "node"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("%s is not installed, and CI runs every test: install Node.js 18 or later with npm", program)
			}
			t.Skipf("%s is not installed: this test needs Node.js 18 or later with npm", program)
		}
	}
	version, err := exec.CommandContext(t.Context(), "node", "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.New()
	sum.Write(version)
	files := map[string][]byte{"package.json": nil, "package-lock.json": nil}
	for _, name := range []string{"package.json", "package-lock.json"} {
		data, err := os.ReadFile(filepath.Join(foreignPackage, name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = data
		sum.Write(data)
	}
	parent := filepath.Join(cacheDir(t), "npm")
	final := filepath.Join(parent, foreignPackage+"-"+hex.EncodeToString(sum.Sum(nil))[:12])
	if _, err := os.Stat(final); err == nil {
		return final
	}
	fresh := filepath.Join(parent, fmt.Sprintf(".new-%d", os.Getpid())) // beside its place, so that it can be renamed
	if err := os.MkdirAll(fresh, 0o755); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(fresh) }()
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(fresh, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// Nothing of the packages runs at their installation.
	install := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier")
	install.Dir = fresh
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
	if err := os.Rename(fresh, final); err != nil {
		if _, other := os.Stat(final); other != nil { // else another run was faster
			t.Fatal(err)
		}
	}
	return final
}

// cacheDir is where the tools of the tests are kept, too.
func cacheDir(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv("IOTFILE_TOOLS_DIR"); dir != "" {
		dir, err := filepath.Abs(dir)
		if err != nil {
			t.Fatal(err)
		}
		return dir
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		t.Fatalf("no place to keep npm packages, set IOTFILE_TOOLS_DIR: %v", err)
	}
	return filepath.Join(dir, "iotfile-operator")
}

// foreignClient is an IotFileClient in a process of its own, behind a wiretap.
type foreignClient struct {
	*wiretap
	stdin  io.Writer
	stdout *bufio.Scanner
	stderr *bytes.Buffer
}

// options are the optional parameters of the client's methods.
type options map[string]any

func startForeign(t *testing.T, installed string, tn *tenant) *foreignClient {
	t.Helper()
	c := &foreignClient{wiretap: tap(t), stderr: &bytes.Buffer{}}
	gateway := c.url()
	if tn.namespace != "default" {
		gateway += "/namespaces/" + tn.namespace
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "node", filepath.Join(foreignPackage, "client.mjs"), installed, gateway, tn.token)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(e string) bool { return strings.HasPrefix(strings.ToLower(e), "http_proxy=") })
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = c.stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c.stdin, c.stdout = stdin, bufio.NewScanner(stdout)
	c.stdout.Buffer(nil, 1<<20)
	t.Cleanup(func() {
		_ = stdin.Close() // which ends it
		if err := cmd.Wait(); err != nil && !t.Failed() {
			t.Errorf("the client's process: %v\n%s", err, c.stderr)
		}
	})
	return c
}

// outcome is what a method of the client came to.
type outcome struct {
	Value json.RawMessage
	Error string
}

// into decodes the value.
func (o outcome) into(t *testing.T, v any) {
	t.Helper()
	if err := json.Unmarshal(o.Value, v); err != nil {
		t.Fatalf("%s: %v", o.Value, err)
	}
}

// call calls a method.
func (c *foreignClient) call(t *testing.T, method string, args ...any) outcome {
	t.Helper()
	line, err := json.Marshal(map[string]any{"method": method, "args": args})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(c.stdin, "%s\n", line); err != nil {
		t.Fatalf("%v\n%s", err, c.stderr)
	}
	for c.stdout.Scan() {
		if !strings.HasPrefix(c.stdout.Text(), "{") {
			continue // the package talks
		}
		var o outcome
		if err := json.Unmarshal(c.stdout.Bytes(), &o); err != nil {
			t.Fatal(err)
		}
		return o
	}
	t.Fatalf("the client's process has ended\n%s", c.stderr)
	return outcome{}
}

// ok calls a method that succeeds.
func (c *foreignClient) ok(t *testing.T, method string, args ...any) outcome {
	t.Helper()
	o := c.call(t, method, args...)
	if o.Error != "" {
		t.Fatalf("%s: %s", method, o.Error)
	}
	return o
}

// fails calls a method that fails with an error that holds all of texts.
func (c *foreignClient) fails(t *testing.T, texts []string, method string, args ...any) {
	t.Helper()
	o := c.call(t, method, args...)
	for _, text := range texts {
		if !strings.Contains(o.Error, text) {
			t.Errorf("%s: the error does not tell of %q: %q", method, text, o.Error)
		}
	}
}
