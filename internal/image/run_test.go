package image

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// timeout is how long the operator may take to be ready, and to end.
const timeout = 2 * time.Minute

// kubelet is what a kubelet adds to the image's file system.
var kubelet = map[string]string{"etc/resolv.conf": "", "etc/hosts": "127.0.0.1 localhost"}

// finalStage are the instructions that say how the image's process is started.
func finalStage(t *testing.T) (entrypoint []string, user uint32) {
	t.Helper()
	all := dockerfile(t, moduleRoot(t))
	last := all[len(all)-1].stage
	from, users, entrypoints := find(all, last, "FROM"), find(all, last, "USER"), find(all, last, "ENTRYPOINT")
	if len(from) != 1 || len(users) != 1 || len(entrypoints) != 1 || from[0][0] != "scratch" {
		t.Fatalf("the final stage has FROM %q, USER %q, ENTRYPOINT %q", from, users, entrypoints)
	}
	if err := json.Unmarshal([]byte(strings.Join(entrypoints[0], " ")), &entrypoint); err != nil {
		t.Fatal(err)
	}
	id, group, _ := strings.Cut(users[0][0], ":")
	number, err := strconv.ParseUint(id, 10, 32)
	if err != nil || number == 0 || group != id {
		t.Fatalf("the image's user is %q: Kubernetes must be able to see that it is not root", users[0][0])
	}
	copied := find(all, last, "COPY")
	if len(copied) != 1 || copied[0][len(copied[0])-1] != "/" {
		t.Fatalf("the final stage copies %q, and starts %q", copied, entrypoint)
	}
	return entrypoint, uint32(number)
}

// container is the container of the Deployment, as config/ has it.
func container(t *testing.T) (corev1.Container, corev1.PodSecurityContext) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(moduleRoot(t), "config", "manager", "deployment.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	deployment := &appsv1.Deployment{}
	if err := yaml.UnmarshalStrict(data, deployment); err != nil {
		t.Fatal(err)
	}
	pod := deployment.Spec.Template.Spec
	return pod.Containers[0], *pod.SecurityContext
}

