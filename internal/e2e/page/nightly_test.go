package page

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// needNightly skips what takes minutes, unless it is night.
func needNightly(t *testing.T) {
	t.Helper()
	if !*nightly {
		t.Skip("for the night: make page-nightly")
	}
	needSystem(t)
}

// TestInterrupted: a file of 200 MiB is dropped on the page. In the middle the operator is killed
// and comes back, and the page is loaded anew. The person chooses the file again, the rest of it is
// sent, and it is whole.
func TestInterrupted(t *testing.T) {
	needNightly(t)
	entity := newEntity()
	content := random(200 * mib)
	watched := watchUploads(t)
	var before int
	journey{
		script: "interrupted.mjs",
		env:    map[string]string{"FILE": onDisk(t, "recording.bin", content), "NAME": "recording.bin"},
		steps: map[string]func([]string) any{
			"kill": func([]string) any {
				check(t, system.up.Operator.Kill())
				return nil
			},
			"start": func([]string) any {
				restartOperator(t)
				return nil
			},
			"parts": func(args []string) any { // that arrived before the page was loaded anew
				u := uploadOf(t, entity, args[0])
				if u == nil || u.Status.Progress == nil || u.Status.Progress.Parts == nil {
					return 0
				}
				before = int(*u.Status.Progress.Parts)
				return before
			},
			"sent": func(args []string) any {
				waitPhase(t, entity, args[0], "Completed")
				compare(t, entity, args[0], content)
				return nil
			},
		},
	}.run(t, entity)
	seen := watched()
	t.Logf("kubectl get mpu -w:\n%s", seen)
	for _, text := range []string{"Uploading", "Completed"} {
		if !strings.Contains(seen, text) {
			t.Errorf("kubectl has not seen the upload %s", text)
		}
	}
}

// watchUploads runs `kubectl get mpu -w` beside the test. The result ends it, and returns what it
// has printed.
func watchUploads(t *testing.T) func() string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, system.up.Kubectl(), "--kubeconfig", system.up.ControlPlane.Kubeconfig, "-n", devcluster.SampleNamespace, "get", "mpu", "-w")
	stdout, err := cmd.StdoutPipe()
	check(t, err)
	cmd.Stderr = os.Stderr
	check(t, cmd.Start())
	began := time.Now()
	var text strings.Builder
	var reading sync.WaitGroup
	reading.Go(func() {
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			fmt.Fprintf(&text, "%6.1f s  %s\n", time.Since(began).Seconds(), lines.Text())
		}
	})
	return func() string {
		cancel()
		reading.Wait()
		_ = cmd.Wait()
		return text.String()
	}
}

// TestKeyboard: a person without a mouse sends a file, and aborts an upload.
func TestKeyboard(t *testing.T) {
	needNightly(t)
	entity := newEntity()
	content := random(6 * mib)
	journey{
		script: "keyboard.mjs",
		env:    map[string]string{"FILE": onDisk(t, "by-keyboard.bin", content), "NAME": "by-keyboard.bin"},
		steps: map[string]func([]string) any{
			"sent": func(args []string) any {
				compare(t, entity, args[0], content)
				return nil
			},
			"open": func(args []string) any {
				rest(t, http.MethodPut, entity, args[0]+"?upload=start", nil)
				rest(t, http.MethodPut, entity, args[0]+"?part=1", content)
				return nil
			},
			"aborted": func(args []string) any { return waitAborted(t, entity, args[0]) },
		},
	}.run(t, entity)
}

// TestShots takes a screenshot of each view and dialog, in both themes, from a phone to 4K, and
// audits what is open in them.
func TestShots(t *testing.T) {
	needNightly(t)
	entity := newEntity()
	for name, size := range map[string]int{"logs/2026/engine-1.bin": 3 * mib, "logs/2026/engine-2.bin": 2 * mib, "firmware/7.1.img": mib} {
		rest(t, http.MethodPut, entity, name, random(size))
	}
	rest(t, http.MethodPut, entity, "readme.txt", []byte(strings.Repeat("What the engine said on the day that it stopped.\n", 40)))
	for name, parts := range map[string][]int{"recordings/open.bin": {1, 2, 4, 7}, "recordings/gap.bin": {1, 3}} {
		rest(t, http.MethodPut, entity, name+"?upload=start", nil)
		for _, part := range parts {
			rest(t, http.MethodPut, entity, fmt.Sprintf("%s?part=%d", name, part), random(5*mib))
		}
	}
	journey{
		script: "shots.mjs", limit: 20 * time.Minute,
		env: map[string]string{"FILE": onDisk(t, "dropped.bin", random(40*mib)), "NAME": "dropped.bin"},
	}.run(t, entity)
	for _, name := range []string{"recordings/open.bin", "recordings/gap.bin"} {
		if u := uploadOf(t, entity, name); u != nil && u.Status.Phase == "Uploading" {
			rest(t, http.MethodPut, entity, name+"?upload=abort", nil)
		}
	}
}
