// Package config_test applies the manifests to a real API server, which is the judge of them.
package config_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

const namespace = devcluster.OperatorNamespace

// cluster is what the tests share.
type cluster struct {
	plane   *devcluster.ControlPlane
	client  *kubernetes.Clientset
	kubectl string
}

func TestConfig(t *testing.T) {
	if testing.Short() {
		t.Skip("needs an API server")
	}
	kubectl, err := devcluster.FindTool(t.Context(), t.Output(), devcluster.Kubectl)
	if err != nil {
		t.Fatal(err)
	}
	plane, err := devcluster.StartControlPlane(t.Context(), devcluster.ControlPlaneOptions{
		Dir: t.TempDir(), ControllerManager: true, UnsafeNoFsync: true, Log: t.Output(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := plane.Stop(); err != nil {
			t.Error(err)
		}
	})
	c := &cluster{plane: plane, client: kubernetes.NewForConfigOrDie(plane.RESTConfig()), kubectl: kubectl}
	// In this order: each builds on what the ones before have applied.
	t.Run("DefaultApplies", c.testDefaultApplies)
	t.Run("ServesTheAuthenticated", c.testServesTheAuthenticated)
	t.Run("OperatorRights", c.testOperatorRights)
	t.Run("OperatorHasItsShare", c.testOperatorHasItsShare)
	t.Run("UserRights", c.testUserRights)
	t.Run("AdminsGiveFilesAway", c.testAdminsGiveFilesAway)
	t.Run("SamplesApply", c.testSamplesApply)
	t.Run("GitOpsApplies", c.testGitOpsApplies)
	t.Run("GitOpsNamesFit", c.testGitOpsNamesFit)
	t.Run("GitOpsKeepsKinds", c.testGitOpsKeepsKinds)
	t.Run("PlainHTTPApplies", c.testPlainHTTPApplies)
	t.Run("PodsAreRestricted", c.testPodsAreRestricted)
	t.Run("OutlivesAPod", c.testOutlivesAPod)
	t.Run("FlagsExist", c.testFlagsExist)
	t.Run("WebhooksFindTheirServer", c.testWebhooksFindTheirServer)
	t.Run("CertManagerFits", c.testCertManagerFits)
	t.Run("ServicesFindTheirPods", c.testServicesFindTheirPods)
	t.Run("ChartLint", c.testChartLint)
	t.Run("ChartIsKustomize", c.testChartIsKustomize)
	t.Run("ValuesCount", c.testValuesCount)
	t.Run("EverythingIsAccepted", c.testEverythingIsAccepted)
	t.Run("HelmLife", c.testHelmLife)
}

func (c *cluster) testDefaultApplies(t *testing.T) {
	c.apply(t, "default")
}

func (c *cluster) testSamplesApply(t *testing.T) {
	if err := c.plane.PrepareWebhooks(t.Context()); err != nil { // takes the webhooks away, which no pod serves here
		t.Fatal(err)
	}
	c.apply(t, "samples")
}

func (c *cluster) testPlainHTTPApplies(t *testing.T) {
	c.apply(t, "overlays/plain-http")
}

// testServesTheAuthenticated holds the promise that neither Deployment serves anybody without
// authentication, and that only one of them serves without TLS.
func (c *cluster) testServesTheAuthenticated(t *testing.T) {
	for dir, plain := range map[string]bool{"default": false, "overlays/plain-http": true} {
		flags := args(t, dir, c)
		for _, flag := range flags {
			if strings.Contains(flag, "-auth") {
				t.Errorf("%s: the Deployment has the flag %s", dir, flag)
			}
		}
		if slices.Contains(flags, "--plain-http") != plain || slices.Contains(flags, "--tls-cert-dir=/etc/iotfile/tls") == plain {
			t.Errorf("%s: %q", dir, flags)
		}
	}
}

func (c *cluster) testOperatorRights(t *testing.T) {
	operator := "system:serviceaccount:" + namespace + ":iotfile-operator"
	for _, right := range []struct {
		verb, group, resource, namespace string
		allowed                          bool
	}{
		{"watch", "", "secrets", namespace, true},
		{"get", "", "secrets", namespace, false}, // it has all it needs from the watch
		{"watch", "", "secrets", "default", false},
		{"list", "", "secrets", "", false},
		{"update", "", "secrets", namespace, false},
		{"create", "", "secrets", namespace, false},
		{"patch", "admissionregistration.k8s.io", "mutatingwebhookconfigurations", "", false}, // only its own: see testWebhooksFindTheirServer
		{"get", "", "namespaces", "", true},
		{"update", "coordination.k8s.io", "leases", namespace, true},
		{"update", "coordination.k8s.io", "leases", "default", false},
		{"create", "", "events", namespace, true}, // the election's, about its lease
		{"create", "", "events", "default", false},
		{"create", "events.k8s.io", "events", "default", true},
		{"create", "iotfile.dev", "multipartuploads", "default", true},
		{"patch", "iotfile.dev", "multipartuploads/status", "default", true},
		{"patch", "iotfile.dev", "filestores/status", "", true},
		{"override", "iotfile.dev", "multipartuploads/guard", "", true}, // by which the policies know it
		{"update", "iotfile.dev", "filestores", "", false},
		{"delete", "iotfile.dev", "filestores", "", false},
		{"get", "", "pods", namespace, false},
		{"create", "authentication.k8s.io", "tokenreviews", "", true},
		{"create", "authorization.k8s.io", "subjectaccessreviews", "", true},
		{"impersonate", "", "users", "", false},
		{"create", "", "serviceaccounts/token", namespace, false},
	} {
		c.expectRight(t, right.allowed, operator, right.verb, right.group, right.resource, right.namespace)
	}
}

// testUserRights gives three people the cluster's own roles in a namespace, which ours aggregate
// to.
func (c *cluster) testUserRights(t *testing.T) {
	for _, role := range []string{"view", "edit", "admin"} {
		_, err := c.client.RbacV1().RoleBindings("default").Create(t.Context(), &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: role},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: role}},
		}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, right := range []struct {
		user, verb, resource string
		allowed              bool
	}{
		{"admin", "create", "multipartuploads", true},
		{"edit", "create", "multipartuploads", true},
		{"edit", "patch", "multipartuploads", true},
		{"view", "list", "multipartuploads", true},
		{"view", "create", "multipartuploads", false},
		{"edit", "patch", "multipartuploads/status", false},
		{"admin", "override", "multipartuploads/guard", false},
		{"edit", "create", "filestores", false},
		{"admin", "delete", "multipartuploads", true},
		{"admin", "create", "filestores", false},
		{"admin", "create", "files", true},
		{"edit", "create", "files", false},
		{"view", "get", "files", false},
	} {
		c.expectRight(t, right.allowed, right.user, right.verb, "iotfile.dev", right.resource, "default")
	}
}

