package config_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	apply "github.com/iotfile-operator/iotfile-operator/api/applyconfiguration/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

// timeout is how long a state may take to be reached: generous, because machines are shared.
const timeout = time.Minute

// What the policies say.
const (
	statusIsTheOperators = "only the operator writes this status"
	finalizerStays       = "the finalizer iotfile.dev/abort-upload stays until the upload has ended"
)

// The users of the tests. What each may do, newPolicies says.
const (
	editor      = "system:serviceaccount:tenant:editor"
	tenantAdmin = "system:serviceaccount:tenant:admin"
	borrower    = "system:serviceaccount:tenant:borrower"
	storekeeper = "storekeeper"
	other       = "system:serviceaccount:edge:another-operator"
)

// policies is an API server that enforces the shipped policies under the shipped roles. No webhook
// is there: what is refused here is refused while no operator answers.
type policies struct {
	plane    *devcluster.ControlPlane
	kubectl  string
	scheme   *runtime.Scheme
	admin    client.Client
	operator client.Client
	others   map[string]client.Client // by user
	count    int
}

// TestPolicies attacks records with rights that tenants have, and sees that whoever must pass does.
func TestPolicies(t *testing.T) {
	if testing.Short() {
		t.Skip("needs an API server")
	}
	p := newPolicies(t)
	t.Run("Rights", p.testRights)
	t.Run("StatusIsTheOperators", p.testStatusIsTheOperators)
	t.Run("StoreStatusIsTheOperators", p.testStoreStatusIsTheOperators)
	t.Run("FinalizerStays", p.testFinalizerStays)
	t.Run("FinalizerGoes", p.testFinalizerGoes)
	t.Run("OwnersChangesPass", p.testOwnersChangesPass)
	t.Run("MetadataIsBounded", p.testMetadataIsBounded)
	t.Run("OldMetadataIsNotJudged", p.testOldMetadataIsNotJudged)
	t.Run("GarbageCollection", p.testGarbageCollection)
	t.Run("NamespaceGoes", p.testNamespaceGoes)
	t.Run("WithoutPolicies", p.testWithoutPolicies) // the last: it takes them away
}

func newPolicies(t *testing.T) *policies {
	t.Helper()
	log.SetLogger(logr.Discard())
	p := &policies{scheme: runtime.NewScheme(), others: map[string]client.Client{}}
	check(t, errors.Join(clientgoscheme.AddToScheme(p.scheme), v1alpha1.AddToScheme(p.scheme)))
	var err error
	p.kubectl, err = devcluster.FindTool(t.Context(), t.Output(), devcluster.Kubectl)
	check(t, err)
	p.plane, err = devcluster.StartControlPlane(t.Context(), devcluster.ControlPlaneOptions{
		Dir: t.TempDir(), ControllerManager: true, UnsafeNoFsync: true, Log: t.Output(), CRDDirs: []string{filepath.Join("crd", "bases")},
	})
	check(t, err)
	t.Cleanup(func() { check(t, p.plane.Stop()) })
	p.admin = p.client(t, p.plane.RESTConfig())
	kubeconfig, err := p.plane.OperatorKubeconfig(t.Context())
	check(t, err)
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	check(t, err)
	p.operator = p.client(t, config)
	p.namespace(t, "tenant")
	p.grant(t, editor, "tenant", "iotfile-upload-editor")
	p.grant(t, editor, "tenant", "iotfile-editor")
	p.grant(t, tenantAdmin, "tenant", "cluster-admin")
	p.grant(t, borrower, "tenant", "cluster-admin")
	p.grant(t, borrower, "tenant", "iotfile-operator") // the operator's own role, in a namespace
	p.role(t, "store-status", rbacv1.PolicyRule{
		APIGroups: []string{"iotfile.dev"}, Resources: []string{"filestores", "filestores/status"}, Verbs: []string{"get", "update", "patch"},
	})
	p.grant(t, storekeeper, "", "store-status")
	p.role(t, "another-operator",
		rbacv1.PolicyRule{APIGroups: []string{"iotfile.dev"}, Resources: []string{"multipartuploads", "multipartuploads/status"}, Verbs: []string{"get", "update", "patch"}},
		rbacv1.PolicyRule{APIGroups: []string{"iotfile.dev"}, Resources: []string{"multipartuploads/guard"}, Verbs: []string{"override"}})
	p.grant(t, other, "", "another-operator")
	p.waitEnforced(t)
	return p
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (p *policies) namespace(t *testing.T, name string) {
	t.Helper()
	check(t, p.admin.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}))
}

