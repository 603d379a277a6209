package cli

import (
	"encoding/pem"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// without is the environment without variables.
func without(env []string, names ...string) []string {
	var out []string
	for _, variable := range env {
		keep := true
		for _, name := range names {
			keep = keep && !strings.HasPrefix(variable, name+"=")
		}
		if keep {
			out = append(out, variable)
		}
	}
	return out
}

// TestErrors are command lines that cannot be right, and answers that are no success.
func TestErrors(t *testing.T) {
	c := newShell(t)
	f := c.newFile("x")
	c.write(t, "a", []byte("a"))
	c.write(t, "dir/a", []byte("a"))
	for _, tt := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"putt"}, 2, `there is no command "putt". Do you mean put?`},
		{[]string{"put", "a"}, 2, "Usage: kubectl iotfile put FILE... DESTINATION"},
		{[]string{"put", "--nonsense", "a", "b"}, 2, "unknown flag: --nonsense. See: kubectl iotfile put --help"},
		{[]string{"put", "--part-size", "0", "a", f.entity + "/"}, 2, "bytes above 0"},
		{[]string{"put", "--parallel", "0", "a", f.entity + "/"}, 2, "from 1 to 64"},
		{[]string{"put", "--force", "--if-match", "1", "a", f.entity + "/"}, 2, "not both"},
		{[]string{"put", "a", "x.bin"}, 2, "does not begin with an entity"},
		{[]string{"put", "--entity", "XYZ", "a", "x.bin"}, 2, "is not 32 lower-case hexadecimal digits"},
		{[]string{"put", "missing", f.entity + "/"}, 2, "no such file"},
		{[]string{"put", "dir", f.entity + "/"}, 2, "give -r"},
		{[]string{"put", "a", "dir/a", f.entity + "/"}, 2, "would both become"},
		{[]string{"put", "a", "dir/a", f.entity + "/x"}, 2, "end it with a slash"},
		{[]string{"put", "-", f.entity + "/x/"}, 2, "the standard input has no name"},
		{[]string{"get", f.entity + "/x/"}, 2, "give -r"},
		{[]string{"get", "-r", f.entity + "/x/"}, 1, "there is no file below"},
		{[]string{"get", f.entity + "/x"}, 1, "failed: " + f.entity + "/x: "},
		{[]string{"cat", f.entity + "/x"}, 1, "error: "},
		{[]string{"stat", f.entity + "/x"}, 1, "there is no such file (404)"},
		{[]string{"stat", f.entity}, 2, "names no file"},
		{[]string{"stat", "-o", "nonsense", f.entity + "/x"}, 2, "-o nonsense is not a format"},
		{[]string{"ls", "--limit", "-1", f.entity}, 2, "--limit is not negative"},
		{[]string{"parts", f.entity + "/x"}, 1, "404"},
		{[]string{"rm", "-y", f.entity + "/a/../b"}, 1, "no segment of the path may be"},
		{[]string{"whoami", "nobody"}, 2, "is not 32"},
		{[]string{"uploads", "-w", "-o", "name"}, 2, "takes no -o"},
	} {
		_, told := c.run(t, tt.status, tt.args...)
		says(t, told, tt.want)
	}
	bare := *c
	bare.env = without(c.env, "IOTFILE_URL")
	_, told := bare.run(t, 1, "ls", f.entity)
	says(t, told, "no iotfile-operator is in the cluster "+c.ControlPlane.URL, "by --server URL, or set IOTFILE_URL")
	_, told = bare.run(t, 1, "ls", f.entity, "--server", "ftp://127.0.0.1")
	says(t, told, "must be http:// or https://")
}

