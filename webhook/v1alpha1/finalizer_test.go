package v1alpha1_test

import (
	"bufio"
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

const putBack = "the finalizer iotfile.dev/abort-upload was put back"

// tenantAdmin is a client of who may do everything in a namespace, and the warnings that it gets.
func tenantAdmin(t *testing.T, namespace string) (client.Client, *warnings) {
	t.Helper()
	create(t, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "admin"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: "admin-of-" + namespace}},
	})
	config := world.plane.RESTConfig()
	config.Impersonate = rest.ImpersonationConfig{UserName: "admin-of-" + namespace}
	return hearing(t, config)
}

func hearing(t *testing.T, config *rest.Config) (client.Client, *warnings) {
	t.Helper()
	heard := &warnings{}
	config.WarningHandlerWithContext = heard
	c, err := client.New(config, client.Options{Scheme: world.scheme})
	if err != nil {
		t.Fatal(err)
	}
	return c, heard
}

// operator is a client of the operator's own account, under the shipped roles.
func operator(t *testing.T) (client.Client, *warnings) {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", world.kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	return hearing(t, config)
}

// openUpload is the record of an upload as the operator leaves it that has opened it.
func openUpload(t *testing.T, namespace, store string, finalizers ...string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{
		"storeName": store, "entityID": entity, "path": fmt.Sprintf("finalizer/%d.bin", opened.Add(1)), "ttl": "72h",
	}}}
	u.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("MultipartUpload"))
	u.SetNamespace(namespace)
	u.SetGenerateName("upload-")
	u.SetFinalizers(append([]string{v1alpha1.FinalizerAbortUpload}, finalizers...))
	if err := world.admin.Create(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	if err := world.admin.Status().Patch(t.Context(), u, client.RawPatch(types.MergePatchType, []byte(`{"status":{"uploadID":"id"}}`))); err != nil {
		t.Fatal(err)
	}
	return u
}

var takeOff = client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))

// testFinalizerIsPutBack replaces and patches records without their finalizer, with every right,
// while the upload is open.
func testFinalizerIsPutBack(t *testing.T) {
	namespace, fs := tenant(t, nil), store(t, nil)
	tenants, heardByTenant := tenantAdmin(t, namespace)
	admins, heardByAdmin := listening(t)
	for name, user := range map[string]struct {
		client.Client
		heard *warnings
	}{"the tenant's admin": {tenants, heardByTenant}, "a cluster-admin": {admins, heardByAdmin}} {
		for what, change := range map[string]func(*unstructured.Unstructured) error{
			"a replacement": func(u *unstructured.Unstructured) error {
				u.SetFinalizers(nil)
				u.SetManagedFields(nil)
				unstructured.RemoveNestedField(u.Object, "status")
				for _, filledIn := range []string{"createdBy", "requestTime"} {
					unstructured.RemoveNestedField(u.Object, "spec", filledIn)
				}
				return user.Update(t.Context(), u)
			},
			"another finalizer in its place": func(u *unstructured.Unstructured) error {
				u.SetFinalizers([]string{"example.com/keep"})
				return user.Update(t.Context(), u)
			},
			"a patch": func(u *unstructured.Unstructured) error { return user.Patch(t.Context(), u, takeOff) },
			"a JSON patch": func(u *unstructured.Unstructured) error {
				return user.Patch(t.Context(), u, client.RawPatch(types.JSONPatchType, []byte(`[{"op":"remove","path":"/metadata/finalizers"}]`)))
			},
		} {
			u := openUpload(t, namespace, fs.Name)
			before := u.DeepCopy()
			if err := change(u); err != nil {
				t.Errorf("%s by %s: %v", what, name, err)
				continue
			}
			if !slices.Contains(u.GetFinalizers(), v1alpha1.FinalizerAbortUpload) || strings.Contains(what, "another") && len(u.GetFinalizers()) != 2 {
				t.Errorf("%s by %s has left the finalizers %q", what, name, u.GetFinalizers())
			}
			if got, want := fmt.Sprint(u.Object["spec"], u.Object["status"]), fmt.Sprint(before.Object["spec"], before.Object["status"]); got != want {
				t.Errorf("%s by %s has made %s of %s", what, name, got, want)
			}
			if text := user.heard.take(); !strings.Contains(text, putBack) {
				t.Errorf("%s by %s: the warnings are %q", what, name, text)
			}
		}
	}
}

