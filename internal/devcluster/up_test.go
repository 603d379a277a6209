package devcluster

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// TestUp is `make run`: the printed commands work as printed, a second start is refused, and a
// process that dies is told of.
func TestUp(t *testing.T) {
	needsTools(t)
	dir := filepath.Join(t.TempDir(), "it's here") // a path that has to be quoted
	opts := Options{Dir: dir, Log: t.Output(), CLI: true}
	system, err := Up(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = system.Stop() })

	commands := pasteable(system.Welcome(""))
	if len(commands) != 9 {
		t.Fatalf("%d commands, want one to read the variables, one to make the pieces, two of the command line and five more:\n%s", len(commands), system.Welcome(""))
	}
	if text := system.Welcome("http://127.0.0.1:1/enter?key=x"); !strings.HasPrefix(text, "\nOpen http://127.0.0.1:1/enter?key=x and drop a file on it.\n") || len(pasteable(text)) != 9 {
		t.Errorf("the welcome does not begin with the link to the page:\n%s", text)
	}
	for i, want := range []string{"", "sent ", "identical", "201", "201", "201", "identical", "Completed"} {
		output, err := exec.Command("sh", "-c", commands[0]+"\n"+commands[i+1]).CombinedOutput()
		if err != nil || !strings.Contains(string(output), want) {
			t.Errorf("%s\n%s%v; want %q", commands[i+1], output, err, want)
		}
	}
	output, err := exec.Command("sh", "-c", ". "+quote(system.EnvFile)+" && echo $IOTFILE_URL $IOTFILE_NAMESPACE $S3_BUCKET $S3_ENDPOINT && test -r \"$KUBECONFIG\"").Output()
	want := system.URL + " default iotfile " + system.ObjectStore.Endpoint + "\n"
	if err != nil || string(output) != want {
		t.Errorf("variables: %q, %v; want %q", output, err, want)
	}

	if info, err := os.Stat(system.EnvFile); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file of variables, which holds keys, is not its owner's alone: %v, %v", info, err)
	}
	for header, want := range map[string]int{"": 401, "Bearer nonsense": 401, "Bearer " + system.Token: 404} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, system.URL+"/api/iotfile/v3/files/"+SampleEntity+"/absent", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", header)
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("a file that is not there, read with %.10q: %d, want %d", header, answer.StatusCode, want)
		}
	}
	checkNoErrors(t, system.Operator.LogPath)
	// Admission is on: the first upload of a file is admitted, the second is not.
	if err := system.admits(t.Context(), "first"); err != nil {
		t.Error(err)
	}
	if err := system.admits(t.Context(), "second"); err == nil || !strings.Contains(err.Error(), "the upload \"first\" of the same file is open") {
		t.Errorf("a second upload of one file is answered with %v", err)
	}
	// So are the policies: who is cluster-admin of the namespace alone writes no status.
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) { // they are enforced a moment after they are made
		err := system.forges(t.Context(), "first")
		if err != nil && strings.Contains(err.Error(), "only the operator writes this status") {
			break
		}
		if err != nil || time.Now().After(deadline) {
			t.Errorf("a forged status is answered with %v", err)
			break
		}
	}

	var inUse *AlreadyRunningError
	if _, err := Up(t.Context(), opts); !errors.As(err, &inUse) || inUse.URL != system.URL {
		t.Errorf("second start: %v", err)
	}
	if _, err := os.Stat(system.EnvFile); err != nil {
		t.Errorf("the second start has disturbed the first: %v", err)
	}

	quiet, cancel := context.WithCancel(t.Context())
	cancel()
	if err := system.Wait(quiet); err != nil {
		t.Errorf("Wait while all is well: %v", err)
	}
	if err := system.Operator.process.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := system.Wait(t.Context()); err == nil || !strings.Contains(err.Error(), "operator (pid ") {
		t.Errorf("Wait after the operator was killed: %v", err)
	}
	processes := append(system.ControlPlane.processes, system.ObjectStore.process, system.Operator.process)
	for range 2 { // idempotent
		if err := system.Stop(); err != nil {
			t.Error(err)
		}
	}
	for _, p := range processes {
		if processExists(p.pid()) {
			t.Errorf("%s outlives Stop", p.name)
		}
	}
	if _, err := os.Stat(system.EnvFile); !os.IsNotExist(err) {
		t.Errorf("the variables outlive the system: %v", err)
	}
}

// checkNoErrors holds that an operator whose users have done nothing wrong logs no error.
func checkNoErrors(t *testing.T, log string) {
	t.Helper()
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, `"level":"error"`) {
			t.Errorf("the operator logs: %s", line)
		}
	}
}

// admits creates an upload, always of the same file, and says why it could not, or who the API
// server says has created it if that is somebody else.
func (s *System) admits(ctx context.Context, name string) error {
	c, err := newClient(s.ControlPlane.config)
	if err != nil {
		return err
	}
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": apiVersion, "kind": "MultipartUpload", "metadata": map[string]any{"namespace": "default", "name": name},
		"spec": map[string]any{"entityID": SampleEntity, "path": "admission.bin", "createdBy": "mallory"},
	}}
	if err := c.Create(ctx, object); err != nil {
		return err
	}
	spec := object.Object["spec"].(map[string]any)
	if spec["createdBy"] != "devcluster-admin" || spec["storeName"] != defaultStoreName {
		return fmt.Errorf("createdBy and storeName of the upload: %v", spec)
	}
	return nil
}

// forges writes the status of an upload as a user who is cluster-admin of its namespace, and
// returns why it could not.
func (s *System) forges(ctx context.Context, name string) error {
	admin, err := newClient(s.ControlPlane.config)
	if err != nil {
		return err
	}
	role := &unstructured.Unstructured{Object: map[string]any{"kind": "ClusterRole", "metadata": map[string]any{"name": "cluster-admin"}}}
	if err := apply(ctx, admin, bindingTo(role, "default", "default", "gitops")); err != nil {
		return err
	}
	config := rest.CopyConfig(s.ControlPlane.config)
	config.Impersonate.UserName = "system:serviceaccount:default:gitops"
	c, err := newClient(config)
	if err != nil {
		return err
	}
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": apiVersion, "kind": "MultipartUpload", "metadata": map[string]any{"namespace": "default", "name": name},
	}}
	return c.Status().Patch(ctx, object, client.RawPatch(types.MergePatchType, []byte(`{"status":{"expirationTime":"2126-01-02T03:04:05Z"}}`)))
}

// pasteable picks the commands out of the welcome.
func pasteable(text string) []string {
	_, text, _ = strings.Cut(text, "Paste these")
	var commands []string
	for line := range strings.Lines(text) {
		if line, ok := strings.CutPrefix(line, "  "); ok && !strings.HasPrefix(line, "#") {
			commands = append(commands, line)
		}
	}
	return commands
}

func TestShellQuote(t *testing.T) {
	for text, want := range map[string]string{"/a/b-c": "/a/b-c", "a b": "'a b'", "it's": `'it'\''s'`, "": "''", "$x": "'$x'"} {
		if got := shellQuote(text); got != want {
			t.Errorf("shellQuote(%q) = %s, want %s", text, got, want)
		}
	}
}
