package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"k8s.io/client-go/rest"
)

// cluster is where the suite runs.
type cluster struct {
	kubeconfig string
	config     *rest.Config
	home       string // of the programs: what kubectl and Helm remember is not to be the user's
	// ctr runs containerd's command line on the node, for the containers of pods.
	ctr func(ctx context.Context, args ...string) (string, error)
}

// program runs a program that reads the kubeconfig, and returns what it prints.
func (c *cluster) program(ctx context.Context, stdin io.Reader, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+c.kubeconfig, "HOME="+c.home)
	cmd.Stdin = stdin
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%s: %w\n%s%s", strings.Join(cmd.Args, " "), err, stdout.String(), stderr.String())
	}
	return stdout.String(), nil
}

// timeout is how long a state may take to be reached: generous, because machines are shared.
const timeout = 3 * time.Minute

// eventually asks until there is no error, and gives up with the last answer: not with the one that
// its own time-out cut off, which would hide what was wrong.
func eventually(ctx context.Context, what string, check func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("not within %s", timeout))
	defer cancel()
	var last error
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		if last == nil || ctx.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w; last: %w", what, context.Cause(ctx), last)
		case <-time.After(200 * time.Millisecond):
		}
	}
}