func (p *policies) role(t *testing.T, name string, rules ...rbacv1.PolicyRule) {
	t.Helper()
	check(t, p.admin.Create(t.Context(), &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: rules}))
}

// grant binds a ClusterRole to a user in a namespace, or in all.
func (p *policies) grant(t *testing.T, user, namespace, role string) {
	t.Helper()
	meta := metav1.ObjectMeta{GenerateName: "test-", Namespace: namespace}
	ref := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role}
	subjects := []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: user}}
	if namespace == "" {
		check(t, p.admin.Create(t.Context(), &rbacv1.ClusterRoleBinding{ObjectMeta: meta, RoleRef: ref, Subjects: subjects}))
		return
	}
	check(t, p.admin.Create(t.Context(), &rbacv1.RoleBinding{ObjectMeta: meta, RoleRef: ref, Subjects: subjects}))
}

// as is a client of a user who may do what its roles say.
func (p *policies) as(t *testing.T, user string) client.Client {
	t.Helper()
	if p.others[user] == nil {
		config := p.plane.RESTConfig()
		config.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: []string{"system:authenticated"}}
		p.others[user] = p.client(t, config)
	}
	return p.others[user]
}

// client is one that does not wait between requests.
func (p *policies) client(t *testing.T, config *rest.Config) client.Client {
	t.Helper()
	config.QPS = -1
	c, err := client.New(config, client.Options{Scheme: p.scheme})
	check(t, err)
	return c
}

// waitEnforced waits until the API server, which hears of policies by a watch, enforces each of
// them.
func (p *policies) waitEnforced(t *testing.T) {
	t.Helper()
	attacker := p.as(t, tenantAdmin)
	testkit.Eventually(t, func() error {
		u := p.upload(t, nil)
		forged := attacker.Status().Patch(t.Context(), u.DeepCopy(), merge(`{"status":{"objectKey":"victim/key"}}`), client.DryRunAll)
		taken := attacker.Patch(t.Context(), u.DeepCopy(), merge(`{"metadata":{"finalizers":null}}`), client.DryRunAll)
		grown := attacker.Patch(t.Context(), u.DeepCopy(), annotate("x", 20<<10), client.DryRunAll)
		if forged == nil || taken == nil || grown == nil {
			return fmt.Errorf("not enforced yet: %w, %w, %w", forged, taken, grown)
		}
		return nil
	})
}

// upload makes the record of an upload that the operator has opened, or changed otherwise.
func (p *policies) upload(t *testing.T, change func(*v1alpha1.MultipartUpload)) *v1alpha1.MultipartUpload {
	t.Helper()
	return p.uploadIn(t, "tenant", change)
}

func (p *policies) uploadIn(t *testing.T, namespace string, change func(*v1alpha1.MultipartUpload)) *v1alpha1.MultipartUpload {
	t.Helper()
	p.count++
	u := &v1alpha1.MultipartUpload{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprintf("upload-%d", p.count), Finalizers: []string{v1alpha1.FinalizerAbortUpload}},
		Spec:       v1alpha1.MultipartUploadSpec{EntityID: "0123456789abcdef0123456789abcdef", Path: fmt.Sprintf("file-%d.bin", p.count)},
	}
	if change != nil {
		change(u)
	}
	status := u.Status
	check(t, p.operator.Create(t.Context(), u))
	base := u.DeepCopy()
	if u.Status = status; u.Status.UploadID == "" {
		u.Status.UploadID = "id-of-" + u.Name
	}
	check(t, p.operator.Status().Patch(t.Context(), u, client.MergeFrom(base)))
	return u
}

func merge(patch string) client.Patch { return client.RawPatch(types.MergePatchType, []byte(patch)) }

// annotate is a patch that sets an annotation of so many bytes, key included.
func annotate(key string, size int) client.Patch {
	return merge(fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, key, strings.Repeat("v", size-len(key))))
}

// forbidden checks that a policy, and nothing else, has refused with 403.
func forbidden(t *testing.T, what string, err error, message string) {
	t.Helper()
	if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "ValidatingAdmissionPolicy") || !strings.Contains(err.Error(), message) {
		t.Errorf("%s is answered with %v", what, err)
	}
}

