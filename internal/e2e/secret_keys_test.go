package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// handedOut is a FileStore of docs/examples on a bucket of the tenant's store, and the Secret that
// it names. The provisioner is played by the test: it writes the Secret as that does.
type handedOut struct {
	*tenant
	store  *v1alpha1.FileStore
	secret types.NamespacedName
}

// handOut reads the example, and applies of it what this cluster has the kinds for.
func handOut(t *testing.T, tn *tenant, example string) *handedOut {
	t.Helper()
	root, err := devcluster.ModuleRoot()
	check(t, err)
	data, err := os.ReadFile(filepath.Join(root, "docs", "examples", example))
	check(t, err)
	h := &handedOut{store: &v1alpha1.FileStore{}}
	for document := range strings.SplitSeq(string(data), "\n---\n") {
		var kind metav1.TypeMeta
		check(t, yaml.Unmarshal([]byte(document), &kind))
		switch {
		case kind.Kind == "FileStore":
			check(t, yaml.UnmarshalStrict([]byte(document), h.store))
		case strings.HasPrefix(kind.APIVersion, "admissionregistration.k8s.io/"):
			object := &unstructured.Unstructured{}
			check(t, yaml.Unmarshal([]byte(document), &object.Object))
			err := system.kube.Create(t.Context(), object)
			if meta.IsNoMatchError(err) && oldestKubernetes {
				t.Skipf("the lowest Kubernetes that is supported has no %s, as docs/object-stores.md says", object.GetKind())
			}
			check(t, err)
			deleteAtTheEnd(t, object)
		}
	}
	name := "handed-" + tn.newFile("").entity[:12]
	check(t, tn.store.CreateBucket(t.Context(), name))
	h.store.Spec.Endpoint, h.store.Spec.Region, h.store.Spec.Bucket = tn.store.Endpoint, tn.store.Region, name
	h.secret = types.NamespacedName{Namespace: devcluster.OperatorNamespace, Name: h.store.Spec.Credentials.SecretRef.Name}
	check(t, createNamespace(t.Context(), name, map[string]string{v1alpha1.AnnotationNamespaceStore: h.store.Name}))
	token, err := system.plane.ApplicationToken(t.Context(), name, "app", time.Hour)
	check(t, err)
	h.tenant = &tenant{namespace: name, store: tn.store, s3: tn.s3, token: token}
	check(t, system.kube.Create(t.Context(), h.store))
	deleteAtTheEnd(t, h.store)
	deleteAtTheEnd(t, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: h.secret.Namespace, Name: h.secret.Name}})
	deleteAtTheEnd(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	return h
}

// deleteAtTheEnd deletes an object when the test ends, and waits until it is gone.
func deleteAtTheEnd(t *testing.T, object client.Object) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	t.Cleanup(func() {
		check(t, client.IgnoreNotFound(system.kube.Delete(ctx, object)))
		eventually(t, "it is gone", func() error {
			err := system.kube.Get(ctx, client.ObjectKeyFromObject(object), object)
			if err == nil {
				return fmt.Errorf("%s is still there", object.GetName())
			}
			return client.IgnoreNotFound(err)
		})
	})
}

// consented waits until the API server's policy adds the consent to the Secret: it begins to hold
// some moments after it was made.
func (h *handedOut) consented(t *testing.T) {
	t.Helper()
	eventually(t, "the policy holds", func() error {
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: h.secret.Namespace, Name: h.secret.Name}}
		if err := system.kube.Create(t.Context(), secret, client.DryRunAll); err != nil {
			return err
		}
		if secret.Annotations[v1alpha1.AnnotationStores] != h.store.Name {
			return fmt.Errorf("the Secret has %v", secret.Annotations)
		}
		return nil
	})
}

// write has the provisioner write its Secret: the whole, with no annotation.
func (h *handedOut) write(t *testing.T, data map[string]string) {
	t.Helper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: h.secret.Namespace, Name: h.secret.Name}, StringData: data}
	err := system.kube.Create(t.Context(), secret)
	if err != nil {
		secret = &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: h.secret.Namespace, Name: h.secret.Name}, StringData: data}
		err = system.kube.Update(t.Context(), secret)
	}
	check(t, err)
}

// expect waits until the FileStore says so.
func (h *handedOut) expect(t *testing.T, reason, part string) {
	t.Helper()
	eventually(t, "the FileStore says "+reason+", "+part, func() error {
		if err := system.kube.Get(t.Context(), client.ObjectKeyFromObject(h.store), h.store); err != nil {
			return err
		}
		c := meta.FindStatusCondition(h.store.Status.Conditions, v1alpha1.ConditionReady)
		if c == nil || c.Reason != reason || !strings.Contains(c.Message, part) {
			return fmt.Errorf("it is %+v", c)
		}
		return nil
	})
}

