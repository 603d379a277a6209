package v1alpha1_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

// testCreatedByIsNotForgeable creates uploads as several users, with and without saying who asked
// for them.
func testCreatedByIsNotForgeable(t *testing.T) {
	namespace, fs := tenant(t, nil), store(t, nil)
	for i, c := range []struct{ user, says, want string }{
		{"alice", "", "alice"},
		{"alice", "bob", "alice"},
		{"system:serviceaccount:tenant:app", operatorUser, "system:serviceaccount:tenant:app"},
		{operatorUser, "bob", "bob"}, // it is not even called
		{otherDataPlane, "bob", "bob"},
		{otherDataPlane, "", otherDataPlane},
		{"system:serviceaccount:" + namespace + ":iotfile-operator", "bob", "system:serviceaccount:" + namespace + ":iotfile-operator"},
		{strings.Repeat("é", 512), "bob", strings.Repeat("é", 512)},
	} {
		u := newUpload(namespace, fmt.Sprintf("createdby/%d.bin", i))
		u.Spec.StoreName, u.Spec.CreatedBy = fs.Name, c.says
		if err := as(t, c.user).Create(t.Context(), u); err != nil {
			t.Errorf("%s: %v", c.user, err)
			continue
		}
		if u.Spec.CreatedBy != c.want {
			t.Errorf("%s says %q: createdBy is %q, want %q", c.user, c.says, u.Spec.CreatedBy, c.want)
		}
		u.Spec.CreatedBy = "mallory"
		if err := as(t, c.user).Update(t.Context(), u); !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "createdBy is immutable") {
			t.Errorf("a change of createdBy by %s is answered with %v", c.user, err)
		}
	}
	u := newUpload(namespace, "createdby/long.bin")
	u.Spec.StoreName = fs.Name
	err := as(t, strings.Repeat("x", 513)).Create(t.Context(), u)
	refused(t, err, "UserNameTooLong", "your user name has 513 characters, and spec.createdBy, which records it, takes 512")
}

func testStoreIsResolved(t *testing.T) {
	fs := store(t, nil)
	annotated := tenant(t, nil)
	patch := fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, v1alpha1.AnnotationNamespaceStore, fs.Name)
	ns := &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"}, ObjectMeta: metav1.ObjectMeta{Name: annotated}}
	if err := world.admin.Patch(t.Context(), ns, client.RawPatch("application/merge-patch+json", []byte(patch))); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, func() error {
		u := newUpload(annotated, "default.bin")
		if err := world.admin.Create(t.Context(), u, client.DryRunAll); err != nil {
			return err
		}
		if u.Spec.StoreName != fs.Name {
			return fmt.Errorf("storeName is %q", u.Spec.StoreName)
		}
		return nil
	})
}

// testManifestStaysAsWritten: admission fills in its fields and rewrites no others, not even into
// another way to say the same, or agents of GitOps would apply a manifest again and again.
func testManifestStaysAsWritten(t *testing.T) {
	spec := map[string]any{"storeName": store(t, nil).Name, "entityID": entity, "path": "as-written.bin", "ttl": "72h", "timestamp": "2026-01-02T03:04:05+01:00"}
	u := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	u.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("MultipartUpload"))
	u.SetNamespace(tenant(t, nil))
	u.SetName("as-written")
	want := map[string]any{"contentType": "application/octet-stream", "desiredState": "Uploading"} // by the schema
	maps.Copy(want, spec)
	create(t, u)
	got, _, err := unstructured.NestedMap(u.Object, "spec")
	if err != nil {
		t.Fatal(err)
	}
	want["createdBy"] = "devcluster-admin"
	requested, err := time.Parse(time.RFC3339, fmt.Sprint(got["requestTime"]))
	if err != nil || time.Since(requested).Abs() > time.Hour {
		t.Errorf("asked for at %v", got["requestTime"])
	}
	delete(got, "requestTime")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the spec (-written +stored):\n%s", diff)
	}
}