func passes(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%s is refused: %v", what, err)
	}
}

// testRights has the right that the policies ask for in the hands of the operator and of
// cluster-admins, and of nobody else.
func (p *policies) testRights(t *testing.T) {
	for user, want := range map[string]bool{
		devcluster.OperatorUser: true, other: true, editor: false, tenantAdmin: false, borrower: false, storekeeper: false,
	} {
		if got, out := p.overrides(t, user, "--all-namespaces"); got != want {
			t.Errorf("%s may override: %t, want %t: %s", user, got, want, out)
		}
	}
	// The tenant's admin has it in its namespace, like all rights there are: it does not count.
	if got, out := p.overrides(t, tenantAdmin, "--namespace=tenant"); !got {
		t.Errorf("nothing is proved by an admin of the tenant who lacks rights: %s", out)
	}
}

// overrides asks as docs/security.md says.
func (p *policies) overrides(t *testing.T, user, where string) (bool, string) {
	t.Helper()
	out, _ := p.kubectlAs(t, user, "", "auth", "can-i", "override", "multipartuploads.iotfile.dev", "--subresource=guard", where)
	return strings.HasSuffix(strings.TrimSpace(out), "yes"), out
}

// testStatusIsTheOperators forges what leads an operator to another tenant's file, in every way
// there is to write a status.
func (p *policies) testStatusIsTheOperators(t *testing.T) {
	const forged = `{"status":{"objectKey":"victim/0123456789abcdef0123456789abcdef/secret.bin"}}`
	for _, user := range []string{tenantAdmin, borrower} {
		u, c := p.upload(t, nil), p.as(t, user)
		forbidden(t, user+" patches", c.Status().Patch(t.Context(), u.DeepCopy(), merge(forged)), statusIsTheOperators)
		forbidden(t, user+" patches JSON", c.Status().Patch(t.Context(), u.DeepCopy(),
			client.RawPatch(types.JSONPatchType, []byte(`[{"op":"add","path":"/status/objectKey","value":"victim/key"}]`))), statusIsTheOperators)
		updated := u.DeepCopy()
		updated.Status.ObjectKey = "victim/key"
		forbidden(t, user+" updates", c.Status().Update(t.Context(), updated), statusIsTheOperators)
		forbidden(t, user+" applies", c.Status().Apply(t.Context(), apply.MultipartUpload(u.Name, u.Namespace).WithStatus(apply.MultipartUploadStatus().WithObjectKey("victim/key")),
			client.FieldOwner("forger"), client.ForceOwnership), statusIsTheOperators)
		// Through the front door a status is not written at all.
		updated = u.DeepCopy()
		updated.Status.ObjectKey = "victim/key"
		passes(t, user+" sends a status with the record", c.Update(t.Context(), updated))
		forbidden(t, user+" ends it by a status", c.Status().Patch(t.Context(), u.DeepCopy(), merge(`{"status":{"completionTime":"2026-01-02T03:04:05Z"}}`)), statusIsTheOperators)
		check(t, p.admin.Get(t.Context(), client.ObjectKeyFromObject(u), u))
		if u.Status.ObjectKey != "" || u.Status.CompletionTime != nil {
			t.Errorf("%s has made the status %+v", user, u.Status)
		}
	}
	// With the role of an editor the API server does not even ask the policy.
	u := p.upload(t, nil)
	if err := p.as(t, editor).Status().Patch(t.Context(), u.DeepCopy(), merge(forged)); !apierrors.IsForbidden(err) {
		t.Errorf("an editor's patch of a status is answered with %v", err)
	}
	for name, c := range map[string]client.Client{"the operator": p.operator, "a cluster-admin": p.admin, "an operator by another name": p.as(t, other)} {
		u := p.upload(t, nil)
		passes(t, name+" writes a status", c.Status().Patch(t.Context(), u, merge(`{"status":{"phase":"Uploading","objectKey":"tenant/key"}}`)))
		if u.Status.ObjectKey != "tenant/key" {
			t.Errorf("%s has made the status %+v", name, u.Status)
		}
	}
	// As the data plane writes it, with the operator's account.
	progress := apply.MultipartUpload(u.Name, u.Namespace).WithStatus(apply.MultipartUploadStatus().WithProgress(apply.UploadProgress().WithParts(1)))
	passes(t, "the data plane's progress", p.operator.Status().Apply(t.Context(), progress, client.FieldOwner("data-plane")))
}

