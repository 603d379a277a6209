// Command recording makes the picture of a terminal that docs/cli.md shows: it starts a whole
// system, types the commands into a terminal of tmux, and draws what that shows. It needs tmux.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
	"github.com/iotfile-operator/iotfile-operator/internal/tcpfault"
)

// limit bounds a run, most of which is what the first one builds.
const limit = 40 * time.Minute

const (
	entity        = "0123456789abcdef0123456789abcdef"
	columns, rows = 104, 30
)

// step is a line that is typed.
type step struct {
	typed string
	// interrupt takes a picture when so many percent of all files have arrived, and sends Ctrl-C; 0
	// for neither.
	interrupt int
	// until is what the screen has when the command has ended.
	until string
}

// session is what the picture shows.
var session = []step{
	{typed: "kubectl iotfile put *.bin " + entity + "/logs/", interrupt: 20, until: "Interrupted."},
	{typed: "kubectl iotfile put *.bin " + entity + "/logs/", until: "3 of 3 files"},
	{typed: "kubectl iotfile ls " + entity + "/logs/", until: "turbine.bin   "},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	out := flag.String("out", "docs/images/put.svg", "file that is written")
	flag.Parse()
	if err := run(ctx, *out); err != nil {
		fmt.Fprintln(os.Stderr, "recording:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out string) (err error) {
	if _, err := exec.LookPath("tmux"); err != nil {
		return errors.New("there is no tmux here: apt-get install tmux")
	}
	dir, err := os.MkdirTemp("", "iotfile-recording-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	system, err := devcluster.Up(ctx, devcluster.Options{Dir: filepath.Join(dir, "system"), CLI: true, Log: os.Stderr})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, system.Stop()) }()
	way, err := tcpfault.New(strings.TrimPrefix(system.URL, "http://"), 1)
	if err != nil {
		return err
	}
	defer way.Close()
	work, err := prepare(dir, system)
	if err != nil {
		return err
	}
	screens, err := play(ctx, dir, work, system, way)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return err
	}
	return os.WriteFile(out, draw(screens, commands()), 0o644) //nolint:gosec // a page of the documentation
}

// commands are those that the picture shows.
func commands() (out []string) {
	for _, s := range session {
		out = append(out, s.typed)
	}
	return out
}

// prepare makes the files that are sent, and a directory of programs.
func prepare(dir string, system *devcluster.System) (work string, err error) {
	work = filepath.Join(dir, "work")
	if err := os.MkdirAll(filepath.Join(dir, "path"), 0o700); err != nil {
		return "", err
	}
	for name, program := range map[string]string{"kubectl": system.Kubectl(), "kubectl-iotfile": system.CLI} {
		if err := os.Symlink(program, filepath.Join(dir, "path", name)); err != nil {
			return "", err
		}
	}
	if err := os.MkdirAll(work, 0o700); err != nil {
		return "", err
	}
	for name, mebibyte := range map[string]int{"engine.bin": 160, "pump.bin": 96, "turbine.bin": 240} {
		content := make([]byte, mebibyte<<20)
		copy(content, name) // else they would be the same
		if err := os.WriteFile(filepath.Join(work, name), content, 0o600); err != nil {
			return "", err
		}
	}
	return work, nil
}

// play types the session, and returns the screens while it was interrupted and at its end. The
// first command has a slow way, so that there is time to interrupt it.
func play(ctx context.Context, dir, work string, system *devcluster.System, way *tcpfault.Proxy) (screens []string, err error) {
	t := &terminal{socket: filepath.Join(dir, "tmux")}
	env := map[string]string{
		"PATH": filepath.Join(dir, "path") + ":/usr/bin:/bin", "HOME": dir, "PS1": "$ ", "TERM": "xterm-256color", "LANG": "C.UTF-8",
		"IOTFILE_URL": "http://" + way.Addr(), "IOTFILE_TOKEN": system.Token, "IOTFILE_NAMESPACE": devcluster.SampleNamespace, "KUBECONFIG": system.ControlPlane.Kubeconfig,
	}
	if err := t.start(ctx, work, env); err != nil {
		return nil, err
	}
	defer t.end(context.WithoutCancel(ctx))
	for _, s := range session {
		way.Remove("slow")
		if s.interrupt > 0 {
			way.Add("slow", tcpfault.Fault{Kind: tcpfault.Latency, Delay: 15 * time.Millisecond, Towards: tcpfault.Upstream})
		}
		taken, err := t.do(ctx, s)
		if err != nil {
			return nil, err
		}
		screens = append(screens, taken...)
	}
	last, err := t.screen(ctx)
	return append(screens, last), err
}
