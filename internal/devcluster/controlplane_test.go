package devcluster

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func TestControlPlane(t *testing.T) {
	needsTools(t)
	root, err := ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	// A directory whose path is too long for a unix socket must do as well.
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	opts := ControlPlaneOptions{
		Dir: dir, ControllerManager: true, UnsafeNoFsync: true, Log: t.Output(),
		CRDDirs: []string{filepath.Join(root, "config", "crd", "bases")}, AuditUsers: []string{"system:serviceaccount:team-a:app"},
	}
	if _, err := FindTools(t.Context(), opts.Log, Etcd, KubeAPIServer, KubeControllerManager); err != nil {
		t.Fatal(err)
	}
	started := time.Now()
	cluster, err := StartControlPlane(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cluster.Stop() })
	t.Logf("ready in %s", time.Since(started).Round(10*time.Millisecond))

	t.Run("AnonymousSeesHealthOnly", func(t *testing.T) { testAnonymous(t, cluster) })
	t.Run("KubeconfigWorks", func(t *testing.T) {
		config, err := clientcmd.BuildConfigFromFlags("", cluster.Kubeconfig)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := kubernetes.NewForConfigOrDie(config).CoreV1().Namespaces().Get(t.Context(), "default", metav1.GetOptions{}); err != nil {
			t.Error(err)
		}
	})
	t.Run("ServiceAccountsAndRBAC", func(t *testing.T) { testServiceAccounts(t, cluster) })
	t.Run("RequestsAreLogged", func(t *testing.T) { testAudit(t, cluster) })
	t.Run("NamespacesCanBeDeleted", func(t *testing.T) { testNamespaceDeletion(t, cluster) })
	t.Run("CRDsAreServed", func(t *testing.T) { testCRDs(t, cluster) })
	t.Run("SecondStartIsRefused", func(t *testing.T) {
		var running *AlreadyRunningError
		if _, err := StartControlPlane(t.Context(), opts); !errors.As(err, &running) {
			t.Errorf("second start on the same directory: %v", err)
		}
	})
	t.Run("APIServerRestarts", func(t *testing.T) { testAPIServerRestart(t, cluster) })
	t.Run("EtcdRestarts", func(t *testing.T) { testEtcdRestart(t, cluster) })
	t.Run("StateSurvivesARestart", func(t *testing.T) { testControlPlaneRestart(t, cluster, opts) })
}

func testAnonymous(t *testing.T, cluster *ControlPlane) {
	transport, err := rest.TransportFor(rest.AnonymousClientConfig(cluster.RESTConfig()))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{"/readyz": 200, "/healthz": 200, "/version": 401, "/api": 401, "/api/v1/namespaces": 401} {
		response, err := (&http.Client{Transport: transport}).Get(cluster.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("anonymous GET %s: %d, want %d", path, response.StatusCode, want)
		}
	}
}

func testServiceAccounts(t *testing.T, cluster *ControlPlane) {
	ctx := t.Context()
	token, err := cluster.ServiceAccountToken(ctx, "team-a", "app", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	admin := kubernetes.NewForConfigOrDie(cluster.RESTConfig())
	review, err := admin.AuthenticationV1().TokenReviews().Create(ctx,
		&authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if want := "system:serviceaccount:team-a:app"; !review.Status.Authenticated || review.Status.User.Username != want {
		t.Errorf("TokenReview: %+v, want %s authenticated", review.Status, want)
	}
	path, err := cluster.ServiceAccountKubeconfig(ctx, "team-a", "app")
	if err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = kubernetes.NewForConfigOrDie(config).CoreV1().Secrets("team-a").List(ctx, metav1.ListOptions{})
	if !apierrors.IsForbidden(err) {
		t.Errorf("a service account without a role lists secrets: %v, want forbidden", err)
	}
}

// testAudit looks for what testServiceAccounts has just asked for, and for nothing else.
func testAudit(t *testing.T, cluster *ControlPlane) {
	data, err := os.ReadFile(cluster.AuditLog)
	if err != nil {
		t.Fatal(err)
	}
	refused := false
	for line := range strings.Lines(string(data)) {
		var event auditv1.Event
		if err := json.Unmarshal([]byte(line), &event); err != nil {
			t.Fatal(err)
		}
		if event.User.Username != "system:serviceaccount:team-a:app" || event.Level != auditv1.LevelMetadata {
			t.Errorf("level %s, user %s", event.Level, event.User.Username)
		}
		refused = refused || event.Verb == "list" && event.ObjectRef.Resource == "secrets" && event.ObjectRef.Namespace == "team-a" && event.ResponseStatus.Code == http.StatusForbidden
	}
	if !refused {
		t.Errorf("the list of secrets that was refused is not in the log:\n%s", data)
	}
}

func testNamespaceDeletion(t *testing.T, cluster *ControlPlane) {
	ctx := t.Context()
	namespaces := kubernetes.NewForConfigOrDie(cluster.RESTConfig()).CoreV1().Namespaces()
	if _, err := namespaces.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "short-lived"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := namespaces.Delete(ctx, "short-lived", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func(ctx context.Context) bool {
		_, err := namespaces.Get(ctx, "short-lived", metav1.GetOptions{})
		return apierrors.IsNotFound(err)
	})
}

func testCRDs(t *testing.T, cluster *ControlPlane) {
	c, err := newClient(cluster.RESTConfig())
	if err != nil {
		t.Fatal(err)
	}
	store := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": apiVersion, "kind": "FileStore",
		"metadata": map[string]any{"name": "kept"},
		"spec":     map[string]any{"endpoint": "http://127.0.0.1:1", "bucket": "iotfile"},
	}}
	if err := apply(t.Context(), c, store); err != nil {
		t.Error(err)
	}
}

