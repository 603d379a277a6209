// Package mindconnect runs a client that was written for the real service, as it is: the
// IotFileClient of the npm package @mindconnect/mindconnect-nodejs, in a Node.js process of its
// own.
package mindconnect

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// Chunk is the size of a part where the caller names none, in bytes.
const Chunk = 8 << 20

//go:embed client.mjs
var driver string

//go:embed package.json
var manifest []byte

//go:embed package-lock.json
var lock []byte

// Install installs the client, once, and returns its directory; see devcluster.InstallPackages.
func Install(ctx context.Context) (dir string, err error) {
	return devcluster.InstallPackages(ctx, "mindconnect", manifest, lock)
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
