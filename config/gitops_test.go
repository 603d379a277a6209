package config_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// gitOpsKinds stand for those of Flux, Argo CD and the External Secrets operator, which are not
// here. Their contents are not judged.
var gitOpsKinds = kindsWithoutRules(
	[4]string{"source.toolkit.fluxcd.io", "v1", "GitRepository", "gitrepositories"},
	[4]string{"kustomize.toolkit.fluxcd.io", "v1", "Kustomization", "kustomizations"},
	[4]string{"argoproj.io", "v1alpha1", "AppProject", "appprojects"},
	[4]string{"argoproj.io", "v1alpha1", "Application", "applications"},
	[4]string{"external-secrets.io", "v1", "ExternalSecret", "externalsecrets"},
)

// testGitOpsApplies has the API server judge the samples for GitOps, and has the tenant's own
// account apply the tenant's own manifests, and no others.
func (c *cluster) testGitOpsApplies(t *testing.T) {
	c.run(t, strings.NewReader(gitOpsKinds), "apply", "--server-side", "-f", "-")
	c.run(t, nil, "wait", "--for=condition=Established", "--timeout=30s", "crd", "--all")
	c.apply(t, "gitops/tenants/team-a")
	for _, namespace := range []string{"flux-system", "argocd"} {
		c.run(t, nil, "create", "namespace", namespace)
	}
	for _, dir := range []string{"gitops/flux", "gitops/argocd", "gitops/stores/sops", "gitops/stores/external-secrets", "gitops/apps/team-a"} {
		c.dryRun(t, dir, c.render(t, dir))
	}
	const deployer = "system:serviceaccount:team-a:deployer"
	c.expectRight(t, true, deployer, "create", "iotfile.dev", "multipartuploads", "team-a")
	c.expectRight(t, true, deployer, "create", "iotfile.dev", "files", "team-a")
	c.run(t, nil, "apply", "--server-side", "--as", deployer, "-k", "gitops/apps/team-a")
	c.expectRight(t, true, "system:serviceaccount:team-a:app", "update", "iotfile.dev", "files", "team-a")
	for _, right := range [][4]string{
		{"create", "iotfile.dev", "filestores", ""},
		{"update", "", "namespaces", "team-a"},
		{"delete", "", "resourcequotas", "team-a"},
		{"get", "", "secrets", namespace},
		{"create", "iotfile.dev", "multipartuploads", "default"},
		{"patch", "iotfile.dev", "multipartuploads/status", "team-a"},
	} {
		if c.may(t, deployer, right[0], right[1], right[2], right[3]) {
			t.Errorf("the tenant's account may %q", right)
		}
	}
	c.run(t, nil, "delete", "--wait=false", "-k", "gitops/apps/team-a")
}

