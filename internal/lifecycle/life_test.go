package lifecycle

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/minio/minio-go/v7"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// TestLife is that of an installation, from the first kinds that there were to nothing. Each step
// builds on the ones before.
func TestLife(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a control plane")
	}
	w := newWorld(t)
	for _, step := range []struct {
		name string
		do   func(*testing.T)
	}{
		{"KindsOfThen", w.testKindsOfThen},
		{"Upgrade", w.testUpgrade},
		{"WhatWasOpenGoesOn", w.testWhatWasOpenGoesOn},
		{"ApplyingAgainChangesNothing", w.testApplyingAgainChangesNothing},
		{"OldBackup", w.testOldBackup},
		{"Removal", w.testRemoval},
		{"RemovalInTheWrongOrder", w.testRemovalInTheWrongOrder},
	} {
		if !t.Run(step.name, step.do) {
			if w.operator != nil {
				log, _ := os.ReadFile(w.operator.LogPath)
				t.Logf("the end of the operator's log:\n%s", log[max(0, len(log)-8000):])
			}
			return
		}
	}
}

// store is the platform's FileStore and its Secret.
func (w *world) fileStore() string {
	return fmt.Sprintf(`apiVersion: v1
kind: Secret
metadata: {name: iot-files-s3, namespace: %s, annotations: {%s: %s}}
stringData: {accessKeyID: %q, secretAccessKey: %q}
---
apiVersion: iotfile.dev/v1alpha1
kind: FileStore
metadata: {name: %s}
spec:
  endpoint: %s
  region: %s
  bucket: %s
  prefix: %s
  orphanPolicy: Abort
  credentials: {secretRef: {name: iot-files-s3}}
  namespaceSelector: {matchLabels: {iotfile.dev/tenant: "true"}}
`, namespace, v1alpha1.AnnotationStores, storeName, w.store.AccessKey, w.store.SecretKey, storeName, w.store.Endpoint, w.store.Region, bucket, prefix)
}

// testKindsOfThen installs the first kinds, and leaves in the cluster and in the bucket what an
// operator of then did.
func (w *world) testKindsOfThen(t *testing.T) {
	w.apply(t, w.kinds(t, firstKinds))
	w.established(t)
	w.apply(t, w.render(t, "namespace"))
	w.apply(t, w.render(t, "gitops/tenants/team-a"))
	w.apply(t, w.fileStore())
	w.recordStore(t)
	for _, u := range uploadsOfThen() {
		w.record(t, u)
	}
	if open := w.openInStore(t); len(open) != 5 {
		t.Errorf("%d uploads are open in object storage", len(open))
	}
}

// testUpgrade replaces kinds and manifests. The operator, as in a rollout that is quicker than its
// kinds, runs already.
func (w *world) testUpgrade(t *testing.T) {
	for _, object := range decode(t, w.installation(t)) { // all but the kinds
		if object.GetKind() != "CustomResourceDefinition" {
			text, err := object.MarshalJSON()
			check(t, err)
			w.apply(t, string(text))
		}
	}
	w.startOperator(t)
	w.apply(t, w.installation(t))
	w.waitForAdmission(t)
	// Its Secret has not consented: the store goes on, and says what is to be done.
	w.run(t, "", "wait", "--for=condition=ConsentOverdue", "--timeout=120s", "filestore/"+storeName)
	w.run(t, "", "wait", "--for=condition=Ready", "--timeout=120s", "filestore/"+storeName)
	for _, kind := range []string{"multipartuploads", "filestores"} {
		got := w.run(t, "", "get", "crd", kind+".iotfile.dev", "-o", `jsonpath={.spec.versions[0].schema.openAPIV3Schema.properties.status.default}`)
		if got != `{"observedGeneration":-1}` {
			t.Errorf("the kind %s was not replaced: its status is by default %q", kind, got)
		}
	}
}