// root adds to the file system of the image what the kubelet would mount into it. Its directories
// are those of a read-only root, as the Deployment has it: nobody but root may write in any of
// them.
func root(t *testing.T, image string, mounted map[string][]byte) {
	t.Helper()
	for name, content := range kubelet {
		mounted[name] = []byte(content)
	}
	for name, content := range mounted {
		path := filepath.Join(image, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Dir(image), 0o755); err != nil { // the test's own directory, on the way
		t.Fatal(err)
	}
}

// checkContents looks at what the image has: the program, what it reads, the licences, and nothing
// that could be run besides.
func checkContents(t *testing.T, image, entrypoint string) {
	t.Helper()
	for _, name := range []string{entrypoint, "etc/passwd", "etc/group", "etc/ssl/certs/ca-certificates.crt", "licenses/iotfile-operator/LICENSE", "licenses/go/LICENSE"} {
		if info, err := os.Stat(filepath.Join(image, name)); err != nil || info.Size() == 0 {
			t.Errorf("the image has no %s: %v", name, err)
		}
	}
	err := filepath.WalkDir(image, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil && info.Mode()&0o111 != 0 && path != filepath.Join(image, entrypoint) {
			t.Errorf("%s can be run", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestFinalStageRuns starts what the image starts: its entrypoint with the Deployment's flags, as
// its user, in a root that has only what the image has, and finds the API server as a pod does. It
// asks for health, readiness, the REST API and the metrics, and ends it as a kubelet does.
func TestFinalStageRuns(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the operator and needs an API server")
	}
	if os.Getuid() != 0 {
		t.Skip("only root may change the root directory and the user: run it as root")
	}
	entrypoint, user := finalStage(t)
	spec, security := container(t)
	if *security.RunAsUser != int64(user) || *security.RunAsGroup != int64(user) {
		t.Errorf("the Deployment's user is %d, the image's %d", *security.RunAsUser, user)
	}
	plane := startPlane(t)
	token, err := plane.ServiceAccountToken(t.Context(), devcluster.OperatorNamespace, "iotfile-operator", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	certificate, key := servingPair(t, plane)
	const account = "var/run/secrets/kubernetes.io/serviceaccount/"
	chroot := build(t, operatorProgram)
	checkContents(t, chroot, entrypoint[0])
	root(t, chroot, map[string][]byte{
		account + "token": []byte(token), account + "ca.crt": plane.RESTConfig().CAData, account + "namespace": []byte(devcluster.OperatorNamespace),
		"etc/iotfile/tls/tls.crt": certificate, "etc/iotfile/tls/tls.key": key,
	})
	server, err := url.Parse(plane.URL)
	if err != nil {
		t.Fatal(err)
	}
	addresses := map[string]string{}
	flags := append(slices.Clone(entrypoint[1:]), spec.Args...)
	for i, flag := range flags {
		name, _, _ := strings.Cut(flag, "=")
		if strings.HasSuffix(name, "-bind-address") { // on this machine, the ports of the pod may be somebody's
			address, release, err := devcluster.ReserveAddress()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(release)
			addresses[name] = address
			flags[i] = name + "=" + addresses[name]
		}
	}
	flags = append(flags, "--drain-delay=100ms", "--webhook-names=127.0.0.1")
	var log strings.Builder
	cmd := exec.Command(entrypoint[0], flags...)
	cmd.Dir = "/"
	cmd.Env = []string{"POD_NAMESPACE=" + devcluster.OperatorNamespace, "KUBERNETES_SERVICE_HOST=" + server.Hostname(), "KUBERNETES_SERVICE_PORT=" + server.Port()}
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: chroot, Credential: &syscall.Credential{Uid: user, Gid: user}, Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(plane.RESTConfig().CAData)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	for address, want := range map[string]int{
		"http://" + addresses["--health-probe-bind-address"] + "/healthz":                                        200,
		"http://" + addresses["--health-probe-bind-address"] + "/readyz":                                         200,
		"https://" + addresses["--data-plane-bind-address"] + "/openapi.yaml":                                    200,
		"https://" + addresses["--data-plane-bind-address"] + "/api/iotfile/v3/files/" + strings.Repeat("0", 32): 401,
		"https://" + addresses["--metrics-bind-address"] + "/metrics":                                            401,
	} {
		if err := waitFor(t.Context(), client, address, want, ended); err != nil {
			t.Fatalf("%v\n%s", err, &log)
		}
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{fmt.Sprintf("Uid:\t%[1]d\t%[1]d\t%[1]d\t%[1]d", user), "CapEff:\t0000000000000000"} {
		if !strings.Contains(string(status), want) {
			t.Errorf("the process has not %q:\n%s", want, status)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("after SIGTERM: %v\n%s", err, &log)
		}
	case <-time.After(timeout):
		t.Errorf("it does not end:\n%s", &log)
	}
}

// startPlane starts an API server with the kinds, the operator's roles and the Secret of its
// webhooks.
func startPlane(t *testing.T) *devcluster.ControlPlane {
	t.Helper()
	plane, err := devcluster.StartControlPlane(t.Context(), devcluster.ControlPlaneOptions{
		Dir: t.TempDir(), CRDDirs: []string{filepath.Join(moduleRoot(t), "config", "crd", "bases")}, UnsafeNoFsync: true, Log: t.Output(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = plane.Stop() })
	if _, err := plane.OperatorKubeconfig(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := plane.PrepareWebhooks(t.Context()); err != nil {
		t.Fatal(err)
	}
	return plane
}

// servingPair is a certificate for 127.0.0.1 of the plane's authority: the API server's own.
func servingPair(t *testing.T, plane *devcluster.ControlPlane) (certificate, key []byte) {
	t.Helper()
	pki := filepath.Join(filepath.Dir(plane.Kubeconfig), "pki")
	certificate, err := os.ReadFile(filepath.Join(pki, "apiserver.crt"))
	if err != nil {
		t.Fatal(err)
	}
	if key, err = os.ReadFile(filepath.Join(pki, "apiserver.key")); err != nil {
		t.Fatal(err)
	}
	return certificate, key
}

// waitFor polls until an address answers with a status.
func waitFor(ctx context.Context, client *http.Client, address string, want int, ended <-chan error) error {
	deadline := time.Now().Add(timeout)
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return err
		}
		got := 0
		res, err := client.Do(req)
		if err == nil {
			got = res.StatusCode
			_ = res.Body.Close()
		}
		if got == want {
			return nil
		}
		select {
		case err := <-ended:
			return fmt.Errorf("the operator has ended: %w", err)
		default:
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: %d, %w", address, got, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
