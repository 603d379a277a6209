package e2e

import (
	"bytes"
	"encoding/pem"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// TestExamples runs the programs that the documentation shows to application developers, as they
// are.
func TestExamples(t *testing.T) {
	programs := examplePrograms(t)
	onEachStore(t, func(t *testing.T, tn *tenant) {
		for _, p := range programs {
			t.Run(p.name, func(t *testing.T) {
				t.Run("obstacles", func(t *testing.T) { exampleObstacles(t, tn, p) })
				t.Run("killed among parts", func(t *testing.T) { exampleKilledAmongParts(t, tn, p) })
				t.Run("killed at the end", func(t *testing.T) { exampleKilledAtTheEnd(t, tn, p) })
				t.Run("versions", func(t *testing.T) { exampleVersions(t, tn, p) })
				t.Run("abort", func(t *testing.T) { exampleAbort(t, tn, p) })
			})
		}
	})
	t.Run("TLS", func(t *testing.T) { examplesOnTLS(t, programs) })
}

// exampleProgram is one of docs/examples.
type exampleProgram struct {
	name    string
	command []string
	// encoded says that it takes a path as it stands in a URL.
	encoded bool
}

func examplePrograms(t *testing.T) []exampleProgram {
	t.Helper()
	for _, name := range []string{"curl", "python3", "go"} {
		if _, err := exec.LookPath(name); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("%s is not installed, and CI runs every test", name)
			}
			t.Skipf("%s is not installed: the examples need curl, Python 3.9 or later, and Go", name)
		}
	}
	root, err := devcluster.ModuleRoot()
	check(t, err)
	dir := filepath.Join(root, "docs", "examples")
	binary := filepath.Join(t.TempDir(), "upload")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", binary, "./docs/examples/upload")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return []exampleProgram{
		{name: "sh", command: []string{filepath.Join(dir, "upload.sh")}, encoded: true},
		{name: "go", command: []string{binary}},
		{name: "python", command: []string{"python3", filepath.Join(dir, "upload.py")}},
	}
}

// exampleRun is one file that a program sends through a gate, with a token in a file.
type exampleRun struct {
	*file
	*gate
	program exampleProgram
	content []byte
	// name is the file's as the program takes it, local is where its bytes are, tokenFile where the
	// token is.
	name, local, tokenFile string
	env                    []string
}

// newExample makes a file of size bytes. Parts have 5 MiB, and two are sent at once.
func newExample(t *testing.T, tn *tenant, p exampleProgram, size int) *exampleRun {
	t.Helper()
	e := &exampleRun{file: tn.newFile("logs/engine%20%C3%BC.bin"), gate: newGate(t), program: p, content: random(size)}
	e.name = e.entity + "/logs/engine ü.bin"
	if p.encoded {
		e.name = e.entity + "/" + e.path
	}
	e.local, e.tokenFile = onDisk(t, e.content), filepath.Join(t.TempDir(), "token")
	e.giveToken(t, e.token)
	e.env = e.environment(e.address)
	return e
}

func (e *exampleRun) environment(url string) []string {
	if e.namespace != "default" {
		url += "/namespaces/" + e.namespace
	}
	return []string{"PATH=" + os.Getenv("PATH"), "IOTFILE_URL=" + url, "IOTFILE_TOKEN_FILE=" + e.tokenFile, "PART_MIB=5", "PARALLEL=2"}
}

// giveToken replaces the token as kubelet does: by renaming.
func (e *exampleRun) giveToken(t *testing.T, token string) {
	t.Helper()
	check(t, os.WriteFile(e.tokenFile+".new", []byte(token), 0o600))
	check(t, os.Rename(e.tokenFile+".new", e.tokenFile))
}

// begin starts the program, in a process group of its own. out is complete when end has returned.
func (e *exampleRun) begin(t *testing.T, arguments ...string) (out *bytes.Buffer, kill func(), end func() error) {
	t.Helper()
	line := append(slices.Clone(e.program.command), arguments...)
	cmd := exec.CommandContext(t.Context(), line[0], line[1:]...)
	out = &bytes.Buffer{}
	cmd.Env, cmd.Stdout, cmd.Stderr = e.env, out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	kill = func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.Cancel = func() error { kill(); return nil }
	check(t, cmd.Start())
	return out, kill, cmd.Wait
}

