package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// attacker is a service account that is cluster-admin of its namespace, and nothing elsewhere: what
// GitOps set-ups give tenants.
type attacker struct{ *ownTenant }

func newAttacker(t *testing.T, tn *tenant) *attacker {
	t.Helper()
	a := &attacker{newOwnTenant(t, tn)}
	err := system.kube.Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: a.namespace, Name: "gitops"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: a.namespace, Name: "gitops"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// try runs kubectl as the service account.
func (a *attacker) try(t *testing.T, stdin string, args ...string) (string, error) {
	t.Helper()
	return a.tryKubectl(t, stdin, append(args, "--as=system:serviceaccount:"+a.namespace+":gitops")...)
}

// refused runs kubectl, which a policy refuses for that reason.
func (a *attacker) refused(t *testing.T, why string, args ...string) {
	t.Helper()
	if out, err := a.try(t, "", args...); err == nil || !strings.Contains(out, why) {
		t.Errorf("kubectl %q: %v %s", args, err, out)
	}
}

// TestTenantsAttackRecords has a tenant use all rights that a namespace can give, against the
// operator at work.
func TestTenantsAttackRecords(t *testing.T) {
	onEachStore(t, func(t *testing.T, tn *tenant) {
		a := newAttacker(t, tn)
		t.Run("ForgedKey", func(t *testing.T) { attackByForgedKey(t, a, newOwnTenant(t, tn)) })
		t.Run("ForgedKeyPastThePolicy", func(t *testing.T) { attackPastThePolicy(t, tn.newNeighbour(t), tn) })
		t.Run("ForgedID", func(t *testing.T) { attackByForgedID(t, tn.newNeighbour(t), tn) })
		t.Run("FinalizerTakenOff", func(t *testing.T) { attackByTakenFinalizer(t, a) })
		t.Run("NamespaceGoes", func(t *testing.T) { attackedNamespaceGoes(t, a) })
	})
}

// attackByForgedKey has the status of an upload that cannot be opened yet, and so has no key, name
// a file of another tenant. That file stays as it is, and the upload becomes its own.
func attackByForgedKey(t *testing.T, a *attacker, victim *ownTenant) {
	theirs := victim.newFile("secret.bin")
	secret, first, second := random(smallest), random(smallest), random(smallest)
	theirs.must(t, 201, http.MethodPut, "", secret)
	f := a.newFile("own.bin")
	manifest := fmt.Sprintf("apiVersion: iotfile.dev/v1alpha1\nkind: MultipartUpload\nmetadata: {name: forged}\nspec: {entityID: %s, path: %s, ifMatch: 0}\n", f.entity, f.path)
	if out, err := a.try(t, manifest, "apply", "-f", "-"); err != nil {
		t.Fatalf("kubectl apply: %v %s", err, out)
	}
	a.kubectl(t, "", "wait", "--for=condition=Stalled", "mpu/forged", "--timeout=120s")
	if key := a.get(t, "forged").Status.ObjectKey; key != "" {
		t.Fatalf("nothing is left to forge: the key is %s", key)
	}
	for _, forgery := range []string{
		fmt.Sprintf(`{"status":{"objectKey":%q}}`, theirs.key()), `{"status":{"uploadID":"of-another"}}`, `{"status":{"storeName":"another"}}`,
		`{"status":{"expirationTime":"2126-01-02T03:04:05Z"}}`, `{"status":{"completionTime":"2026-01-02T03:04:05Z"}}`,
	} {
		a.refused(t, "only the operator writes this status", "patch", "mpu", "forged", "--subresource=status", "--type=merge", "-p", forgery)
	}
	f.must(t, 201, http.MethodPut, "", first)
	// A change of what is the tenant's passes, and has the operator look again at once.
	if out, err := a.try(t, "", "patch", "mpu", "forged", "--type=merge", "-p", `{"spec":{"ttl":"1h"}}`); err != nil {
		t.Errorf("more time: %v %s", err, out)
	}
	a.kubectl(t, "", "wait", "--for=condition=Initiated", "mpu/forged", "--timeout=120s")
	f.must(t, 204, http.MethodPut, "?part=1", second)
	a.kubectl(t, "", "patch", "mpu", "forged", "--type=merge", "-p", `{"spec":{"desiredState":"Completed"}}`)
	a.kubectl(t, "", "wait", "--for=condition=Ready", "mpu/forged", "--timeout=120s")
	f.checkContent(t, second)
	if got := theirs.must(t, 200, http.MethodGet, "", nil).body; !bytes.Equal(got, secret) {
		t.Errorf("the other tenant reads %d bytes that are not its own", len(got))
	}
}

// attackByTakenFinalizer deletes ten open uploads, each with its finalizer taken off first. No part
// may stay.
func attackByTakenFinalizer(t *testing.T, a *attacker) {
	var uploads []*v1alpha1.MultipartUpload
	var files []*file
	for i := range 10 {
		f := a.newFile("leak.bin")
		name := fmt.Sprintf("leak-%d", i)
		u := f.apply(t, name, "")
		f.must(t, 201, http.MethodPut, "?part=1", random(smallest))
		a.refused(t, "the finalizer iotfile.dev/abort-upload stays", "patch", "mpu", name, "--type=merge", "-p", `{"metadata":{"finalizers":null}}`)
		if out, err := a.try(t, "", "delete", "mpu", name, "--wait=false"); err != nil {
			t.Errorf("kubectl delete: %v %s", err, out)
		}
		uploads, files = append(uploads, u), append(files, f)
	}
	for i, f := range files {
		f.waitNoParts(t, uploads[i])
		f.kubectl(t, "", "wait", "--for=delete", "--timeout=120s", "mpu/"+uploads[i].Name)
	}
}

// attackedNamespaceGoes deletes the namespace while an upload is open: policies do not hold it.
func attackedNamespaceGoes(t *testing.T, a *attacker) {
	f := a.newFile("open.bin")
	u := f.apply(t, "open", "")
	f.must(t, 201, http.MethodPut, "?part=1", random(smallest))
	a.kubectl(t, "", "delete", "namespace", a.namespace, "--timeout=120s")
	f.waitNoParts(t, u)
}

// checkReplacement replaces records of open uploads by their manifests, as `kubectl replace` and
// Replace=true of Argo CD do. They keep their finalizer, and the rest becomes what the manifest
// says.
func (tn *tenant) checkReplacement(t *testing.T) {
	t.Helper()
	f := tn.newFile("replaced.bin")
	f.apply(t, "replaced", "")
	manifest := fmt.Sprintf("apiVersion: iotfile.dev/v1alpha1\nkind: MultipartUpload\nmetadata: {name: replaced, labels: {team: a}}\n"+
		"spec: {entityID: %s, path: %s, ttl: 72h, storeName: %s}\n", f.entity, f.path, tn.store.Kind)
	was := tn.get(t, "replaced").Spec
	out := tn.kubectl(t, manifest, "replace", "-f", "-")
	u := tn.get(t, "replaced")
	if !slices.Contains(u.Finalizers, v1alpha1.FinalizerAbortUpload) || u.Labels["team"] != "a" || !strings.Contains(out, "Warning: the finalizer iotfile.dev/abort-upload was put back") {
		t.Errorf("kubectl replace has said %s and left %+v", out, u.ObjectMeta)
	}
	if u.Spec.TTL.Duration != 72*time.Hour || u.Spec.CreatedBy != was.CreatedBy || !u.Spec.RequestTime.Equal(was.RequestTime) {
		t.Errorf("kubectl replace has left %+v of %+v", u.Spec, was)
	}
	if err := system.kube.Delete(t.Context(), u, client.Preconditions{UID: &u.UID}); err != nil {
		t.Error(err)
	}
	f.waitNoParts(t, u)
}
