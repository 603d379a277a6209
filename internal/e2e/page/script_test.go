package page

import (
	"bufio"
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

var (
	//go:embed package.json
	manifest []byte
	//go:embed package-lock.json
	lock []byte
)

// link is the address that the command line prints, with the secret that works once.
var link = regexp.MustCompile(`http://127\.0\.0\.1:\d+/enter\?key=[^\s"']+`)

// caller is whose rights the page has: towards the Kubernetes API, and towards the REST API.
type caller struct{ kubeconfig, token string }

// startUI runs `kubectl-iotfile ui` until the test ends, and returns its link. server is where the
// REST API is.
func startUI(t *testing.T, server string, who caller) string {
	t.Helper()
	s := needSystem(t)
	cmd := exec.CommandContext(t.Context(), s.CLI, "ui", "--no-open")
	cmd.Env = []string{
		"IOTFILE_URL=" + server, "IOTFILE_TOKEN=" + who.token, "IOTFILE_NAMESPACE=" + devcluster.SampleNamespace, "KUBECONFIG=" + who.kubeconfig,
		"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH"),
	}
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	stdin, err := cmd.StdinPipe() // open for as long as the test runs: its end would be the end of the keys
	check(t, err)
	reader, writer := io.Pipe()
	cmd.Stdout, cmd.Stderr = writer, writer
	check(t, cmd.Start())
	ended := make(chan error, 1)
	go func() {
		err := cmd.Wait()
		_ = writer.CloseWithError(io.EOF)
		ended <- err
	}()
	found := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(reader)
		for lines.Scan() {
			t.Log("ui:", lines.Text())
			if at := link.FindString(lines.Text()); at != "" && len(found) == 0 {
				found <- at
			}
		}
		close(found)
	}()
	t.Cleanup(func() {
		_ = stdin.Close()
		<-ended
		for range found { // until all that it has printed is logged
		}
	})
	select {
	case at, ok := <-found:
		if !ok {
			t.Fatal("the command has ended without a link")
		}
		return at
	case <-time.After(timeout):
		t.Fatal("the command prints no link")
		return ""
	}
}

// journey is a script in a browser, and what it asks the test for.
type journey struct {
	script string
	env    map[string]string
	// steps are what the script asks for by name. What they return is the answer.
	steps map[string]func(args []string) any
	// server is where the REST API is; that of the system where it is not given.
	server string
	// caller is whose page it is; where it is nil, that of somebody who may do everything.
	caller *caller
	// limit is how long the script may take; ten minutes where it is not given.
	limit time.Duration
}

// run runs the script against a page of its own. What the script says is in the log of the test.
func (j journey) run(t *testing.T, entity string) {
	t.Helper()
	chromium := findChromium(t)
	packages, err := devcluster.InstallPackages(t.Context(), "page-journeys", manifest, lock)
	if errors.Is(err, devcluster.ErrNoNode) {
		fmt.Fprintln(os.Stderr, "NOT TESTED: the page:", err)
		t.Skip(err)
	}
	check(t, err)
	root, err := devcluster.ModuleRoot()
	check(t, err)
	who := cmp.Or(j.caller, &caller{kubeconfig: system.up.ControlPlane.Kubeconfig, token: system.up.Token})
	ctx, cancel := context.WithTimeout(t.Context(), max(j.limit, 10*time.Minute))
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", j.script)
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(e string) bool { return strings.HasSuffix(strings.ToLower(strings.SplitN(e, "=", 2)[0]), "_proxy") }),
		"PACKAGES="+packages, "CHROMIUM="+chromium, "LINK="+startUI(t, cmp.Or(j.server, system.up.URL), *who), "SHOTS="+filepath.Join(root, "bin", "ui-shots"),
		"NAMESPACE="+devcluster.SampleNamespace, "ENTITY="+entity, "HOME="+t.TempDir())
	for name, value := range j.env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	stdin, err := cmd.StdinPipe()
	check(t, err)
	stdout, err := cmd.StdoutPipe()
	check(t, err)
	cmd.Stderr = cmd.Stdout
	check(t, cmd.Start())
	asked := j.follow(t, stdout, stdin)
	if err := cmd.Wait(); err != nil {
		t.Errorf("%s: %v", j.script, err)
	}
	for name := range j.steps {
		if !asked[name] && !t.Failed() {
			t.Errorf("%s never asked for %s", j.script, name)
		}
	}
}

// follow logs what the script says, and does what it asks for.
func (j journey) follow(t *testing.T, stdout io.Reader, stdin io.Writer) (asked map[string]bool) {
	t.Helper()
	asked = map[string]bool{}
	lines := bufio.NewScanner(stdout)
	lines.Buffer(nil, 4*mib)
	for lines.Scan() {
		name, rest, _ := strings.Cut(strings.TrimPrefix(lines.Text(), "@"), " ")
		step := j.steps[name]
		if step == nil || !strings.HasPrefix(lines.Text(), "@") {
			t.Log(lines.Text())
			continue
		}
		t.Log("step:", name, rest)
		var args []string
		check(t, json.Unmarshal([]byte(rest), &args))
		asked[name] = true
		answer, err := json.Marshal(step(args))
		check(t, err)
		_, err = fmt.Fprintf(stdin, "%s\n", answer)
		check(t, err)
	}
	return asked
}