// testWhatWasOpenGoesOn ends each upload of then in its way.
func (w *world) testWhatWasOpenGoesOn(t *testing.T) {
	token, err := w.plane.ApplicationToken(t.Context(), tenant, "app", time.Hour)
	check(t, err)
	all := uploadsOfThen()
	expect := func(name, reason string) {
		t.Helper()
		u := all[name]
		eventually(t, name+" becomes "+reason, func() error {
			record := w.get(t, u.recordName())
			if record == nil {
				return errors.New("the record is gone")
			}
			ready := meta.FindStatusCondition(record.Status.Conditions, v1alpha1.ConditionReady)
			if ready == nil || ready.Reason != reason {
				return fmt.Errorf("status is %+v", record.Status)
			}
			return nil
		})
	}
	expectContent := func(name string, parts ...[]byte) {
		t.Helper()
		if got, want := w.content(t, all[name].key()), bytes.Join(parts, nil); !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes are stored, %d were sent, or others", name, len(got), len(want))
		}
	}
	expect("overdue", v1alpha1.ReasonExpired)
	expect("aborting", v1alpha1.ReasonAborted)
	expect("completing", v1alpha1.ReasonCompleted)
	expectContent("completing", part(1))
	expect("finished", v1alpha1.ReasonCompleted)
	expect("waiting", v1alpha1.ReasonUploading)

	u := all["over-rest"]
	w.rest(t, token, 201, "PUT", u.rest("?part=2"), part(2))
	w.rest(t, token, 201, "PUT", u.rest("?upload=complete"), []byte("end"))
	expectContent("over-rest", part(1), part(2), []byte("end"))
	w.rest(t, token, 200, "GET", u.rest(""), nil)

	u = all["open"]
	w.rest(t, token, 201, "PUT", u.rest("?part=2"), part(2))
	w.run(t, "", "-n", tenant, "patch", "mpu", "open", "--type=merge", "-p", `{"spec":{"desiredState":"Completed"}}`)
	w.run(t, "", "-n", tenant, "wait", "--for=condition=Ready", "--timeout=120s", "mpu/open")
	expectContent("open", part(1), part(2))

	u = all["waiting"]
	w.rest(t, token, 201, "PUT", u.rest("?part=1"), part(1))
	if open := w.openInStore(t); len(open) != 1 || open[0] != w.get(t, "waiting").Status.UploadID {
		t.Errorf("open in object storage: %q", open)
	}
}

// version is what tells whether an object was written.
type version struct{ UID, ResourceVersion string }

// versions are those of all objects in manifests.
func (w *world) versions(t *testing.T, manifests string) map[string]version {
	t.Helper()
	all := map[string]version{}
	for _, want := range decode(t, manifests) {
		got := &metav1.PartialObjectMetadata{}
		got.SetGroupVersionKind(want.GroupVersionKind())
		check(t, w.admin.Get(t.Context(), client.ObjectKeyFromObject(want), got))
		all[want.GetKind()+" "+want.GetNamespace()+"/"+want.GetName()] = version{string(got.UID), got.ResourceVersion}
	}
	return all
}

// manifests is all that a platform team and a tenant have in Git: the installation, a store, a
// tenant, an upload that is open, one that was completed by kubectl, one by its manifest.
func (w *world) manifests(t *testing.T) string {
	t.Helper()
	open, completed := uploadsOfThen()["waiting"], uploadsOfThen()["completing"]
	manifest := func(u then, desired string) string {
		return fmt.Sprintf("---\napiVersion: iotfile.dev/v1alpha1\nkind: MultipartUpload\nmetadata:\n  name: %s\n  namespace: %s\nspec:\n  entityID: %s\n  path: %s\n%s", u.name, tenant, u.entity, u.path, desired)
	}
	return strings.Join([]string{
		w.installation(t), w.fileStore(), w.render(t, "gitops/tenants/team-a"), w.render(t, "gitops/apps/team-a"),
		manifest(open, "") + manifest(uploadsOfThen()["open"], "") + manifest(completed, "  desiredState: Completed\n"),
	}, "\n---\n")
}