func (p *policies) testStoreStatusIsTheOperators(t *testing.T) {
	fs := &v1alpha1.FileStore{
		ObjectMeta: metav1.ObjectMeta{Name: "main"},
		Spec:       v1alpha1.FileStoreSpec{Endpoint: "https://s3.example.com", Bucket: "iot-files"},
	}
	check(t, p.admin.Create(t.Context(), fs))
	const weaker = `{"status":{"capabilities":{"payloadMode":"Unsigned"}}}`
	forbidden(t, "a weaker payload mode", p.as(t, storekeeper).Status().Patch(t.Context(), fs.DeepCopy(), merge(weaker)), statusIsTheOperators)
	passes(t, "the spec of a store", p.as(t, storekeeper).Patch(t.Context(), fs.DeepCopy(), merge(`{"spec":{"uploadTTL":"24h"}}`)))
	passes(t, "the operator's status", p.operator.Status().Patch(t.Context(), fs.DeepCopy(), merge(`{"status":{"capabilities":{"payloadMode":"TrailingCRC64NVME"}}}`)))
}

// testFinalizerStays takes the finalizer off ten open uploads in every way there is, with every
// right that a namespace can give.
func (p *policies) testFinalizerStays(t *testing.T) {
	ways := []struct {
		name string
		take func(*testing.T, client.Client, *v1alpha1.MultipartUpload) error
	}{
		{"merge patch", func(t *testing.T, c client.Client, u *v1alpha1.MultipartUpload) error {
			return c.Patch(t.Context(), u.DeepCopy(), merge(`{"metadata":{"finalizers":null}}`))
		}},
		{"JSON patch", func(t *testing.T, c client.Client, u *v1alpha1.MultipartUpload) error {
			return c.Patch(t.Context(), u.DeepCopy(), client.RawPatch(types.JSONPatchType, []byte(`[{"op":"remove","path":"/metadata/finalizers/0"}]`)))
		}},
		{"another in its place", func(t *testing.T, c client.Client, u *v1alpha1.MultipartUpload) error {
			return c.Patch(t.Context(), u.DeepCopy(), merge(`{"metadata":{"finalizers":["example.com/abort-upload"]}}`))
		}},
		{"update", func(t *testing.T, c client.Client, u *v1alpha1.MultipartUpload) error {
			changed := u.DeepCopy()
			changed.Finalizers = nil
			return c.Update(t.Context(), changed)
		}},
		{"of one that is deleted", func(t *testing.T, c client.Client, u *v1alpha1.MultipartUpload) error {
			passes(t, "a deletion", c.Delete(t.Context(), u.DeepCopy()))
			return c.Patch(t.Context(), u.DeepCopy(), merge(`{"metadata":{"finalizers":null}}`))
		}},
	}
	for _, user := range []string{editor, tenantAdmin, borrower} {
		refused := 0
		for i := range 10 {
			way := ways[i%len(ways)]
			u := p.upload(t, nil)
			if i >= len(ways) { // before object storage has been asked
				u = p.unopened(t)
			}
			err := way.take(t, p.as(t, user), u)
			forbidden(t, user+" by "+way.name, err, finalizerStays)
			check(t, p.admin.Get(t.Context(), client.ObjectKeyFromObject(u), u))
			if slices.Contains(u.Finalizers, v1alpha1.FinalizerAbortUpload) {
				refused++
			}
		}
		if refused != 10 {
			t.Errorf("%s: the finalizer stays on %d of 10 uploads", user, refused)
		}
	}
	u := p.upload(t, nil)
	out, err := p.kubectlAs(t, tenantAdmin, p.manifest(u), "replace", "-f", "-")
	if err == nil || !strings.Contains(out, finalizerStays) {
		t.Errorf("kubectl replace without a webhook: %v %s", err, out)
	}
}

// unopened is a record that has the finalizer and no status yet.
func (p *policies) unopened(t *testing.T) *v1alpha1.MultipartUpload {
	t.Helper()
	p.count++
	u := &v1alpha1.MultipartUpload{
		ObjectMeta: metav1.ObjectMeta{Namespace: "tenant", Name: fmt.Sprintf("upload-%d", p.count), Finalizers: []string{v1alpha1.FinalizerAbortUpload}},
		Spec:       v1alpha1.MultipartUploadSpec{EntityID: "0123456789abcdef0123456789abcdef", Path: "unopened.bin"},
	}
	check(t, p.operator.Create(t.Context(), u))
	return u
}

