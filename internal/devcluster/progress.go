package devcluster

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"
)

// progressInterval is how often a long step prints a line where the output is no terminal, such as
// a CI log.
const progressInterval = 15 * time.Second

// progress reports a long step: on a terminal as one line that is rewritten every second, elsewhere
// as a line every progressInterval, so that a log is neither silent nor flooded.
type progress struct {
	out      io.Writer
	terminal bool
	name     string
	started  time.Time

	mu     sync.Mutex
	status string

	stop    chan struct{}
	stopped chan struct{}
}

// startProgress begins a step. finish must be called.
func startProgress(out io.Writer, name string) *progress {
	p := &progress{out: out, name: name, started: time.Now(), stop: make(chan struct{}), stopped: make(chan struct{})}
	if file, ok := out.(*os.File); ok {
		p.terminal = term.IsTerminal(int(file.Fd()))
	}
	go p.run()
	return p
}

func (p *progress) run() {
	defer close(p.stopped)
	interval := progressInterval
	if p.terminal {
		interval = time.Second
	}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-p.stop:
			return
		case <-ticker.C:
			p.print()
		}
	}
}

func (p *progress) print() {
	p.mu.Lock()
	line := fmt.Sprintf("  %-26s %6s  %s", p.name, p.elapsed(), p.status)
	p.mu.Unlock()
	if p.terminal {
		fmt.Fprintf(p.out, "\r\x1b[K%s", line)
		return
	}
	fmt.Fprintln(p.out, line)
}

// set changes what the next line says.
func (p *progress) set(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status = fmt.Sprintf(format, args...)
}

// finish ends the step and clears the line that was being rewritten.
func (p *progress) finish() {
	close(p.stop)
	<-p.stopped
	if p.terminal {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}

func (p *progress) elapsed() time.Duration {
	return time.Since(p.started).Round(time.Second)
}

// orDiscard makes a nil writer usable.
func orDiscard(w io.Writer) io.Writer {
	if w == nil {
		return io.Discard
	}
	return w
}
