package main

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// stepTimeout is how long a command may take, or its text may take to appear.
const stepTimeout = 2 * time.Minute

// terminal is one of tmux, on a server of its own.
type terminal struct{ socket string }

func (t *terminal) tmux(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "tmux", append([]string{"-S", t.socket, "-f", "/dev/null"}, args...)...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("tmux %s: %w: %s", args[0], err, out)
	}
	return string(out), nil
}

// start starts a shell with nothing in its environment but env.
func (t *terminal) start(ctx context.Context, dir string, env map[string]string) error {
	args := []string{"new-session", "-d", "-x", strconv.Itoa(columns), "-y", strconv.Itoa(rows), "-c", dir, "env", "-i"}
	for name, value := range env {
		args = append(args, name+"="+value)
	}
	if _, err := t.tmux(ctx, append(args, "bash", "--norc", "--noprofile")...); err != nil {
		return err
	}
	return t.await(ctx, func(screen string) bool { return strings.HasPrefix(screen, "$") })
}

func (t *terminal) end(ctx context.Context) { _, _ = t.tmux(ctx, "kill-server") }

// do types a command and waits for its end. It returns the screens that were to be taken meanwhile.
func (t *terminal) do(ctx context.Context, s step) (taken []string, err error) {
	before, err := t.screen(ctx)
	if err != nil {
		return nil, err
	}
	for _, keys := range [][]string{{"-l", s.typed}, {"Enter"}} {
		if _, err := t.tmux(ctx, append([]string{"send-keys"}, keys...)...); err != nil {
			return nil, err
		}
	}
	if s.interrupt > 0 {
		if err := t.await(ctx, func(screen string) bool { taken = []string{screen}; return percent(screen) >= s.interrupt }); err != nil {
			return nil, err
		}
		if _, err := t.tmux(ctx, "send-keys", "C-c"); err != nil {
			return nil, err
		}
	}
	return taken, t.await(ctx, func(screen string) bool {
		return strings.Count(screen, s.until) > strings.Count(before, s.until) && strings.HasSuffix(strings.TrimRight(screen, "\n "), "\n$")
	})
}

var ofAll = regexp.MustCompile(`all \d+ files .*?(\d+) ?%`)

// percent is how much of all files has arrived, as the screen shows it.
func percent(screen string) int {
	found := ofAll.FindStringSubmatch(screen)
	if found == nil {
		return 0
	}
	n, _ := strconv.Atoi(found[1]) // digits
	return n
}

// screen is what is to be seen, with the sequences of its colours.
func (t *terminal) screen(ctx context.Context) (string, error) {
	return t.tmux(ctx, "capture-pane", "-e", "-p")
}

// await waits until the screen is as it is to be.
func (t *terminal) await(ctx context.Context, is func(screen string) bool) error {
	for deadline := time.Now().Add(stepTimeout); ; {
		screen, err := t.screen(ctx)
		if err != nil {
			return err
		}
		if is(screen) {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("after %s the screen is\n%s", stepTimeout, screen)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