// manifest is what a tenant has in Git for an upload: no finalizers, no status.
func (p *policies) manifest(u *v1alpha1.MultipartUpload) string {
	return fmt.Sprintf("apiVersion: iotfile.dev/v1alpha1\nkind: MultipartUpload\nmetadata: {name: %s, namespace: %s}\nspec: {entityID: %q, path: %s, ttl: 72h}\n",
		u.Name, u.Namespace, u.Spec.EntityID, u.Spec.Path)
}

// testFinalizerGoes has those take it off who may, when they may.
func (p *policies) testFinalizerGoes(t *testing.T) {
	take := merge(`{"metadata":{"finalizers":null}}`)
	for name, c := range map[string]client.Client{"the operator": p.operator, "a cluster-admin": p.admin, "an operator by another name": p.as(t, other)} {
		passes(t, name+" takes the finalizer off", c.Patch(t.Context(), p.upload(t, nil), take))
	}
	ended := p.upload(t, func(u *v1alpha1.MultipartUpload) {
		now := metav1.Now()
		u.Status.CompletionTime = &now
	})
	passes(t, "the finalizer of an upload that has ended", p.as(t, editor).Patch(t.Context(), ended, take))
	none := p.upload(t, func(u *v1alpha1.MultipartUpload) { u.Finalizers = nil })
	passes(t, "a change of a record that has no finalizer", p.as(t, editor).Patch(t.Context(), none, merge(`{"spec":{"ttl":"24h"}}`)))
}

// testOwnersChangesPass makes every change that an owner, and an agent of GitOps, makes.
func (p *policies) testOwnersChangesPass(t *testing.T) {
	for _, user := range []string{editor, tenantAdmin} {
		c := p.as(t, user)
		u := p.upload(t, nil)
		for what, patch := range map[string]string{
			"ttl":                  `{"spec":{"ttl":"96h"}}`,
			"a label":              `{"metadata":{"labels":{"team":"a"}}}`,
			"another finalizer":    `{"metadata":{"finalizers":["example.com/keep","iotfile.dev/abort-upload"]}}`,
			"its removal":          `{"metadata":{"finalizers":["iotfile.dev/abort-upload"]}}`,
			"a completion":         `{"spec":{"desiredState":"Completed"}}`,
			"an annotation of its": `{"metadata":{"annotations":{"argocd.argoproj.io/tracking-id":"app:iotfile.dev/MultipartUpload:tenant/x"}}}`,
		} {
			passes(t, user+": "+what, c.Patch(t.Context(), u.DeepCopy(), merge(patch)))
		}
		byManifest := &v1alpha1.MultipartUpload{
			ObjectMeta: metav1.ObjectMeta{Namespace: "tenant", Name: "by-manifest"},
			Spec:       v1alpha1.MultipartUploadSpec{EntityID: u.Spec.EntityID, Path: "by-manifest.bin"},
		}
		for _, manager := range []string{"kustomize-controller", "argocd-controller"} {
			manifest := p.manifest(byManifest)
			if out, err := p.kubectlAs(t, user, manifest, "apply", "--server-side", "--force-conflicts", "--field-manager="+manager, "-f", "-"); err != nil {
				t.Errorf("%s as %s applies: %v %s", user, manager, err, out)
			}
			// What the operator does meanwhile.
			passes(t, "the finalizer", p.operator.Patch(t.Context(), byManifest.DeepCopy(), merge(`{"metadata":{"finalizers":["iotfile.dev/abort-upload"]}}`)))
		}
		if out, err := p.kubectlAs(t, user, p.manifest(byManifest), "apply", "-f", "-"); err != nil {
			t.Errorf("%s applies: %v %s", user, err, out)
		}
		passes(t, "a deletion", c.Delete(t.Context(), byManifest.DeepCopy()))
		check(t, p.admin.Get(t.Context(), client.ObjectKeyFromObject(byManifest), byManifest))
		if byManifest.DeletionTimestamp == nil || !slices.Contains(byManifest.Finalizers, v1alpha1.FinalizerAbortUpload) {
			t.Errorf("the deleted record is %+v", byManifest.ObjectMeta)
		}
		passes(t, "the operator lets it go", p.operator.Patch(t.Context(), byManifest, merge(`{"metadata":{"finalizers":null}}`)))
	}
}

