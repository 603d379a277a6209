package cli

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/iotfile-operator/iotfile-operator/internal/tcpfault"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

// shared is what a command prints while it runs.
type shared struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write implements io.Writer.
func (s *shared) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

// lines are those that have a text.
func (s *shared) lines(with string) (out []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for line := range strings.Lines(s.text.String()) {
		if strings.Contains(line, with) {
			out = append(out, line)
		}
	}
	return out
}

var _ io.Writer = (*shared)(nil)

// TestWatch looks at an upload all the while that it runs: it gets further, at a rate, and is gone
// when it has ended.
func TestWatch(t *testing.T) {
	c := newShell(t)
	f := c.newFile("watched.bin")
	content := random(30 * 5 * mib)
	c.write(t, "watched.bin", content)
	slow := testkit.FaultyTCP(t, strings.TrimPrefix(c.URL, "http://"))
	slow.Add("slow", tcpfault.Fault{Kind: tcpfault.Latency, Delay: 60 * time.Millisecond, Towards: tcpfault.Upstream})

	put, _, told := c.command(t, "put", "--parallel", "1", "--part-size", "5Mi", "--server", "http://"+slow.Addr(), "watched.bin", f.entity+"/watched.bin")
	check(t, put.Start())
	eventually(t, "the first part", func() error {
		if n := f.parts(t); n < 1 {
			return fmt.Errorf("%d parts", n)
		}
		return nil
	})
	watch, _, watchTold := c.command(t, "uploads", "-w")
	out := &shared{}
	watch.Stdout = out
	check(t, watch.Start())
	eventually(t, "it gets further, at a rate", func() error {
		shown := out.lines(f.entity + "/watched.bin")
		arrived := map[string]bool{}
		for _, line := range shown { // FILE STATE PARTS ARRIVED OF RATE LEFT ENDS
			if strings.Contains(line, "/s ") && strings.Contains(line, "150 MiB") {
				arrived[strings.Fields(line)[2]] = true
			}
		}
		if len(arrived) < 2 {
			return fmt.Errorf("it shows %q", shown)
		}
		return nil
	})
	slow.Remove("slow")
	if err := put.Wait(); err != nil {
		t.Errorf("put ends with %v:\n%s", err, told)
	}
	f.checkContent(t, content)
	eventually(t, "it is gone from the list", func() error {
		before := len(out.lines(f.entity))
		time.Sleep(logEvery + time.Second)
		if now := len(out.lines(f.entity)); now > before {
			return fmt.Errorf("it was shown %d times more", now-before)
		}
		return nil
	})
	check(t, watch.Process.Signal(unix.SIGINT))
	if err := watch.Wait(); err != nil {
		t.Errorf("an interrupt ends the watch with %v:\n%s", err, watchTold)
	}
}