// testFinalizerIsLetGo has those take it off who may: when the upload has ended everybody, before
// that the operator and cluster-admins, of a record that is being deleted.
func testFinalizerIsLetGo(t *testing.T) {
	namespace, fs := tenant(t, nil), store(t, nil)
	tenants, heardByTenant := tenantAdmin(t, namespace)
	admins, heardByAdmin := listening(t)
	operators, heardByOperator := operator(t)
	ended := openUpload(t, namespace, fs.Name)
	end := client.RawPatch(types.MergePatchType, []byte(`{"status":{"completionTime":"2026-01-02T03:04:05Z"}}`))
	if err := operators.Status().Patch(t.Context(), ended, end); err != nil {
		t.Fatal(err)
	}
	if err := tenants.Patch(t.Context(), ended, takeOff); err != nil || len(ended.GetFinalizers()) > 0 {
		t.Errorf("when the upload has ended, a tenant leaves the finalizers %q, %v", ended.GetFinalizers(), err)
	}
	for name, c := range map[string]client.Client{"the operator": operators, "a cluster-admin": admins} {
		u := openUpload(t, namespace, fs.Name)
		if err := tenants.Delete(t.Context(), u.DeepCopy()); err != nil {
			t.Fatal(err)
		}
		kept := u.DeepCopy()
		if err := tenants.Patch(t.Context(), kept, takeOff); err != nil || !strings.Contains(heardByTenant.take(), putBack) || len(kept.GetFinalizers()) != 1 {
			t.Errorf("a tenant lets a deleted record go: %v, %q", err, kept.GetFinalizers())
		}
		if err := c.Patch(t.Context(), u.DeepCopy(), takeOff); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := world.admin.Get(t.Context(), client.ObjectKeyFromObject(u), u); !apierrors.IsNotFound(err) {
			t.Errorf("%s has not let the record go: %v", name, err)
		}
	}
	if text := heardByAdmin.take() + heardByOperator.take(); text != "" {
		t.Errorf("the warnings are %q", text)
	}
}

// testFinalizerWebhookIsSeldomAsked counts the calls that changes cost which leave the finalizer
// where it is.
func testFinalizerWebhookIsSeldomAsked(t *testing.T) {
	namespace, fs := tenant(t, nil), store(t, nil)
	tenants, _ := tenantAdmin(t, namespace)
	u := openUpload(t, namespace, fs.Name)
	before := calls(t)
	for _, patch := range []string{
		`{"spec":{"ttl":"96h"}}`, `{"metadata":{"labels":{"team":"a"}}}`, `{"metadata":{"finalizers":["iotfile.dev/abort-upload","example.com/keep"]}}`, `{"spec":{"desiredState":"Aborted"}}`,
	} {
		if err := tenants.Patch(t.Context(), u, client.RawPatch(types.MergePatchType, []byte(patch))); err != nil {
			t.Errorf("%s: %v", patch, err)
		}
	}
	if now := calls(t); now != before {
		t.Errorf("the webhook was called: %s, before: %s", now, before)
	}
	if err := tenants.Patch(t.Context(), u, takeOff); err != nil {
		t.Error(err)
	}
	if now := calls(t); now == before {
		t.Errorf("nothing is proved by what is counted: %s", now)
	}
}

// calls is the API server's count of calls of the webhook.
func calls(t *testing.T) string {
	t.Helper()
	data, err := kubernetes.NewForConfigOrDie(world.plane.RESTConfig()).RESTClient().Get().AbsPath("/metrics").DoRaw(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		if line := lines.Text(); strings.HasPrefix(line, "apiserver_admission_webhook_admission_duration_seconds_count") && strings.Contains(line, `"finalizer.multipartuploads.iotfile.dev"`) {
			return line
		}
	}
	return "none"
}