// testRefusals has every reason for which an upload is refused, with its message.
func testRefusals(t *testing.T) {
	production := store(t, func(fs *v1alpha1.FileStore) {
		fs.Spec.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"stage": "production"}}
	})
	prefixed := store(t, func(fs *v1alpha1.FileStore) { fs.Spec.Prefix = strings.Repeat("p", 100) + "/" })
	capped := store(t, func(fs *v1alpha1.FileStore) {
		fs.Spec.Limits = &v1alpha1.FileStoreLimits{MaxOpenUploadsPerNamespace: ptr.To(int32(2))}
	})
	plain := store(t, nil)
	namespace, produces := tenant(t, nil), tenant(t, map[string]string{"stage": "production"})
	attempt := func(namespace, path, store string) error {
		u := newUpload(namespace, path)
		u.Spec.StoreName = store
		return world.admin.Create(t.Context(), u)
	}

	refused(t, attempt(namespace, "a.bin", "none"), v1alpha1.ReasonStoreNotFound, `the FileStore "none" does not exist`)
	refused(t, attempt(namespace, "a.bin", production.Name), v1alpha1.ReasonStoreNotAllowed,
		fmt.Sprintf("the FileStore %q does not take this namespace: its namespaceSelector is stage=production", production.Name))
	if err := attempt(produces, "a.bin", production.Name); err != nil {
		t.Error(err)
	}
	refused(t, attempt(namespace, strings.Repeat("x", 900), prefixed.Name), v1alpha1.ReasonInvalidKey, "the file path is too long: with its prefix it has")

	first := newUpload(namespace, "busy.bin")
	first.Spec.StoreName = plain.Name
	create(t, first)
	busy := fmt.Sprintf("the upload %q of the same file is open: complete, abort or delete it first", first.Name)
	testkit.Eventually(t, func() error {
		return refusal(attempt(namespace, "busy.bin", plain.Name), v1alpha1.ReasonFileBusy, busy)
	})
	// Whatever the store: it is one file to those who read it.
	refused(t, attempt(namespace, "busy.bin", capped.Name), v1alpha1.ReasonFileBusy, busy)
	if err := attempt(produces, "busy.bin", plain.Name); err != nil {
		t.Errorf("the same path in another namespace: %v", err)
	}
	if err := world.admin.Delete(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	// At once, although the cache may not know yet: before it refuses, the webhook asks the API
	// server.
	if err := attempt(namespace, "busy.bin", plain.Name); err != nil {
		t.Errorf("after the first is gone: %v", err)
	}

	for _, path := range []string{"1.bin", "2.bin"} {
		if err := attempt(namespace, path, capped.Name); err != nil {
			t.Fatal(err)
		}
	}
	full := fmt.Sprintf("the namespace has as many uploads open in the FileStore %q as it allows, 2 (limits.maxOpenUploadsPerNamespace): complete or abort one first", capped.Name)
	testkit.Eventually(t, func() error {
		u := newUpload(namespace, "3.bin")
		u.Spec.StoreName = capped.Name
		return refusal(world.admin.Create(t.Context(), u, client.DryRunAll), v1alpha1.ReasonTooManyOpenUploads, full)
	})
	if err := attempt(produces, "3.bin", capped.Name); err != nil {
		t.Errorf("another namespace: %v", err)
	}

	brief := store(t, func(fs *v1alpha1.FileStore) {
		fs.Spec.Limits = &v1alpha1.FileStoreLimits{MaxUploadTTL: &metav1.Duration{Duration: 72 * time.Hour}}
	})
	for ttl, tooLong := range map[time.Duration]bool{72 * time.Hour: false, 8760 * time.Hour: true} {
		u := newUpload(namespace, "ttl.bin")
		u.Spec.StoreName, u.Spec.TTL = brief.Name, &metav1.Duration{Duration: ttl}
		switch err := world.admin.Create(t.Context(), u, client.DryRunAll); {
		case tooLong:
			refused(t, err, v1alpha1.ReasonMaxUploadTTL, fmt.Sprintf("spec.ttl is 8760h0m0s, and the FileStore %q allows 72h0m0s (limits.maxUploadTTL)", brief.Name))
		case err != nil:
			t.Error(err)
		}
	}
}

// testNoStoreAtAll is for a namespace that nobody has given a store.
func testNoStoreAtAll(t *testing.T) {
	refused(t, world.admin.Create(t.Context(), newUpload(tenant(t, nil), "a.bin")), v1alpha1.ReasonStoreNotFound,
		"no store is named and there is no default one: annotate a FileStore with iotfile.dev/is-default-store=true, or the namespace with iotfile.dev/store=NAME")
}

// refused checks that err is a refusal for a reason, with a message.
func refused(t *testing.T, err error, reason, message string) {
	t.Helper()
	if err := refusal(err, reason, message); err != nil {
		t.Error(err)
	}
}

func refusal(err error, reason, message string) error {
	switch {
	case err == nil:
		return fmt.Errorf("admitted, want the refusal %s", reason)
	case !apierrors.IsForbidden(err) || !apierrors.HasStatusCause(err, metav1.CauseType(reason)) || !strings.Contains(err.Error(), message):
		return fmt.Errorf("refused with %w\nwant %s: %s", err, reason, message)
	}
	return nil
}