// run runs the program to its end, which is a success or not.
func (e *exampleRun) run(t *testing.T, success bool, arguments ...string) string {
	t.Helper()
	out, _, end := e.begin(t, arguments...)
	if err := end(); (err == nil) != success {
		t.Fatalf("%s %s: %v\n%s\nsaid: %s", e.program.name, strings.Join(arguments, " "), err, out, strings.Join(e.take(), "\n      "))
	}
	return out.String()
}

// stored makes sure that the file has these bytes and this version, for a client of the REST API
// and behind it.
func (e *exampleRun) stored(t *testing.T, content []byte, etag string) {
	t.Helper()
	a := e.must(t, 200, "GET", "", nil)
	if !bytes.Equal(a.body, content) || a.header.Get("ETag") != etag {
		t.Errorf("%d bytes with the ETag %s come back, not the %d that were sent, with %s", len(a.body), a.header.Get("ETag"), len(content), etag)
	}
	object, _, _, err := e.s3.GetObject(t.Context(), bucket, e.namespace+"/"+e.entity+"/logs/engine ü.bin", minio.GetObjectOptions{})
	check(t, err)
	defer func() { _ = object.Close() }()
	if behind, err := io.ReadAll(object); err != nil || !bytes.Equal(behind, content) {
		t.Errorf("object storage has %d other bytes (%v)", len(behind), err)
	}
}

// howMany says how many of the answers are these.
func howMany(said []string, prefix string) int {
	n := 0
	for _, s := range said {
		if strings.HasPrefix(s, prefix) {
			n++
		}
	}
	return n
}

