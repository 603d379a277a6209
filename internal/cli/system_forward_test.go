package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
	"github.com/iotfile-operator/iotfile-operator/internal/tcpfault"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

var errNotYet = errors.New("not yet")

// servingPair makes an authority, and a certificate of it for the Service of a namespace.
func servingPair(t *testing.T, namespace string) (pair *tls.Certificate, authority []byte) {
	t.Helper()
	dir := t.TempDir()
	check(t, devcluster.WriteServingCertificate(dir, "iotfile."+namespace+".svc"))
	made, err := tls.LoadX509KeyPair(filepath.Join(dir, devcluster.ServingCertFile), filepath.Join(dir, devcluster.ServingKeyFile))
	check(t, err)
	authority, err = os.ReadFile(filepath.Join(dir, devcluster.ServingCAFile))
	check(t, err)
	return &made, authority
}

// newForwarded is the command line of somebody who has given no address, and an installation of two
// pods with TLS.
func newForwarded(t *testing.T, namespace string) (*shellOf, *installed) {
	t.Helper()
	c := newShell(t)
	c.env = without(c.env, "IOTFILE_URL")
	in := newInstallation(t, c, namespace, "https")
	pair, authority := servingPair(t, namespace)
	for _, name := range []string{"iotfile-a", "iotfile-b"} {
		in.ways[name] = testkit.FaultyTCP(t, secured(t, pair, c.URL))
		in.pod(t, name, in.ways[name].Addr())
	}
	in.ready(t, "iotfile-a", "iotfile-b")
	in.trust(t, authority)
	return c, in
}

// TestForward moves a file through the API server, to both pods, and loses both half way. Their
// successor has a certificate of another authority.
func TestForward(t *testing.T) {
	c, in := newForwarded(t, devcluster.OperatorNamespace)
	f := c.newFile("big.bin")
	content := random(20 * partSize)
	c.write(t, "big.bin", content)
	out, _ := c.run(t, 0, "whoami")
	says(t, out, "https://iotfile.iotfile-system.svc through a port-forward")
	c.finds(t, 0, map[string][2]string{
		"address": {"ok", "https://iotfile.iotfile-system.svc through a port-forward, with a certificate"}, "REST API": {"ok", "through a port-forward"},
		"body size": {"ok", "gets through"}, "buffering": {"ok", "arrives as it comes"},
	})

	// A connection to one pod is cut within a part. One to the other stops, so that the file is not
	// there before both pods are gone.
	within := int64(2*partSize + partSize/2)
	in.ways["iotfile-a"].Add("cut", tcpfault.Fault{Kind: tcpfault.Cut, Towards: tcpfault.Upstream, Bytes: within})
	in.ways["iotfile-b"].Add("stopped", tcpfault.Fault{Kind: tcpfault.Block, Towards: tcpfault.Upstream, Bytes: within})
	cmd, _, failed := c.command(t, "put", "--json", "--part-size", "8Mi", "--parallel", "2", "big.bin", f.entity+"/big.bin")
	told := &shared{}
	cmd.Stdout = told
	check(t, cmd.Start())
	eventually(t, "a part is sent again", func() error {
		if len(told.lines(`"event":"retry"`)) == 0 {
			return errNotYet
		}
		return nil
	})
	in.gone(t, "iotfile-a")
	pair, authority := servingPair(t, in.namespace)
	in.trust(t, authority)
	in.pod(t, "iotfile-c", secured(t, pair, c.URL))
	in.ready(t, "iotfile-c")
	in.gone(t, "iotfile-b")
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, told.lines(""), failed)
	}
	for _, pod := range []string{"iotfile-a", "iotfile-b", "iotfile-c"} {
		if in.connections(pod) == 0 {
			t.Errorf("%s had no connection", pod)
		}
	}
	c.run(t, 0, "get", f.entity+"/big.bin", "copy.bin")
	c.holds(t, "copy.bin", content)
}

// TestForwardWithLeastRights binds the Role that is shipped to somebody, and nothing else.
func TestForwardWithLeastRights(t *testing.T) {
	c, in := newForwarded(t, devcluster.OperatorNamespace)
	kubeconfig, err := c.ControlPlane.ServiceAccountKubeconfig(t.Context(), "people", "developer")
	check(t, err)
	own := *c
	own.env = append(without(c.env, "KUBECONFIG"), "KUBECONFIG="+kubeconfig)
	_, told := own.run(t, 1, "whoami")
	says(t, told, "you may not read the Service iotfile in the namespace iotfile-system: have the platform bind the Role iotfile-port-forward of that namespace to you, or give")
	in.applyRoles(t, "outside.yaml")
	bind := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "developers"}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "iotfile-port-forward"},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: "people", Name: "developer"}},
	}
	bindings := in.kube.RbacV1().RoleBindings(in.namespace)
	_, err = bindings.Create(t.Context(), bind, metav1.CreateOptions{})
	check(t, err)
	t.Cleanup(func() { _ = bindings.Delete(context.WithoutCancel(t.Context()), bind.Name, metav1.DeleteOptions{}) })
	eventually(t, "the right counts", func() error {
		cmd, _, told := own.command(t, "whoami")
		if err := cmd.Run(); err != nil {
			t.Log(told)
			return err
		}
		return nil
	})
	// All but the last right.
	roles := in.kube.RbacV1().Roles(in.namespace)
	role, err := roles.Get(t.Context(), "iotfile-port-forward", metav1.GetOptions{})
	check(t, err)
	role.Rules = role.Rules[:2]
	_, err = roles.Update(t.Context(), role, metav1.UpdateOptions{})
	check(t, err)
	eventually(t, "the right is gone", func() error {
		cmd, _, told := own.command(t, "whoami")
		if cmd.Run() == nil || !strings.Contains(told.String(), "you may not port-forward in the namespace iotfile-system: have the platform bind the Role iotfile-port-forward") {
			return errNotYet
		}
		return nil
	})
}

