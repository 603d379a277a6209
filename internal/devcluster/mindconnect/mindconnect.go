// Package mindconnect runs a client that was written for the real service, as it is: the
// IotFileClient of the npm package @mindconnect/mindconnect-nodejs, in a Node.js process of its own.
package mindconnect

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// Chunk is the size of a part where the caller names none, in bytes.
const Chunk = 8 << 20

// ErrNoNode is returned where Node.js or npm is missing. CI runs everything: with CI=true their
// absence is another error.
var ErrNoNode = errors.New("this needs Node.js 18 or later with npm, and not both are installed")

//go:embed client.mjs
var driver string

//go:embed package.json
var manifest []byte

//go:embed package-lock.json
var lock []byte

// Install installs the packages of the lock file, once for each lock file and version of Node.js,
// and returns their directory, which is kept in the cache of the tools. It is idempotent, and may
// run in several processes at once.
func Install(ctx context.Context) (dir string, err error) {
	for _, program := range []string{"npm", "node"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("CI") == "true" {
				return "", fmt.Errorf("CI runs everything: install Node.js 18 or later with npm: %w", err)
			}
			return "", ErrNoNode
		}
	}
	version, err := exec.CommandContext(ctx, "node", "--version").Output()
	if err != nil {
		return "", fmt.Errorf("node --version: %w", err)
	}
	cache, err := devcluster.CacheDir()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(slices.Concat(version, manifest, lock))
	final := filepath.Join(cache, "npm", "mindconnect-"+hex.EncodeToString(sum[:])[:12])
	if _, err := os.Stat(final); err == nil {
		return final, nil
	}
	fresh := fmt.Sprintf("%s.new-%d", final, os.Getpid()) // beside its place, so that it can be renamed
	defer func() { _ = os.RemoveAll(fresh) }()
	if err := install(ctx, fresh); err != nil {
		return "", err
	}
	if err := os.Rename(fresh, final); err != nil {
		if _, other := os.Stat(final); other != nil { // else another process was faster
			return "", err
		}
	}
	return final, nil
}

func install(ctx context.Context, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, data := range map[string][]byte{"package.json": manifest, "package-lock.json": lock} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return err
		}
	}
	// Nothing of the packages runs at their installation.
	cmd := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci: %w\n%s", err, out)
	}
	return nil
}

// Client is an IotFileClient in a process of its own. It does one call at a time.
type Client struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Scanner
	stderr bytes.Buffer
	one    sync.Mutex
}

// Options are the optional parameters of the client's methods.
type Options map[string]any

// Outcome is what a method of the client has returned, or the message of what it has thrown.
type Outcome struct {
	Value json.RawMessage
	Error string
}

// Start starts a client of the packages in the directory that Install has returned. gateway is what
// comes before /api/iotfile/v3. The process is killed when ctx is done; else Stop must be called.
func Start(ctx context.Context, installed, gateway, token string) (*Client, error) {
	c := &Client{cmd: exec.CommandContext(ctx, "node", "--input-type=module", "--eval", driver, installed, gateway, token)}
	c.cmd.Env = slices.DeleteFunc(os.Environ(), func(e string) bool { return strings.HasPrefix(strings.ToLower(e), "http_proxy=") })
	c.cmd.Stderr = &c.stderr
	stdin, err := c.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.stdin, c.stdout = stdin, bufio.NewScanner(stdout)
	c.stdout.Buffer(nil, 1<<20)
	return c, c.cmd.Start()
}

// Call calls a method. The error says that the process has failed, not the method: see Outcome.
func (c *Client) Call(method string, args ...any) (Outcome, error) {
	c.one.Lock()
	defer c.one.Unlock()
	line, err := json.Marshal(map[string]any{"method": method, "args": args})
	if err != nil {
		return Outcome{}, err
	}
	if _, err := fmt.Fprintf(c.stdin, "%s\n", line); err != nil {
		return Outcome{}, fmt.Errorf("the client's process: %w", err)
	}
	for c.stdout.Scan() {
		if !strings.HasPrefix(c.stdout.Text(), "{") {
			continue // the package talks
		}
		var o Outcome
		err := json.Unmarshal(c.stdout.Bytes(), &o)
		return o, err
	}
	return Outcome{}, errors.Join(errors.New("the client's process has ended"), c.stdout.Err())
}

// Stop ends the process and returns when it is gone, with what it has written to stderr if it has
// failed.
func (c *Client) Stop() error {
	_ = c.stdin.Close() // which ends it
	if err := c.cmd.Wait(); err != nil {
		return fmt.Errorf("the client's process: %w\n%s", err, &c.stderr)
	}
	return nil
}