// testAdminsGiveFilesAway makes sure that it takes no platform team to let a workload in: the admin
// of a namespace can, with one RoleBinding.
func (c *cluster) testAdminsGiveFilesAway(t *testing.T) {
	for user, allowed := range map[string]bool{"admin": true, "edit": false} {
		config := c.plane.RESTConfig()
		config.Impersonate.UserName = user
		_, err := kubernetes.NewForConfigOrDie(config).RbacV1().RoleBindings("default").Create(t.Context(), &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: "files-by-" + user},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "iotfile-editor"},
			Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: "default", Name: "app"}},
		}, metav1.CreateOptions{})
		if (err == nil) != allowed {
			t.Errorf("%s: %v", user, err)
		}
	}
	const app = "system:serviceaccount:default:app"
	c.expectRight(t, true, app, "update", "iotfile.dev", "files", "default")
	c.expectRight(t, false, app, "get", "iotfile.dev", "files", namespace)
}

// testPodsAreRestricted creates the pod of each Deployment in its namespace, which enforces the Pod
// Security Standard "restricted".
func (c *cluster) testPodsAreRestricted(t *testing.T) {
	for dir := range sameAs {
		for _, deployment := range c.deployments(t, dir) {
			template := deployment.Spec.Template
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-", Labels: template.Labels}, Spec: template.Spec}
			dryRun := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}
			if _, err := c.client.CoreV1().Pods(namespace).Create(t.Context(), pod, dryRun); err != nil {
				t.Errorf("%s: %v", dir, err)
			}
			// And to see that it is enforced: the same pod with a privilege.
			pod.Spec.Containers[0].SecurityContext.AllowPrivilegeEscalation = new(true)
			if _, err := c.client.CoreV1().Pods(namespace).Create(t.Context(), pod, dryRun); !apierrors.IsForbidden(err) {
				t.Errorf("%s: a pod that may escalate its privileges is answered with %v", dir, err)
			}
		}
	}
}

// testFlagsExist has the operator parse the flags of each Deployment: with -h last it prints its
// usage, unless it stumbles over one before.
func (c *cluster) testFlagsExist(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "operator")
	if err := devcluster.BuildOperator(t.Context(), t.Output(), binary); err != nil {
		t.Fatal(err)
	}
	for dir := range sameAs {
		for _, deployment := range c.deployments(t, dir) {
			out, err := exec.CommandContext(t.Context(), binary, append(deployment.Spec.Template.Spec.Containers[0].Args, "-h")...).CombinedOutput()
			if err != nil {
				t.Errorf("%s: %v: %s", dir, err, bytes.SplitN(out, []byte("\n"), 2)[0])
			}
		}
	}
}