// TestForwardElsewhere finds an installation in another namespace, refuses to choose among several,
// and goes without TLS where the Service has none.
func TestForwardElsewhere(t *testing.T) {
	c := newShell(t)
	c.env = without(c.env, "IOTFILE_URL")
	f := c.newFile("x")
	address, err := url.Parse(c.URL)
	check(t, err)
	in := newInstallation(t, c, "files-1", "http")
	_, told := c.run(t, 1, "ls", f.entity)
	says(t, told, "no pod of the Service files-1/iotfile is ready: look at them: kubectl -n files-1 get pods")
	in.pod(t, "iotfile-a", address.Host)
	in.ready(t, "iotfile-a")
	out, _ := c.run(t, 0, "whoami")
	says(t, out, "http://iotfile.files-1.svc through a port-forward")
	c.finds(t, 0, map[string][2]string{"address": {"ok", "without TLS from the kubelet on"}})
	newInstallation(t, c, "files-2", "https")
	_, told = c.run(t, 1, "ls", f.entity)
	says(t, told, "several namespaces have an iotfile-operator: files-1, files-2: name one by --operator-namespace")
	c.run(t, 0, "ls", "--operator-namespace", "files-1", f.entity)
	_, told = c.run(t, 1, "ls", "--operator-namespace", "files-2", f.entity)
	says(t, told, "the namespace files-2 has no ConfigMap iotfile-ca", "--ca-file")
	_, told = c.run(t, 1, "ls", "--operator-namespace", "default", f.entity)
	says(t, told, "the namespace default has no Service iotfile: give the operator's namespace by --operator-namespace")
}

// TestForwardToTheWrong asks pods that cannot be asked.
func TestForwardToTheWrong(t *testing.T) {
	c, in := newForwarded(t, "files-3")
	f := c.newFile("x")
	args := []string{"ls", f.entity, "--operator-namespace", in.namespace}
	in.mu.Lock()
	good := in.pods["iotfile-a"]
	in.pods["iotfile-a"], in.pods["iotfile-b"] = nobody, nobody
	in.mu.Unlock()
	_, told := c.run(t, 1, args...)
	says(t, told, "the pod files-3/iotfile-a: ", "the pod files-3/iotfile-b: ", "connection refused")
	in.mu.Lock()
	in.pods["iotfile-a"] = good
	in.mu.Unlock()
	c.run(t, 0, args...) // whichever is asked first

	_, authority := servingPair(t, in.namespace)
	c.write(t, "other.crt", authority)
	_, told = c.run(t, 1, append(args, "--ca-file", "other.crt")...)
	says(t, told, "unknown authority")
	in.trust(t, []byte("nonsense"))
	_, told = c.run(t, 1, args...)
	says(t, told, "the ConfigMap files-3/iotfile-ca has no certificate in ca.crt")
	in.trust(t, authority)
	_, told = c.run(t, 1, args...)
	says(t, told, "unknown authority")
}

// TestForwardThroughProxies goes to the API server through what passes no WebSocket, and through
// what passes no SPDY either.
func TestForwardThroughProxies(t *testing.T) {
	c, in := newForwarded(t, "files-4")
	f := c.newFile("x")
	config := rest.CopyConfig(c.ControlPlane.RESTConfig())
	config.NextProtos = []string{"http/1.1"}
	transport, err := rest.TransportFor(config)
	check(t, err)
	to, err := url.Parse(config.Host)
	check(t, err)
	for refused, want := range map[string]string{
		"websocket": "", "WebSocket SPDY/3.1": "no connection to a pod is opened, neither by WebSocket nor by SPDY",
	} {
		proxy := &httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }}
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if upgrade := r.Header.Get("Upgrade"); upgrade != "" && strings.Contains(strings.ToLower(refused), strings.ToLower(upgrade)) {
				http.Error(w, "no upgrades here", http.StatusBadRequest)
				return
			}
			proxy.ServeHTTP(w, r)
		}))
		t.Cleanup(server.Close)
		c.write(t, "proxied", []byte(`{"apiVersion":"v1","kind":"Config","current-context":"x","contexts":[{"name":"x","context":{"cluster":"x","user":"x"}}],`+
			`"users":[{"name":"x","user":{}}],"clusters":[{"name":"x","cluster":{"server":"`+server.URL+`"}}]}`))
		own := *c
		own.env = append(without(c.env, "KUBECONFIG"), "KUBECONFIG=proxied")
		if want == "" {
			own.run(t, 0, "ls", f.entity, "--operator-namespace", in.namespace)
			continue
		}
		_, told := own.run(t, 1, "ls", f.entity, "--operator-namespace", in.namespace)
		says(t, told, want, "kubectl port-forward has to work")
	}
}
