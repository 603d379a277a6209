package e2e

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// The upload that is killed: small in CI, and `-args -kills=20 -kill-mib=1024` for the whole.
var (
	kills   = flag.Int("kills", 6, "how often TestLibraryKilled kills an upload")
	killMiB = flag.Int("kill-mib", 192, "size of that upload in MiB")
)

// TestLibraryKilled kills a program that uploads a file with the Go client, with SIGKILL at random
// points, and runs it again from another directory, while the object store and the operator are
// restarted. No part that was acknowledged is ever sent again.
func TestLibraryKilled(t *testing.T) {
	root, err := devcluster.ModuleRoot()
	check(t, err)
	binary := filepath.Join(t.TempDir(), "upload")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", binary, "./docs/examples/upload")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	onEachStore(t, func(t *testing.T, tn *tenant) {
		e := newExample(t, tn, exampleProgram{name: "go", command: []string{binary}}, *killMiB*mib+77)
		parts := *killMiB * mib / (5 * mib)
		stored, again, cut := map[string]bool{}, 0, 0
		for run := range *kills {
			inDirectory(t, e)
			e.stopAfter((parts - 2) / *kills)
			out, kill, end := e.begin(t, e.local, e.name)
			ended := make(chan error, 1)
			go func() { ended <- end() }()
			quiet := true
			switch run {
			case *kills / 3:
				e.heardMore(t, 1, ended, out)
				check(t, tn.store.Restart(t.Context()))
				quiet = false
			case *kills * 2 / 3:
				e.heardMore(t, 1, ended, out)
				restartOperator(t)
				quiet = false
			}
			e.heardMore(t, rand.IntN(max(parts/(*kills), 1))+1, ended, out)
			kill()
			if <-ended == nil {
				t.Fatalf("run %d came to its end before it was killed:\n%s", run, out)
			}
			e.release()
			e.settled(t, tn)
			if n := e.count(stored, &again); quiet {
				cut += n
			}
		}
		inDirectory(t, e)
		e.once(nil)
		e.run(t, true, e.local, e.name)
		e.count(stored, &again)
		e.stored(t, e.content, "0")
		if again > 0 {
			t.Errorf("%d parts were sent again that were acknowledged", again)
		}
		if cut > *kills*2 {
			t.Errorf("%d parts were cut by %d kills of two senders", cut, *kills)
		}
		t.Logf("%s: %d MiB, killed %d times, %d parts cut on their way and none sent twice", tn.store.Kind, *killMiB, *kills, cut)
	})
}

// inDirectory moves the file of the example to another directory, as another pod would have it.
func inDirectory(t *testing.T, e *exampleRun) {
	t.Helper()
	to := filepath.Join(t.TempDir(), fmt.Sprintf("elsewhere%d.bin", rand.IntN(1000)))
	check(t, os.Rename(e.local, to))
	e.local = to
}

// stopAfter lets so many parts through and stops the next ones: however late the program is killed,
// it has not come to its end.
func (e *exampleRun) stopAfter(parts int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.judge = func(query string) gateFault {
		if !strings.HasPrefix(query, "part=") {
			return faultNone
		}
		if parts--; parts < 0 {
			return faultStopped
		}
		return faultNone
	}
}

// heardMore waits until so many parts of this run were acknowledged, or one is stopped.
func (e *exampleRun) heardMore(t *testing.T, n int, ended <-chan error, out *bytes.Buffer) {
	t.Helper()
	eventually(t, "the program sends parts", func() error {
		select {
		case err := <-ended:
			t.Fatalf("the program has ended by itself, %v:\n%s%q", err, out, e.take())
		default:
		}
		e.mu.Lock()
		defer e.mu.Unlock()
		acknowledged := 0
		for _, said := range e.said {
			if strings.HasPrefix(said, "PUT part=") && strings.HasSuffix(said, " 201") {
				acknowledged++
			}
		}
		if acknowledged < n && e.stuck == 0 {
			return fmt.Errorf("%d of %d parts were acknowledged", acknowledged, n)
		}
		return nil
	})
}

// settled waits until no request of a killed program is on its way.
func (e *exampleRun) settled(t *testing.T, tn *tenant) {
	t.Helper()
	before := -1
	eventually(t, "the requests of the killed program end", func() error {
		e.mu.Lock()
		now := len(e.said)
		e.mu.Unlock()
		if now != before {
			before = now
			time.Sleep(300 * time.Millisecond)
			return fmt.Errorf("requests of %s are being answered", tn.namespace)
		}
		return nil
	})
}

// count takes what was said: it notes which parts are stored, adds to again those that were before,
// and returns how many were not.
func (e *exampleRun) count(stored map[string]bool, again *int) (cut int) {
	for _, said := range e.take() {
		words := strings.Fields(said)
		switch {
		case !strings.HasPrefix(words[1], "part="):
		case stored[words[1]]:
			*again++
		case words[2] == "201":
			stored[words[1]] = true
		default:
			cut++
		}
	}
	return cut
}
