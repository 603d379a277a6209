package devcluster

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// processExists reports whether a process of that id is there, a zombie included.
func processExists(pid int) bool { return syscall.Kill(pid, 0) == nil }

// startShell starts a shell script as a child.
func startShell(t *testing.T, script string) *process {
	t.Helper()
	p, err := startProcess(processSpec{
		name: "script", path: "/bin/sh", args: []string{"-c", script}, logPath: filepath.Join(t.TempDir(), "script.log"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.kill() })
	return p
}

func TestProcessThatIgnoresSIGTERMIsKilledWithItsChildren(t *testing.T) {
	p := startShell(t, `trap '' TERM; sleep 1000 & echo $!; wait`)
	var child int
	eventually(t, func(context.Context) bool {
		text, _ := os.ReadFile(p.logPath)
		child, _ = strconv.Atoi(strings.TrimSpace(string(text)))
		return child > 0
	})
	for range 2 { // idempotent
		if err := p.stop(10 * time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	if processExists(p.pid()) {
		t.Error("the process outlives stop")
	}
	// Its child is nobody's now, and goes when whoever inherits it looks.
	eventually(t, func(context.Context) bool { return !running(child) })
	if err := p.fault(); err != nil {
		t.Errorf("a process that was stopped counts as a fault: %v", err)
	}
}

// running reports whether a process is there and no zombie.
func running(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return runtime.GOOS != "linux" && processExists(pid)
	}
	return !strings.Contains(string(stat), ") Z ")
}

func TestProcessThatEndsByItselfIsReportedWithItsLog(t *testing.T) {
	p := startShell(t, "i=0; while [ $i -lt 30 ]; do i=$((i+1)); echo line $i; done; exit 3")
	err := watch(t.Context(), startShell(t, "sleep 1000"), p)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"script (pid ", "exit status 3", p.logPath, "line 30", "line 16"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "line 15\n") {
		t.Errorf("more than the end of the log: %v", err)
	}
	ready := func(context.Context) error { return errors.New("no") }
	if err := p.waitReady(t.Context(), time.Minute, ready); err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("waiting for a process that has ended: %v", err)
	}
}

func TestProcessThatDoesNotGetReadyIsReported(t *testing.T) {
	p := startShell(t, "echo starting; exec sleep 1000")
	eventually(t, func(context.Context) bool { text, _ := os.ReadFile(p.logPath); return len(text) > 0 })
	asked := 0
	err := p.waitReady(t.Context(), 100*time.Millisecond, func(ctx context.Context) error {
		if asked++; asked > 1 { // the end of the time hides nothing of what was said before
			<-ctx.Done()
			return ctx.Err()
		}
		return errors.New("still cold")
	})
	for _, want := range []string{"not ready within 100ms", "still cold", "starting"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in: %v", want, err)
		}
	}
	hopeless := func(context.Context) error { return neverReady{errors.New("too old")} }
	if err := p.waitReady(t.Context(), time.Hour, hopeless); err == nil || !strings.HasPrefix(err.Error(), "script: too old\n") {
		t.Errorf("waiting for what no waiting brings: %v", err)
	}
}

func TestChildSeesLittleOfOurEnvironment(t *testing.T) {
	t.Setenv("AWS_PROFILE", "production")
	p := startShell(t, "env")
	<-p.done
	if text, _ := os.ReadFile(p.logPath); strings.Contains(string(text), "AWS_PROFILE") || !strings.Contains(string(text), "PATH=") {
		t.Errorf("environment of a child:\n%s", text)
	}
}

// TestNothingOutlivesItsParent kills a copy of this test binary that has started a child.
func TestNothingOutlivesItsParent(t *testing.T) {
	if dir := os.Getenv("DEVCLUSTER_TEST_PARENT"); dir != "" {
		p, err := startProcess(processSpec{name: "child", path: "/bin/sleep", args: []string{"1000"}, logPath: filepath.Join(dir, "log")})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("child", p.pid())
		<-p.done
		return
	}
	if runtime.GOOS != "linux" {
		t.Skip("only Linux kills the children of a process that dies")
	}
	parent := exec.Command(os.Args[0], "-test.run=^TestNothingOutlivesItsParent$")
	parent.Env = append(os.Environ(), "DEVCLUSTER_TEST_PARENT="+t.TempDir())
	output, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	var child int
	for lines := bufio.NewScanner(output); child == 0 && lines.Scan(); {
		_, _ = fmt.Sscanf(lines.Text(), "child %d", &child)
	}
	if child == 0 {
		t.Fatal("no child was started")
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait()
	eventually(t, func(context.Context) bool { return !running(child) })
}

func TestServerThatLosesItsPortGetsAnother(t *testing.T) {
	memory := filepath.Join(t.TempDir(), "ports.json")
	var tried []int
	s := server{
		wanted: []int{0}, memory: memory, limit: time.Minute,
		start: func(ports []int) (*process, error) {
			tried = append(tried, ports[0])
			if len(tried) == 1 { // another program is quicker
				thief, err := net.Listen("tcp", address(ports[0]))
				if err != nil {
					return nil, err
				}
				t.Cleanup(func() { _ = thief.Close() })
				return startShell(t, "exit 1"), nil
			}
			return startShell(t, "exec sleep 1000"), nil
		},
		ready: func(context.Context, []int) error {
			if len(tried) == 1 {
				return errors.New("not yet")
			}
			return nil
		},
	}
	p, ports, err := s.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(tried) != 2 || tried[0] == tried[1] || ports[0].number != tried[1] {
		t.Errorf("tried %v, got %d", tried, ports[0].number)
	}
	if _, err := choosePort(ports[0].number, 0); !errors.Is(err, errPortTaken) {
		t.Errorf("a port that is reserved was given away: %v", err)
	}
	if err := p.kill(); err != nil {
		t.Fatal(err)
	}
	releasePorts(ports)

	again, ports, err := s.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer releasePorts(ports)
	if ports[0].number != tried[1] {
		t.Errorf("after a restart port %d, was %d", ports[0].number, tried[1])
	}
	_ = again.kill()
}

func TestServerThatFailsForAnotherReasonIsNotTriedAgain(t *testing.T) {
	starts := 0
	s := server{
		wanted: []int{0}, limit: time.Minute,
		start: func([]int) (*process, error) {
			starts++
			return startShell(t, "echo bad flag; exit 1"), nil
		},
		ready: func(context.Context, []int) error { return errors.New("not yet") },
	}
	if _, _, err := s.run(t.Context()); err == nil || !strings.Contains(err.Error(), "bad flag") || starts != 1 {
		t.Errorf("%d starts, %v", starts, err)
	}
}
