package devcluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"
)

// maxLogSize is the size at which a log is put aside when its process is started again.
const maxLogSize = 16 << 20

// processSpec is what it takes to run a child.
type processSpec struct {
	name    string // as shown to people, and the name of its log
	path    string
	args    []string
	env     []string // added to PATH, HOME and TMPDIR; nothing else is inherited
	dir     string   // working directory
	logPath string
}

// process is a running child. It is waited for from the start, so none is ever left a zombie.
type process struct {
	processSpec
	cmd      *exec.Cmd
	logStart int64         // where this run begins in the log
	stopping atomic.Bool   // we ended it, its exit is no fault
	done     chan struct{} // closed when it has ended
	exit     error         // how it ended; valid once done is closed
}

// startProcess starts a child whose output is appended to its log.
func startProcess(spec processSpec) (*process, error) {
	log, start, err := openLog(spec.logPath)
	if err != nil {
		return nil, err
	}
	// The child has its own copy of the file.
	defer func() { _ = log.Close() }()
	cmd := exec.Command(spec.path, spec.args...)
	cmd.Dir = spec.dir
	cmd.Env = append(inheritedEnv(), spec.env...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := spawn(cmd); err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.name, err)
	}
	p := &process{processSpec: spec, cmd: cmd, logStart: start, done: make(chan struct{})}
	go func() {
		p.exit = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// inheritedEnv is the little of our environment that children see: variables of the user's, such as
// AWS_PROFILE or a proxy, must not change what they do.
func inheritedEnv() []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

func openLog(path string) (log *os.File, size int64, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, 0, err
	}
	if info, err := os.Stat(path); err == nil && info.Size() > maxLogSize {
		if err := os.Rename(path, path+".old"); err != nil {
			return nil, 0, err
		}
	}
	log, err = os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, 0, err
	}
	size, err = log.Seek(0, io.SeekEnd)
	return log, size, err
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) exited() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// signal sends sig to the child alone. A child that has already ended is no error.
func (p *process) signal(sig syscall.Signal) error {
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal %s: %w", p.name, err)
	}
	return nil
}

// stop ends the child: SIGTERM, and SIGKILL to its whole group once grace has passed. It returns
// when the child is gone, is idempotent, and may be called while another call is under way.
func (p *process) stop(grace time.Duration) error {
	p.stopping.Store(true)
	if err := p.signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(grace):
		return p.kill()
	}
}

// kill ends the child and its group at once and returns when the child is gone. It is idempotent.
func (p *process) kill() error {
	p.stopping.Store(true)
	if p.exited() {
		return nil
	}
	if err := syscall.Kill(-p.pid(), syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("kill %s: %w", p.name, err)
	}
	<-p.done
	return nil
}

// fault says how a child ended that we did not stop, with the end of its log. It is nil while it
// runs and after stop or kill.
func (p *process) fault() error {
	if !p.exited() || p.stopping.Load() {
		return nil
	}
	return fmt.Errorf("%s (pid %d) ended by itself: %s\n%s", p.name, p.pid(), exitText(p.exit), p.logTail())
}

func exitText(err error) string {
	if err == nil {
		return "exit status 0"
	}
	return err.Error()
}

// logTail quotes the end of what this run of the child has logged.
func (p *process) logTail() string {
	const lines, limit = 15, 8 << 10
	file, err := os.Open(p.logPath)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = file.Close() }()
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return err.Error()
	}
	text := make([]byte, size-max(p.logStart, size-limit))
	n, err := file.ReadAt(text, size-int64(len(text)))
	if err != nil && !errors.Is(err, io.EOF) {
		return err.Error()
	}
	all := bytes.Split(bytes.TrimSpace(text[:n]), []byte("\n"))
	all = all[max(0, len(all)-lines):]
	return fmt.Sprintf("the end of %s:\n    %s", p.logPath, bytes.Join(all, []byte("\n    ")))
}

// waitReady polls ready until it returns nil. It gives up when the child ends, ctx is done, limit
// has passed, or ready returns neverReady. The error says what was still missing, and quotes the
// log.
func (p *process) waitReady(ctx context.Context, limit time.Duration, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not ready within %s", limit))
	defer cancel()
	var last error
	for {
		err := func() error {
			ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
			defer cancel()
			return ready(ctx)
		}()
		if err == nil && !p.exited() {
			return nil
		}
		if errors.As(err, new(neverReady)) {
			return fmt.Errorf("%s: %w\n%s", p.name, err, p.logTail())
		}
		if last == nil || ctx.Err() == nil { // that the time was over says nothing of what was missing
			last = err
		}
		select {
		case <-p.done:
			if err := p.fault(); err != nil {
				return err
			}
			return fmt.Errorf("%s was stopped before it was ready", p.name)
		case <-ctx.Done():
			return fmt.Errorf("%s: %w; last: %w\n%s", p.name, context.Cause(ctx), last, p.logTail())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// neverReady is what a process lacks that no waiting brings.
type neverReady struct{ error }

// Unwrap gives the cause.
func (n neverReady) Unwrap() error { return n.error }

// watch returns nil when ctx is done, or the fault of the first of the children that ends by
// itself.
func watch(ctx context.Context, processes ...*process) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error)
	for _, p := range processes {
		go func() {
			select {
			case <-p.done:
			case <-ctx.Done():
				return
			}
			select {
			case ended <- p.fault():
			case <-ctx.Done():
			}
		}()
	}
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return nil
	}
}