// testGitOpsNamesFit follows the names from one sample to the next.
func (c *cluster) testGitOpsNamesFit(t *testing.T) {
	want := []string{v1alpha1.SecretKeyAccessKeyID, v1alpha1.SecretKeySecretAccessKey}
	for _, dir := range []string{"gitops/stores/sops", "gitops/stores/external-secrets"} {
		rendered := c.render(t, dir)
		store := &v1alpha1.FileStore{}
		convert(t, find(t, rendered, "FileStore", "main"), store)
		var keys []string
		var in, consent string
		for _, object := range rendered {
			switch object.GetKind() {
			case "Secret":
				secret := &corev1.Secret{}
				convert(t, object, secret)
				in, consent = object.GetNamespace(), object.GetAnnotations()[v1alpha1.AnnotationStores]
				for key := range secret.StringData {
					keys = append(keys, key)
				}
			case "ExternalSecret":
				in = object.GetNamespace()
				consent, _, _ = unstructured.NestedString(object.Object, "spec", "target", "template", "metadata", "annotations", v1alpha1.AnnotationStores)
				if name, _, _ := unstructured.NestedString(object.Object, "spec", "target", "name"); name != object.GetName() {
					t.Errorf("%s: the Secret is called %s", dir, name)
				}
				for _, data := range nested(t, object, "spec", "data") {
					keys = append(keys, data.(map[string]any)["secretKey"].(string))
				}
			default:
				continue
			}
			if object.GetName() != store.Spec.Credentials.SecretRef.Name {
				t.Errorf("%s: the Secret is called %s, the FileStore names %s", dir, object.GetName(), store.Spec.Credentials.SecretRef.Name)
			}
		}
		if consent != store.Name {
			t.Errorf("%s: the Secret consents to %q", dir, consent)
		}
		slices.Sort(keys)
		if in != namespace || !slices.Equal(keys, want) {
			t.Errorf("%s: a Secret in namespace %q with the keys %q", dir, in, keys)
		}
	}
	tenant := find(t, c.render(t, "gitops/tenants/team-a"), "Namespace", "team-a")
	store := &v1alpha1.FileStore{}
	convert(t, find(t, c.render(t, "gitops/stores/sops"), "FileStore", tenant.GetAnnotations()[v1alpha1.AnnotationNamespaceStore]), store)
	for key, value := range store.Spec.NamespaceSelector.MatchLabels {
		if tenant.GetLabels()[key] != value {
			t.Errorf("the store does not take the tenant's namespace, which has the labels %v", tenant.GetLabels())
		}
	}
	paths := 0
	for _, dir := range []string{"gitops/flux", "gitops/argocd"} {
		for _, object := range c.render(t, dir) {
			for _, fields := range [][]string{{"spec", "path"}, {"spec", "source", "path"}} {
				path, found, _ := unstructured.NestedString(object.Object, fields...)
				if !found {
					continue
				}
				paths++
				if _, err := os.Stat(filepath.Join("..", path, "kustomization.yaml")); err != nil {
					t.Errorf("%s %s: %v", object.GetKind(), object.GetName(), err)
				}
			}
		}
	}
	if paths != 8 {
		t.Errorf("%d paths are named, want 4 by Flux and 4 by Argo CD", paths)
	}
}

// testGitOpsKeepsKinds renders what Flux and Argo CD make of the operator's manifests: with what
// keeps them from pruning the kinds, and all uploads with them.
func (c *cluster) testGitOpsKeepsKinds(t *testing.T) {
	for _, tool := range []struct {
		dir, kind, annotation, value string
		patches                      []string
	}{
		{"gitops/flux", "Kustomization", "kustomize.toolkit.fluxcd.io/prune", "disabled", []string{"spec", "patches"}},
		{"gitops/argocd", "Application", "argocd.argoproj.io/sync-options", "Prune=false,Delete=false", []string{"spec", "source", "kustomize", "patches"}},
	} {
		overlay := t.TempDir()
		base, err := filepath.Abs("overlays/production")
		if err != nil {
			t.Fatal(err)
		}
		if base, err = filepath.Rel(overlay, base); err != nil {
			t.Fatal(err)
		}
		patches := nested(t, find(t, c.render(t, tool.dir), tool.kind, "iotfile-operator"), tool.patches...)
		kustomization := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": []any{base}, "patches": patches,
		}}
		text, err := kustomization.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(overlay, "kustomization.yaml"), text, 0o600); err != nil {
			t.Fatal(err)
		}
		kinds := 0
		for _, object := range c.render(t, overlay) {
			if got := object.GetAnnotations()[tool.annotation]; (object.GetKind() == "CustomResourceDefinition") != (got == tool.value) {
				t.Errorf("%s: %s %s has %s=%q", tool.dir, object.GetKind(), object.GetName(), tool.annotation, got)
			}
			if object.GetKind() == "CustomResourceDefinition" {
				kinds++
			}
		}
		if kinds != 2 {
			t.Errorf("%s: %d kinds", tool.dir, kinds)
		}
	}
}

func nested(t *testing.T, object *unstructured.Unstructured, fields ...string) []any {
	t.Helper()
	list, found, err := unstructured.NestedSlice(object.Object, fields...)
	if err != nil || !found {
		t.Fatalf("%s %s has no %q: %v", object.GetKind(), object.GetName(), fields, err)
	}
	return list
}