func (c *cluster) testServicesFindTheirPods(t *testing.T) {
	for dir, found := range map[string]map[string]int{
		"default":               {"iotfile": 1, "iotfile-operator-metrics": 1, "iotfile-operator-webhook": 1},
		"overlays/split-roles":  {"iotfile": 1, "iotfile-operator-metrics": 2, "iotfile-operator-webhook": 1},
		"overlays/cert-manager": {"iotfile": 1, "iotfile-operator-metrics": 1, "iotfile-operator-webhook": 1},
	} {
		services := 0
		for _, object := range c.render(t, dir) {
			if object.GetKind() != "Service" {
				continue
			}
			services++
			service := &corev1.Service{}
			convert(t, object, service)
			if got := c.selected(t, dir, service); got != found[service.Name] {
				t.Errorf("%s: the Service %s selects the pods of %d Deployments, want %d", dir, service.Name, got, found[service.Name])
			}
		}
		if services != len(found) {
			t.Errorf("%s: %d services, want one for data, one for metrics, and one for admission", dir, services)
		}
	}
	rendered := c.render(t, "overlays/monitoring")
	selected, _, err := unstructured.NestedStringMap(find(t, rendered, "ServiceMonitor", "iotfile-operator").Object, "spec", "selector", "matchLabels")
	if err != nil || !labels.SelectorFromSet(selected).Matches(labels.Set(find(t, rendered, "Service", "iotfile-operator-metrics").GetLabels())) {
		t.Errorf("the ServiceMonitor selects %v (%v), and not the metrics Service", selected, err)
	}
}

// selected counts the Deployments whose pods a Service selects; all of them have the ports that it
// points at.
func (c *cluster) selected(t *testing.T, dir string, service *corev1.Service) int {
	t.Helper()
	count := 0
	for _, deployment := range c.deployments(t, dir) {
		pod := deployment.Spec.Template
		if !labels.SelectorFromSet(service.Spec.Selector).Matches(labels.Set(pod.Labels)) {
			continue
		}
		count++
		for _, port := range service.Spec.Ports {
			if !slices.ContainsFunc(pod.Spec.Containers[0].Ports, func(p corev1.ContainerPort) bool { return p.Name == port.TargetPort.String() }) {
				t.Errorf("%s: the Service %s points at the port %s, which the pod of %s does not have", dir, service.Name, port.TargetPort.String(), deployment.Name)
			}
		}
	}
	return count
}

// apply applies a kustomization for real.
func (c *cluster) apply(t *testing.T, dir string) {
	t.Helper()
	out := c.run(t, nil, "apply", "--server-side", "--field-manager=test", "-k", dir)
	t.Logf("%s", out)
}

// render builds a kustomization.
func (c *cluster) render(t *testing.T, dir string) []*unstructured.Unstructured {
	t.Helper()
	return decode(t, c.run(t, nil, "kustomize", dir))
}

func (c *cluster) run(t *testing.T, stdin io.Reader, arguments ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.kubectl, arguments...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+c.plane.Kubeconfig)
	cmd.Stdin = stdin
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(arguments, " "), err, &stderr)
	}
	return out
}

// deployment is the one that serves the REST API.
func (c *cluster) deployment(t *testing.T, dir string) *appsv1.Deployment {
	t.Helper()
	all := c.deployments(t, dir)
	return all[len(all)-1]
}

func (c *cluster) deployments(t *testing.T, dir string) []*appsv1.Deployment {
	t.Helper()
	var all []*appsv1.Deployment
	for _, object := range c.render(t, dir) {
		if object.GetKind() == "Deployment" {
			deployment := &appsv1.Deployment{}
			convert(t, object, deployment)
			all = append(all, deployment)
		}
	}
	if len(all) == 0 {
		t.Fatalf("%s has no Deployment", dir)
	}
	return all
}

func args(t *testing.T, dir string, c *cluster) []string {
	t.Helper()
	return c.deployment(t, dir).Spec.Template.Spec.Containers[0].Args
}

func convert(t *testing.T, from *unstructured.Unstructured, to any) {
	t.Helper()
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(from.Object, to); err != nil {
		t.Fatal(fmt.Errorf("%s %s: %w", from.GetKind(), from.GetName(), err))
	}
}

// expectRight waits until a user has a right, or has it not. Roles are aggregated by a controller,
// and the API server's authorizer learns of bindings by a watch: both may need a moment.
func (c *cluster) expectRight(t *testing.T, allowed bool, user, verb, group, resource, namespace string) {
	t.Helper()
	testkit.Eventually(t, func() error {
		if c.may(t, user, verb, group, resource, namespace) != allowed {
			return fmt.Errorf("may %s %s %s.%s in %q: %v", user, verb, resource, group, namespace, !allowed)
		}
		return nil
	})
}

func (c *cluster) may(t *testing.T, user, verb, group, resource, namespace string) bool {
	t.Helper()
	resource, subresource, _ := strings.Cut(resource, "/")
	review, err := c.client.AuthorizationV1().SubjectAccessReviews().Create(t.Context(), &authorizationv1.SubjectAccessReview{
		Spec: authorizationv1.SubjectAccessReviewSpec{
			User: user,
			ResourceAttributes: &authorizationv1.ResourceAttributes{
				Verb: verb, Group: group, Resource: resource, Subresource: subresource, Namespace: namespace,
			},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return review.Status.Allowed
}