// testApplyingAgainChangesNothing applies all manifests again and again, as agents of GitOps do,
// while uploads are open. Not one object may be written.
func (w *world) testApplyingAgainChangesNothing(t *testing.T) {
	manifests := w.manifests(t)
	w.apply(t, manifests)
	w.run(t, "", "-n", tenant, "wait", "--for=condition=Initiated", "--timeout=120s", "mpu/firmware-v2")
	var before []string
	eventually(t, "two uploads that are open, and none that is ending", func() error {
		if before = w.openInStore(t); len(before) != 2 {
			return fmt.Errorf("open in object storage: %q", before)
		}
		return nil
	})
	// A status may be written at any moment, such as that of a store that is probed again. What an
	// application changes, it changes each time.
	eventually(t, "an application that changes nothing", func() error {
		was := w.versions(t, manifests)
		if out, err := w.try(t, manifests, "diff", "--server-side", "--force-conflicts", "--field-manager="+manager, "-f", "-"); err != nil {
			return fmt.Errorf("kubectl diff: %w\n%s", err, out)
		}
		w.apply(t, manifests)
		w.apply(t, manifests)
		if diff := cmp.Diff(was, w.versions(t, manifests)); diff != "" {
			return errors.New(diff)
		}
		t.Logf("%d objects applied twice, none written", len(was))
		return nil
	})
	if after := w.openInStore(t); !slices.Equal(before, after) {
		t.Errorf("open in object storage: %q, before: %q", after, before)
	}
	// And to see that a change is seen: another size of the Deployment, and a field of an upload.
	changed := strings.Replace(manifests, `"replicas":2`, `"replicas":3`, 1)
	if out, err := w.try(t, changed, "diff", "--server-side", "--field-manager="+manager, "-f", "-"); err == nil || !strings.Contains(out, "replicas: 3") {
		t.Errorf("kubectl diff does not see another replica: %v\n%s", err, out)
	}
	// What a manifest no longer says, it has not said: an upload that kubectl has completed is not
	// opened again.
	if u := w.get(t, "open"); u.Spec.DesiredState != v1alpha1.DesiredStateCompleted {
		t.Errorf("desiredState is %s", u.Spec.DesiredState)
	}
}

// testOldBackup does what the restoration of an old etcd backup does to an upload that has ended
// since: its record comes back as it was while the upload was open. docs/operations/upgrade.md says
// what happens then.
func (w *world) testOldBackup(t *testing.T) {
	token, err := w.plane.ApplicationToken(t.Context(), tenant, "app", time.Hour)
	check(t, err)
	u := then{name: "restored", entity: entity(8), path: "restored.bin"}
	manifest := fmt.Sprintf("apiVersion: iotfile.dev/v1alpha1\nkind: MultipartUpload\nmetadata: {name: restored, namespace: %s}\nspec: {entityID: %s, path: %s}\n", tenant, u.entity, u.path)
	w.apply(t, manifest)
	w.run(t, "", "-n", tenant, "wait", "--for=condition=Initiated", "--timeout=120s", "mpu/restored")
	w.rest(t, token, 201, "PUT", u.rest("?part=1"), part(1))
	backup := w.get(t, "restored")
	w.run(t, "", "-n", tenant, "patch", "mpu", "restored", "--type=merge", "-p", `{"spec":{"desiredState":"Aborted"}}`)
	w.run(t, "", "-n", tenant, "wait", "--for=jsonpath={.status.phase}=Aborted", "--timeout=120s", "mpu/restored")
	w.run(t, "", "-n", tenant, "delete", "mpu", "restored", "--timeout=60s")
	w.stopOperator(t)
	// The restored record. Its UID is another here, as the API server gives it; to a restored one
	// it would be its own.
	again := &v1alpha1.MultipartUpload{ObjectMeta: metav1.ObjectMeta{Name: "restored", Namespace: tenant, Finalizers: backup.Finalizers}, Spec: backup.Spec}
	w.run(t, "", "delete", "mutatingwebhookconfigurations,validatingwebhookconfigurations", "iotfile-operator") // nobody answers them
	check(t, w.admin.Create(t.Context(), again))
	again.Status = backup.Status
	check(t, w.admin.Status().Update(t.Context(), again))
	w.startOperator(t)
	w.apply(t, w.installation(t))
	w.waitForAdmission(t)
	w.rest(t, token, 409, "PUT", u.rest("?part=2"), part(2)) // whoever goes on with it learns it first; the record tells within the hour, or at once when it is to be completed
	w.run(t, "", "-n", tenant, "patch", "mpu", "restored", "--type=merge", "-p", `{"spec":{"desiredState":"Completed"}}`)
	eventually(t, "the upload is lost", func() error {
		record := w.get(t, "restored")
		if stalled := meta.FindStatusCondition(record.Status.Conditions, v1alpha1.ConditionStalled); stalled == nil || stalled.Reason != v1alpha1.ReasonUploadLost {
			return fmt.Errorf("status is %+v", record.Status)
		}
		return nil
	})
	w.run(t, "", "-n", tenant, "delete", "mpu", "restored", "--timeout=60s")
}