// TestCallers uses each way to a token.
func TestCallers(t *testing.T) {
	c := newShell(t)
	f := c.newFile("x")
	out, _ := c.run(t, 0, "whoami", f.entity)
	says(t, out, "from $IOTFILE_TOKEN", "system:serviceaccount:"+devcluster.SampleNamespace+":sample-app", "iotfile.dev", "get yes, list yes, create yes, update yes, delete yes")

	c.env = without(c.env, "IOTFILE_TOKEN")
	out, _ = c.run(t, 0, "whoami", "--as-sa", "sample-app")
	says(t, out, "the service account "+devcluster.SampleNamespace+"/sample-app", "any that no role names", "delete yes")
	out, _ = c.run(t, 0, "whoami", "-o", "jsonpath={.subject} {.rights}", "--as-sa", devcluster.SampleNamespace+"/sample-app", "-n", "kube-system")
	says(t, out, "system:serviceaccount:"+devcluster.SampleNamespace+":sample-app", `"list":false`, `"create":false`, `"update":false`, `"get":false`, `"delete":false`)
	_, told := c.run(t, 1, "ls", "--as-sa", "nobody", f.entity)
	says(t, told, "a token of the service account "+devcluster.SampleNamespace+"/nobody", "not found")
	_, told = c.run(t, 1, "ls", "--as-sa", "sample-app", "--audience", "somebody-else", f.entity)
	says(t, told, "(401)")

	c.write(t, "token", []byte(c.Token+"\n"))
	out, _ = c.run(t, 0, "whoami", "--token-file", "token")
	says(t, out, "from the file token")
	_, told = c.run(t, 1, "whoami", "--token-file", "missing")
	says(t, told, "no such file")
	_, told = c.run(t, 1, "whoami", "--token-file", "token", "--as-sa", "sample-app")
	says(t, told, "not both")

	// The administrator of the kubeconfig has a certificate, and no token.
	_, told = c.run(t, 1, "whoami")
	says(t, told, "your kubeconfig has no token", "--as-sa")
	// One with a token for the API server sends it to nobody who could read it on the way, and this
	// operator does not take it.
	kubeconfig, err := c.ControlPlane.ServiceAccountKubeconfig(t.Context(), devcluster.SampleNamespace, "sample-app")
	check(t, err)
	c.env = append(without(c.env, "KUBECONFIG"), "KUBECONFIG="+kubeconfig)
	_, told = c.run(t, 1, "whoami", "--server", "http://192.0.2.1")
	says(t, told, "your own token is not sent to http://192.0.2.1 without TLS")
	_, told = c.run(t, 1, "whoami")
	says(t, told, "the token is refused (401)")

	// A context can say which server and entity are meant.
	data, err := os.ReadFile(kubeconfig)
	check(t, err)
	extended := strings.Replace(string(data), "  name: devcluster\ncurrent-context", "    extensions: [{name: iotfile.dev, extension: {server: \""+c.URL+"\", entity: "+f.entity+"}}]\n  name: devcluster\ncurrent-context", 1)
	if extended == string(data) {
		t.Fatalf("the kubeconfig is another one than was thought:\n%s", strings.SplitN(extended, "token", 2)[0])
	}
	c.write(t, "extended", []byte(extended))
	c.write(t, "a", []byte("a"))
	c.env = append(without(c.env, "KUBECONFIG", "IOTFILE_URL"), "KUBECONFIG=extended")
	c.run(t, 0, "put", "--token-file", "token", "a", "sub/")
	out, _ = c.run(t, 0, "ls", "-r", "-o", "name", "--token-file", "token", "sub/")
	if out != f.entity+"/sub/a\n" {
		t.Errorf("ls names %q", out)
	}
}

// TestNames shows names as terminals may have them, and gives programs the names as they are.
func TestNames(t *testing.T) {
	c := newShell(t)
	f := c.newFile("")
	name := "exe.\u202etxt"
	c.write(t, name, []byte("a"))
	_, told := c.run(t, 0, "put", name, f.entity+"/")
	says(t, told, `exe.\u202etxt`)
	out, _ := c.run(t, 0, "ls", f.entity)
	says(t, out, `exe.\u202etxt`)
	if strings.Contains(out+told, name) {
		t.Error("a name turns the text beside it")
	}
	out, _ = c.run(t, 0, "ls", "-o", "name", f.entity)
	if out != f.entity+"/"+name+"\n" {
		t.Errorf("a program is given %q", out)
	}
}

// TestCompletion completes commands as kubectl asks a plugin to.
func TestCompletion(t *testing.T) {
	c := newShell(t)
	link := filepath.Join(c.dir, "kubectl_complete-iotfile")
	check(t, os.Symlink(c.CLI, link))
	cmd := exec.CommandContext(t.Context(), link, "up")
	cmd.Env = c.env
	out, err := cmd.Output()
	if err != nil || !strings.HasPrefix(string(out), "uploads\t") {
		t.Errorf("%v: %s", err, out)
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		out, _ := c.run(t, 0, "completion", shell)
		says(t, out, "kubectl-iotfile")
	}
	out2, _ := c.run(t, 0, "version")
	says(t, out2, "kubectl-iotfile ")
}

// TestTLS trusts the authority that it was told of, and no other.
func TestTLS(t *testing.T) {
	c := newShell(t)
	f := c.newFile("x")
	secure := httptest.NewTLSServer(forwarder(t, c.URL))
	t.Cleanup(secure.Close)
	c.env = append(without(c.env, "IOTFILE_URL"), "IOTFILE_URL="+secure.URL)
	c.write(t, "ca.crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}))
	c.write(t, "a", []byte("a"))
	began := time.Now()
	_, told := c.run(t, 1, "put", "a", f.entity+"/x")
	says(t, told, "certificate signed by unknown authority")
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("a certificate that is not trusted is tried again for %s", took)
	}
	c.run(t, 0, "put", "--ca-file", "ca.crt", "a", f.entity+"/x")
	out, _ := c.run(t, 0, "whoami", "--ca-file", "ca.crt", f.entity)
	says(t, out, "get yes")
	_, told = c.run(t, 1, "ls", "--ca-file", "a", f.entity)
	says(t, told, "a holds no certificate")
}

// forwarder passes requests on as they come.
func forwarder(t *testing.T, to string) *httputil.ReverseProxy {
	t.Helper()
	target, err := url.Parse(to)
	check(t, err)
	return &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
}