// testNamespaceGoes deletes a namespace with open uploads, which the operator ends meanwhile.
func (p *policies) testNamespaceGoes(t *testing.T) {
	p.namespace(t, "leaving")
	for range 3 {
		p.uploadIn(t, "leaving", nil)
	}
	check(t, p.admin.Delete(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "leaving"}}))
	testkit.Eventually(t, func() error {
		var records v1alpha1.MultipartUploadList
		if err := p.operator.List(t.Context(), &records, client.InNamespace("leaving")); err != nil {
			return err
		}
		for i := range records.Items {
			u := &records.Items[i]
			if u.DeletionTimestamp == nil {
				return fmt.Errorf("%s is not being deleted", u.Name)
			}
			if err := p.operator.Patch(t.Context(), u, merge(`{"metadata":{"finalizers":null}}`)); client.IgnoreNotFound(err) != nil {
				return err
			}
		}
		return p.gone(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "leaving"}})
	})
}

// gone returns an error while the object is there.
func (p *policies) gone(t *testing.T, object client.Object) error {
	t.Helper()
	err := p.admin.Get(t.Context(), client.ObjectKeyFromObject(object), object)
	if err == nil {
		return fmt.Errorf("%T %s is there", object, object.GetName())
	}
	return client.IgnoreNotFound(err)
}

// testGarbageCollection deletes the owner of a record in each of the three ways.
func (p *policies) testGarbageCollection(t *testing.T) {
	for name, policy := range map[string]metav1.DeletionPropagation{
		"background": metav1.DeletePropagationBackground, "foreground": metav1.DeletePropagationForeground, "orphan": metav1.DeletePropagationOrphan,
	} {
		owner := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "tenant", Name: "owner-" + name}}
		check(t, p.admin.Create(t.Context(), owner))
		u := p.upload(t, func(u *v1alpha1.MultipartUpload) {
			yes := true
			u.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: owner.Name, UID: owner.UID, BlockOwnerDeletion: &yes}}
		})
		check(t, p.admin.Delete(t.Context(), owner.DeepCopy(), client.PropagationPolicy(policy)))
		testkit.Eventually(t, func() error {
			if err := p.admin.Get(t.Context(), client.ObjectKeyFromObject(u), u); err != nil {
				return err
			}
			if deleted := u.DeletionTimestamp != nil; deleted != (name != "orphan") || (name == "orphan" && len(u.OwnerReferences) > 0) {
				return fmt.Errorf("%s: the record is %+v", name, u.ObjectMeta)
			}
			return nil
		})
		passes(t, "the operator lets it go", p.operator.Patch(t.Context(), u.DeepCopy(), merge(`{"metadata":{"finalizers":null}}`)))
		testkit.Eventually(t, func() error { return p.gone(t, owner) })
		if name != "orphan" {
			testkit.Eventually(t, func() error { return p.gone(t, u) })
		}
	}
}

// testWithoutPolicies removes them, as an uninstallation does first: what the operator has left can
// be cleared away by its owner.
func (p *policies) testWithoutPolicies(t *testing.T) {
	u := p.upload(t, nil)
	removal := []string{"delete", "validatingadmissionpolicybindings,validatingadmissionpolicies", "--selector", "app.kubernetes.io/name=iotfile-operator"}
	out, err := p.kubectlAs(t, "", "", removal...)
	if err != nil || strings.Count(out, "deleted") != 6 {
		t.Fatalf("kubectl %q: %v %s", removal, err, out)
	}
	testkit.Eventually(t, func() error {
		return p.as(t, editor).Patch(t.Context(), u.DeepCopy(), merge(`{"metadata":{"finalizers":null}}`))
	})
}

// kubectlAs runs kubectl as a user, or as an administrator.
func (p *policies) kubectlAs(t *testing.T, user, stdin string, arguments ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	if user != "" {
		arguments = append(arguments, "--as", user)
	}
	cmd := exec.CommandContext(ctx, p.kubectl, arguments...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+p.plane.Kubeconfig)
	cmd.Stdin = strings.NewReader(stdin)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}