// testRemoval follows docs/install.md, and then looks for what is left: nothing but the files.
func (w *world) testRemoval(t *testing.T) {
	files := w.files(t)
	w.run(t, "", "delete", "multipartuploads", "--all", "--all-namespaces", "--timeout=120s")
	w.run(t, "", "delete", "filestores", "--all", "--timeout=120s")
	gone := w.run(t, "", "delete", "validatingadmissionpolicybindings,validatingadmissionpolicies", "--selector=app.kubernetes.io/name=iotfile-operator", "--timeout=120s")
	if strings.Count(gone, "deleted") != 6 {
		t.Errorf("policies and bindings that went: %s", gone)
	}
	installation := w.installation(t)
	w.stopOperator(t) // with its Deployment
	w.run(t, installation, "delete", "--ignore-not-found", "-f", "-", "--timeout=120s")
	w.run(t, "", "annotate", "namespaces", "--all", v1alpha1.AnnotationNamespaceStore+"-")
	w.expectNothingLeft(t)
	if open := w.openInStore(t); len(open) != 0 {
		t.Errorf("open in object storage: %q", open)
	}
	if after := w.files(t); !slices.Equal(files, after) || len(files) < 4 {
		t.Errorf("files before the removal: %q, after: %q", files, after)
	}
}

// files are the keys of all files.
func (w *world) files(t *testing.T) []string {
	t.Helper()
	var keys []string
	for object := range w.s3.Client.ListObjects(t.Context(), bucket, minio.ListObjectsOptions{Prefix: prefix + tenant + "/", Recursive: true}) {
		check(t, object.Err)
		keys = append(keys, object.Key)
	}
	return keys
}