// exampleObstacles has everything happen that passes: a token that has ended, one that is replaced
// on the way, an overloaded server, broken connections, an answer that is lost.
func exampleObstacles(t *testing.T, tn *tenant, p exampleProgram) {
	e := newExample(t, tn, p, 5*5*mib+77)
	second, err := system.plane.ServiceAccountToken(t.Context(), tn.namespace, "app", time.Hour, devcluster.Audience)
	check(t, err)
	other, err := system.plane.ServiceAccountToken(t.Context(), tn.namespace, "app", time.Hour, "somebody-else")
	check(t, err)
	remember(second, other)
	e.giveToken(t, other)
	e.once(map[string]gateFault{"part=2": faultRefused, "part=3": faultCut, "part=4": faultUnanswered, "part=5": faultStopped, "upload=complete": faultUnanswered})
	out, _, end := e.begin(t, e.local, e.name)
	e.heard(t, 0, "PUT upload=start 401")
	e.giveToken(t, e.token)
	e.heard(t, 0, "PUT part=1 201")
	e.heard(t, 1) // part 5 comes to a stop
	e.giveToken(t, second)
	e.release()
	if err := end(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !strings.Contains(out.String(), "ETag 0") {
		t.Errorf("it does not tell the ETag: %s", out)
	}
	e.stored(t, e.content, "0")
	said := e.take()
	for _, want := range []string{"PUT part=2 503", "PUT part=2 201", "PUT part=3 0", "PUT part=3 201", "PUT part=5 201"} {
		if !slices.Contains(said, want) {
			t.Errorf("%s is not among %q", want, said)
		}
	}
	for query, want := range map[string]int{"part=4 201": 2, "upload=complete 201": 2, "upload=start 201": 1} {
		if n := howMany(said, "PUT "+query); n != want {
			t.Errorf("%s was said %d times, not %d: %q", query, n, want, said)
		}
	}
	if last := e.tokens[len(e.tokens)-1]; last != second {
		t.Error("the last request has an old token")
	}
}

// exampleKilledAmongParts kills the program while parts are under way. Run again it sends those
// that are missing, and no other.
func exampleKilledAmongParts(t *testing.T, tn *tenant, p exampleProgram) {
	e := newExample(t, tn, p, 6*5*mib+77)
	e.once(map[string]gateFault{"part=3": faultStopped, "part=4": faultStopped})
	_, kill, end := e.begin(t, e.local, e.name)
	e.heard(t, 2, "PUT part=1 201", "PUT part=2 201")
	kill()
	if err := end(); err == nil {
		t.Fatal("it was killed, and tells of success")
	}
	e.release()
	arrived := e.parts(t, "fileslist")
	if len(arrived) != 2 {
		t.Fatalf("two parts were stored, and %+v are there", arrived)
	}
	e.take()
	e.run(t, true, e.local, e.name)
	e.stored(t, e.content, "0")
	for i, said := 1, e.take(); i <= 6; i++ {
		want := 1
		if i <= 2 {
			want = 0
		}
		// Not those without an answer: what the killed one was about is told of late.
		if n := howMany(said, "PUT part="+strconv.Itoa(i)+" 201"); n != want {
			t.Errorf("part %d was sent again %d times, not %d: %q", i, n, want, said)
		}
	}
}

// exampleKilledAtTheEnd kills the program when the file is there, and before it is told. Run again
// it finds that out, and sends nothing.
func exampleKilledAtTheEnd(t *testing.T, tn *tenant, p exampleProgram) {
	e := newExample(t, tn, p, 5*mib+77)
	e.once(map[string]gateFault{"upload=complete": faultSilent})
	_, kill, end := e.begin(t, e.local, e.name)
	e.heard(t, 1, "PUT upload=complete 201")
	kill()
	_ = end()
	e.release()
	e.take()
	if out := e.run(t, true, e.local, e.name); !strings.Contains(out, "ETag 0") {
		t.Errorf("it does not tell that the file is there: %s", out)
	}
	if said := e.take(); howMany(said, "PUT part=")+howMany(said, "PUT upload=complete") > 0 {
		t.Errorf("it sends what is there: %q", said)
	}
	e.stored(t, e.content, "0")
}

// exampleVersions replaces a file, and is refused where it would replace one unasked. All of it
// fits into the last part.
func exampleVersions(t *testing.T, tn *tenant, p exampleProgram) {
	e := newExample(t, tn, p, 1000)
	e.run(t, true, e.local, e.name)
	e.stored(t, e.content, "0")
	content := random(2000)
	check(t, os.WriteFile(e.local, content, 0o600))
	if out := e.run(t, false, e.local, e.name); !strings.Contains(out, "ETag 0") || !strings.Contains(out, "IF_MATCH") {
		t.Errorf("it does not tell what to do: %s", out)
	}
	e.stored(t, e.content, "0")
	e.env = append(e.env, "IF_MATCH=0")
	e.run(t, true, e.local, e.name)
	e.stored(t, content, "1")
}

// exampleAbort gives up what a killed run has left.
func exampleAbort(t *testing.T, tn *tenant, p exampleProgram) {
	e := newExample(t, tn, p, 3*5*mib)
	e.once(map[string]gateFault{"part=2": faultStopped})
	_, kill, end := e.begin(t, e.local, e.name)
	e.heard(t, 1, "PUT part=1 201")
	kill()
	_ = end()
	e.release()
	e.run(t, true, "--abort", e.local, e.name)
	e.mustAt(t, 404, "GET", e.url("fileslist", ""), nil)
	e.must(t, 404, "GET", "", nil)
	e.run(t, true, "--abort", e.local, e.name) // nothing is left to do
}

// examplesOnTLS has each program trust the authority that has signed the operator's certificate,
// and no other.
func examplesOnTLS(t *testing.T, programs []exampleProgram) {
	tn := system.tenants[0]
	tn.waitReady(t)
	certs := newCertificates(t)
	secure := startSecure(t, certs)
	authority := filepath.Join(t.TempDir(), "ca.crt")
	check(t, os.WriteFile(authority, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certs.ca.Raw}), 0o600))
	for _, p := range programs {
		t.Run(p.name, func(t *testing.T) {
			e := newExample(t, tn, p, 2*5*mib+77)
			e.env = append(e.environment(secure.URL), "SSL_CERT_FILE="+authority)
			e.run(t, true, e.local, e.name)
			e.stored(t, e.content, "0")
		})
	}
}