// sendAndRead sends a file in parts and reads it back.
func (h *handedOut) sendAndRead(t *testing.T) {
	t.Helper()
	f, content := h.newFile("a.bin"), random(partSize+1)
	eventually(t, "an upload starts", func() error {
		a, err := f.do(t.Context(), http.MethodPut, f.url("files", "?upload=start"), nil)
		if err == nil && a.status != 201 {
			err = fmt.Errorf("%d %s", a.status, a.body)
		}
		return err
	})
	f.must(t, 201, http.MethodPut, "?part=1", content[:partSize])
	f.must(t, 201, http.MethodPut, "?upload=complete", content[partSize:])
	if a := f.must(t, 200, http.MethodGet, "", nil); sha256.Sum256(a.body) != sha256.Sum256(content) {
		t.Errorf("%d bytes became %d others", len(content), len(a.body))
	}
}

// TestRookSecret uses the Secret of an ObjectBucketClaim with the manifest that docs/examples
// shows, over what Rook does to it: the Secret is written again as a whole at each of Rook's
// starts.
func TestRookSecret(t *testing.T) {
	onEachStore(t, func(t *testing.T, tn *tenant) {
		h := handOut(t, tn, "rook.yaml")
		keys := map[string]string{"AWS_ACCESS_KEY_ID": tn.store.AccessKey, "AWS_SECRET_ACCESS_KEY": tn.store.SecretKey}
		h.expect(t, v1alpha1.ReasonSecretNotFound, "there is no Secret")
		h.consented(t)
		h.write(t, keys)
		h.expect(t, v1alpha1.ReasonProbed, "")
		h.sendAndRead(t)
		for range 2 {
			h.write(t, keys)
			h.sendAndRead(t)
		}
		h.write(t, map[string]string{"AWS_ACCESS_KEY_ID": tn.store.AccessKey, "AWS_SECRET_ACCESS_KEY": "another-key-of-rook"})
		remember("another-key-of-rook")
		h.expect(t, v1alpha1.ReasonAccessDenied, "")
		h.write(t, keys)
		h.expect(t, v1alpha1.ReasonProbed, "")
		h.sendAndRead(t)
		// As if the keys had another spelling: the message has what somebody needs to correct it.
		h.write(t, map[string]string{"AWS_ACCESS_KEY_ID": tn.store.AccessKey, "AWS_SECRET_KEY": tn.store.SecretKey})
		h.expect(t, v1alpha1.ReasonSecretNotFound, `key "AWS_SECRET_ACCESS_KEY" of Secret `+h.secret.String()+` is missing or empty; it has the keys "AWS_ACCESS_KEY_ID", "AWS_SECRET_KEY"`)
		before := h.store.DeepCopy()
		h.store.Spec.Credentials.SecretRef.Keys.SecretAccessKey = "AWS_SECRET_KEY"
		check(t, system.kube.Patch(t.Context(), h.store, client.MergeFrom(before)))
		h.expect(t, v1alpha1.ReasonProbed, "")
		h.sendAndRead(t)
	})
}

// TestCOSISecret is the same for the BucketInfo of a BucketAccess, whose Secret is annotated by
// hand.
func TestCOSISecret(t *testing.T) {
	onEachStore(t, func(t *testing.T, tn *tenant) {
		h := handOut(t, tn, "cosi.yaml")
		info, err := json.Marshal(map[string]any{
			"metadata": map[string]any{"name": "bc-0f5c1e0a", "creationTimestamp": nil},
			"spec": map[string]any{
				"bucketName": h.store.Spec.Bucket, "authenticationType": "Key", "secretAzure": nil, "protocols": []string{"S3"},
				"secretS3": map[string]any{"endpoint": tn.store.Endpoint, "region": tn.store.Region, "accessKeyID": tn.store.AccessKey, "accessSecretKey": tn.store.SecretKey},
			},
		})
		check(t, err)
		h.write(t, map[string]string{"BucketInfo": string(info)})
		h.expect(t, v1alpha1.ReasonSecretWithoutConsent, "kubectl annotate secret -n "+h.secret.Namespace+" "+h.secret.Name+" iotfile.dev/stores="+h.store.Name)
		h.kubectl(t, "", "annotate", "secret", "-n", h.secret.Namespace, h.secret.Name, v1alpha1.AnnotationStores+"="+h.store.Name)
		h.expect(t, v1alpha1.ReasonProbed, "")
		h.sendAndRead(t)
		for broken, part := range map[string]string{
			string(info[:len(info)-9]): "is not JSON",
			`{"spec":{"protocols":["Azure"],"secretAzure":{"accessToken":"a-token-for-azure"}}}`: "has no spec.secretS3",
		} {
			h.patch(t, broken)
			h.expect(t, v1alpha1.ReasonSecretNotFound, part)
		}
		remember("a-token-for-azure")
		h.patch(t, string(info))
		h.expect(t, v1alpha1.ReasonProbed, "")
		h.sendAndRead(t)
	})
}

// patch changes the BucketInfo, and leaves the annotation.
func (h *handedOut) patch(t *testing.T, info string) {
	t.Helper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: h.secret.Namespace, Name: h.secret.Name}}
	data, err := json.Marshal(map[string]any{"stringData": map[string]string{"BucketInfo": info}})
	check(t, err)
	check(t, system.kube.Patch(t.Context(), secret, client.RawPatch(types.MergePatchType, data)))
}