// expectNothingLeft searches all objects of the cluster for the operator's name. A tenant's own
// namespace, and what is in it, the tenant's owner removes.
func (w *world) expectNothingLeft(t *testing.T) {
	t.Helper()
	var kinds []schema.GroupVersionKind
	lists, err := discovery.NewDiscoveryClientForConfigOrDie(w.plane.RESTConfig()).ServerPreferredResources()
	check(t, err)
	for _, list := range lists {
		group, err := schema.ParseGroupVersion(list.GroupVersion)
		check(t, err)
		if group.Group == v1alpha1.GroupVersion.Group {
			t.Errorf("the API server still serves %v", list)
		}
		for _, resource := range list.APIResources {
			if slices.Contains(resource.Verbs, "list") && resource.Kind != "Event" {
				kinds = append(kinds, group.WithKind(resource.Kind))
			}
		}
	}
	searched := map[string]int{}
	for _, kind := range kinds {
		objects := &unstructured.UnstructuredList{}
		objects.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
		check(t, w.admin.List(t.Context(), objects))
		for _, object := range objects.Items {
			searched[kind.Kind]++
			if object.GetNamespace() == tenant || object.GetName() == tenant {
				continue
			}
			object.SetManagedFields(nil)
			text, err := object.MarshalJSON()
			check(t, err)
			if kind.Kind != "ClusterRole" && strings.Contains(string(text), "iotfile") || strings.Contains(object.GetName()+object.GetNamespace(), "iotfile") {
				t.Errorf("left behind: %s", text)
			}
		}
	}
	if searched["Namespace"] == 0 || searched["ClusterRole"] == 0 || searched["ServiceAccount"] == 0 {
		t.Errorf("nothing is proved by what was searched: %v", searched)
	}
	t.Logf("searched %d objects of %d kinds", sum(searched), len(kinds))
	eventually(t, "the cluster's own roles know the kinds no more", func() error { // a controller takes them out
		for _, name := range []string{"view", "edit", "admin"} {
			role := &rbacv1.ClusterRole{}
			if err := w.admin.Get(t.Context(), client.ObjectKey{Name: name}, role); err != nil {
				return err
			}
			for _, rule := range role.Rules {
				if slices.Contains(rule.APIGroups, v1alpha1.GroupVersion.Group) {
					return fmt.Errorf("%s: %v", name, rule)
				}
			}
		}
		return nil
	})
}

func sum(counts map[string]int) int {
	total := 0
	for n := range maps.Values(counts) {
		total += n
	}
	return total
}

// testRemovalInTheWrongOrder takes the operator away first. What is open then waits, and says so;
// an operator that is installed again ends it, and all goes.
func (w *world) testRemovalInTheWrongOrder(t *testing.T) {
	w.apply(t, w.installation(t))
	w.established(t)
	w.startOperator(t)
	w.apply(t, w.installation(t))
	w.waitForAdmission(t)
	w.apply(t, w.render(t, "gitops/tenants/team-a"))
	w.apply(t, w.fileStore())
	w.run(t, "", "wait", "--for=condition=Ready", "--timeout=120s", "filestore/"+storeName)
	w.apply(t, w.render(t, "gitops/apps/team-a"))
	w.run(t, "", "-n", tenant, "wait", "--for=condition=Initiated", "--timeout=120s", "mpu/firmware-v2")
	installation := w.installation(t)
	w.stopOperator(t)

	w.run(t, installation, "delete", "-f", "-", "--wait=false")
	eventually(t, "the upload is being deleted", func() error {
		if u := w.get(t, "firmware-v2"); u == nil || u.DeletionTimestamp == nil {
			return fmt.Errorf("%+v", u)
		}
		return nil
	})
	w.run(t, "", "wait", "--for=delete", "--timeout=120s", "namespace/"+namespace)
	if u := w.get(t, "firmware-v2"); u == nil || !slices.Contains(u.Finalizers, v1alpha1.FinalizerAbortUpload) {
		t.Fatalf("nobody has aborted the upload, and yet its record is %+v", u)
	}
	if open := w.openInStore(t); len(open) != 1 {
		t.Errorf("open in object storage: %q", open)
	}
	if out, err := w.try(t, "", "get", "crd", "multipartuploads.iotfile.dev", "-o", "jsonpath={.status.conditions[?(@.type==\"Terminating\")].message}"); err != nil || out == "" {
		t.Errorf("the kind does not say that it waits: %v %s", err, out)
	}

	// Installed again, with the keys, which went with the namespace.
	w.apply(t, w.installation(t))
	secret, _, _ := strings.Cut(w.fileStore(), "---")
	w.apply(t, secret)
	w.startOperator(t)
	w.run(t, "", "wait", "--for=delete", "--timeout=120s", "crd/multipartuploads.iotfile.dev", "crd/filestores.iotfile.dev")
	w.stopOperator(t)
	w.run(t, w.installation(t), "delete", "--ignore-not-found", "-f", "-", "--timeout=120s")
	w.expectNothingLeft(t)
	if open := w.openInStore(t); len(open) != 0 {
		t.Errorf("open in object storage: %q", open)
	}
}