// testAPIServerRestart: another process on the same port has the same objects, and Stop knows of
// it.
func testAPIServerRestart(t *testing.T, cluster *ControlPlane) {
	testOutlives(t, cluster, apiServerPlace, cluster.RestartAPIServer)
}

// testEtcdRestart: another etcd on the same data, found again by the API server.
func testEtcdRestart(t *testing.T, cluster *ControlPlane) {
	testOutlives(t, cluster, etcdPlace, cluster.RestartEtcd)
}

func testOutlives(t *testing.T, cluster *ControlPlane, place int, restart func(context.Context, time.Duration) error) {
	t.Helper()
	objects := kubernetes.NewForConfigOrDie(cluster.RESTConfig()).CoreV1().ConfigMaps("default")
	object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{GenerateName: "outlives-a-server-"}}
	object, err := objects.Create(t.Context(), object, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	before := cluster.processes[place].pid()
	if err := restart(t.Context(), 100*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if after := cluster.processes[place].pid(); after == before || processExists(before) {
		t.Errorf("process %d was to be ended and replaced; it is %d now", before, after)
	}
	eventually(t, func(ctx context.Context) bool {
		_, err := kubernetes.NewForConfigOrDie(cluster.RESTConfig()).CoreV1().ConfigMaps("default").Get(ctx, object.Name, metav1.GetOptions{})
		return err == nil
	})
}

func testControlPlaneRestart(t *testing.T, cluster *ControlPlane, opts ControlPlaneOptions) {
	before, err := os.ReadFile(cluster.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, p := range cluster.processes {
		pids = append(pids, p.pid())
	}
	started := time.Now()
	for range 2 { // idempotent
		if err := cluster.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("stopped in %s", time.Since(started).Round(10*time.Millisecond))
	for _, pid := range pids {
		if processExists(pid) {
			t.Errorf("pid %d outlives Stop", pid)
		}
	}
	started = time.Now()
	again, err := StartControlPlane(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = again.Stop() })
	t.Logf("ready again in %s", time.Since(started).Round(10*time.Millisecond))
	after, err := os.ReadFile(again.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	if again.URL != cluster.URL || string(before) != string(after) {
		t.Errorf("URL %s, was %s; kubeconfig unchanged: %t", again.URL, cluster.URL, string(before) == string(after))
	}
	c, err := newClient(again.RESTConfig())
	if err != nil {
		t.Fatal(err)
	}
	store := &unstructured.Unstructured{Object: map[string]any{"apiVersion": apiVersion, "kind": "FileStore"}}
	if err := c.Get(t.Context(), client.ObjectKey{Name: "kept"}, store); err != nil {
		t.Errorf("the object of before: %v", err)
	}
}

// eventually waits for what other processes do. The limit is generous because a busy machine proves
// nothing.
func eventually(t *testing.T, done func(context.Context) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for !done(ctx) {
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			t.Fatal("did not come to pass in two minutes")
		}
	}
}
