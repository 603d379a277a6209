package cli

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/cli/report"
	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

const (
	mib      = 1 << 20
	partSize = 8 * mib
	// timeout is how long a state may take to be reached: generous, because machines are shared.
	timeout = 2 * time.Minute
)

// wholeSystem is a control plane, an object store, the operator and the built command line. It is
// started by the first test that needs it, and ended by TestMain.
type wholeSystem struct {
	once sync.Once
	dir  string
	up   *devcluster.System
	err  error
}

// systems has one for each store that the tests run on: those that are built, and run anywhere.
var systems = map[devcluster.StoreKind]*wholeSystem{devcluster.StoreVersityGW: {}, devcluster.StoreMinIO: {}}

func TestMain(m *testing.M) {
	code := m.Run()
	for _, s := range systems {
		if s.up != nil {
			if err := s.up.Stop(); err != nil {
				fmt.Fprintln(os.Stderr, err)
				code = 1
			}
		}
		_ = os.RemoveAll(s.dir)
	}
	os.Exit(code)
}

// start starts it, in a directory that outlives the test which needs it first.
func (s *wholeSystem) start(kind devcluster.StoreKind) {
	if s.dir, s.err = os.MkdirTemp("", "iotfile-cli-"); s.err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Minute) // of which the first run builds the servers for most
	defer cancel()
	s.up, s.err = devcluster.Up(ctx, devcluster.Options{Dir: s.dir, Store: kind, CLI: true, Log: os.Stderr})
}

// shellOf is the command line as its user has it, in a directory of the test.
type shellOf struct {
	*devcluster.System
	dir string
	env []string
}

func newShell(t *testing.T) *shellOf {
	t.Helper()
	return newShellOn(t, devcluster.StoreVersityGW)
}

// onEachStore runs a test of what depends on the store.
func onEachStore(t *testing.T, test func(t *testing.T, c *shellOf)) {
	for _, kind := range slices.Sorted(maps.Keys(systems)) {
		t.Run(string(kind), func(t *testing.T) { test(t, newShellOn(t, kind)) })
	}
}

func newShellOn(t *testing.T, kind devcluster.StoreKind) *shellOf {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a whole system")
	}
	s := systems[kind]
	s.once.Do(func() { s.start(kind) })
	if s.err != nil {
		t.Fatal(s.err)
	}
	c := &shellOf{System: s.up, dir: t.TempDir()}
	c.env = []string{
		"IOTFILE_URL=" + c.URL, "IOTFILE_TOKEN=" + c.Token, "IOTFILE_NAMESPACE=" + devcluster.SampleNamespace, "KUBECONFIG=" + c.ControlPlane.Kubeconfig,
		"HOME=" + c.dir, "PATH=" + os.Getenv("PATH"),
	}
	return c
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// command is the command line with arguments, in the directory of the test.
func (c *shellOf) command(t *testing.T, args ...string) (cmd *exec.Cmd, stdout, stderr *bytes.Buffer) {
	t.Helper()
	stdout, stderr = &bytes.Buffer{}, &bytes.Buffer{}
	cmd = exec.CommandContext(t.Context(), c.CLI, args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = c.dir, c.env, stdout, stderr
	return cmd, stdout, stderr
}

// run runs a command that has to end with a status, and returns what it prints.
func (c *shellOf) run(t *testing.T, status int, args ...string) (stdout, stderr string) {
	t.Helper()
	return c.runWith(t, status, nil, args...)
}

func (c *shellOf) runWith(t *testing.T, status int, stdin []byte, args ...string) (stdout, stderr string) {
	t.Helper()
	cmd, out, told := c.command(t, args...)
	cmd.Stdin = bytes.NewReader(stdin)
	_ = cmd.Run()
	if got := cmd.ProcessState.ExitCode(); got != status {
		t.Fatalf("%q ends with %d, not %d:\n%.2000s\n%s", args, got, status, out, told)
	}
	for _, stream := range []string{out.String(), told.String()} {
		if strings.Contains(stream, c.Token) {
			t.Errorf("%q prints the token", args)
		}
	}
	return out.String(), told.String()
}

// write makes a file in the directory of the test.
func (c *shellOf) write(t *testing.T, name string, content []byte) {
	t.Helper()
	path := filepath.Join(c.dir, name)
	check(t, os.MkdirAll(filepath.Dir(path), 0o700))
	check(t, os.WriteFile(path, content, 0o600))
}

// holds compares a file in the directory of the test.
func (c *shellOf) holds(t *testing.T, name string, content []byte) {
	t.Helper()
	got, err := os.ReadFile(filepath.Join(c.dir, name))
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("%s has %d bytes that are not those %d, %v", name, len(got), len(content), err)
	}
}

// says compares what was printed.
func says(t *testing.T, text string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in:\n%s", want, text)
		}
	}
}

func readEvents(t *testing.T, out string) (events []report.Event) {
	t.Helper()
	for line := range strings.Lines(out) {
		var e report.Event
		check(t, json.Unmarshal([]byte(line), &e))
		events = append(events, e)
	}
	if len(events) == 0 {
		t.Fatal("there is no event")
	}
	return events
}

var eventually = testkit.EventuallyThat

// remote is a file as a plain REST client sees it, beside the command line.
type remote struct {
	*shellOf
	entity, path string
}

// newFile names a file of an entity of its own, so that tests do not meet.
func (c *shellOf) newFile(path string) *remote {
	return &remote{c, hex.EncodeToString(random(16)), path}
}

// ask sends a request and returns its status and body.
func (f *remote) ask(t *testing.T, method, kind, query string, body []byte, header ...string) (int, http.Header, []byte) {
	t.Helper()
	address := f.URL + "/api/iotfile/v3/" + kind + "/" + f.entity + "/" + (&url.URL{Path: f.path}).EscapedPath() + query
	request, err := http.NewRequestWithContext(t.Context(), method, address, bytes.NewReader(body))
	check(t, err)
	request.Header.Set("Authorization", "Bearer "+f.Token)
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	answer, err := http.DefaultClient.Do(request)
	check(t, err)
	defer func() { _ = answer.Body.Close() }()
	data, err := io.ReadAll(answer.Body)
	check(t, err)
	return answer.StatusCode, answer.Header, data
}

// must sends a request that has to be answered with a status.
func (f *remote) must(t *testing.T, status int, method, query string, body []byte, header ...string) http.Header {
	t.Helper()
	got, head, data := f.ask(t, method, "files", query, body, header...)
	if got != status {
		t.Fatalf("%s %s: %d, not %d: %s", method, query, got, status, data)
	}
	return head
}

// parts is how many parts of an upload have arrived, -1 where none is open.
func (f *remote) parts(t *testing.T) int {
	t.Helper()
	status, _, data := f.ask(t, http.MethodGet, "fileslist", "", nil)
	if status == http.StatusNotFound {
		return -1
	}
	var list []any
	check(t, json.Unmarshal(data, &list))
	return len(list)
}

func (f *remote) checkContent(t *testing.T, content []byte) {
	t.Helper()
	if status, _, data := f.ask(t, http.MethodGet, "files", "", nil); status != http.StatusOK || !bytes.Equal(data, content) {
		t.Errorf("the file has %d bytes that are not those %d (%d)", len(data), len(content), status)
	}
}

// random makes n bytes that no two tests share.
func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte(fmt.Appendf(nil, "%032x", rand.Uint64()))).Read(b)
	return b
}
