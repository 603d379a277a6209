package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// TestStoreTakenAway takes away what an open upload stands on, in the wrong order: whatever is
// missing, FileStore and namespace can be deleted within a bounded time, and say what keeps them
// until then.
func TestStoreTakenAway(t *testing.T) {
	useTestOptions(t, map[string]string{"finalizerTimeout": "3s"}, nil)
	onEachStore(t, func(t *testing.T, tn *tenant) {
		for what, takeAway := range map[string]func(*testing.T, *ownTenant){
			"nothing": func(*testing.T, *ownTenant) {},
			"secret": func(t *testing.T, own *ownTenant) {
				own.kubectl(t, "", "-n", devcluster.OperatorNamespace, "delete", "secret", own.name)
			},
			"bucket": func(t *testing.T, own *ownTenant) {
				if err := own.s3.RemoveBucketWithOptions(t.Context(), own.name, minio.RemoveBucketOptions{ForceDelete: own.store.Kind == devcluster.StoreMinIO}); err != nil {
					t.Skipf("%s does not delete a bucket in which uploads are open: %v", own.store.Kind, err)
				}
			},
		} {
			t.Run(what, func(t *testing.T) {
				t.Parallel()
				own := newOwnTenant(t, tn)
				f := own.newFile("stranded.bin")
				f.must(t, 201, http.MethodPut, "?upload=start", nil)
				f.must(t, 201, http.MethodPut, "?part=1", random(smallest))
				takeAway(t, own)
				own.kubectl(t, "", "delete", "filestore", own.name, "--wait=false")
				own.kubectl(t, "", "wait", "--for=condition=InUse", "filestore/"+own.name, "--timeout=120s")
				if shown := own.kubectl(t, "", "describe", "filestore", own.name); !strings.Contains(shown, "of which there are 1") {
					t.Errorf("kubectl describe does not say what keeps the store:\n%s", shown)
				}
				own.newFile("next.bin").must(t, 503, http.MethodPut, "?upload=start", nil)
				own.kubectl(t, "", "delete", "namespace", own.namespace, "--timeout=120s")
				own.kubectl(t, "", "wait", "--for=delete", "filestore/"+own.name, "--timeout=120s")
			})
		}
	})
}

// ownTenant is a namespace with a FileStore, a Secret and a bucket of its own, all of one name.
type ownTenant struct {
	*tenant
	name string
}

func newOwnTenant(t *testing.T, tn *tenant) *ownTenant {
	t.Helper()
	name := "own-" + tn.newFile("").entity[:12]
	if err := tn.store.CreateBucket(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	fs := &v1alpha1.FileStore{}
	if err := system.kube.Get(t.Context(), client.ObjectKey{Name: string(tn.store.Kind)}, fs); err != nil {
		t.Fatal(err)
	}
	fs.ObjectMeta = metav1.ObjectMeta{Name: name}
	fs.Spec.Bucket, fs.Spec.Credentials.SecretRef.Name = name, name
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: devcluster.OperatorNamespace, Name: name, Annotations: map[string]string{v1alpha1.AnnotationStores: name},
		},
		StringData: map[string]string{v1alpha1.SecretKeyAccessKeyID: tn.store.AccessKey, v1alpha1.SecretKeySecretAccessKey: tn.store.SecretKey},
	}
	for _, obj := range []client.Object{secret, fs} {
		if err := system.kube.Create(t.Context(), obj); err != nil {
			t.Fatal(err)
		}
	}
	if err := createNamespace(t.Context(), name, map[string]string{v1alpha1.AnnotationNamespaceStore: name}); err != nil {
		t.Fatal(err)
	}
	token, err := system.plane.ApplicationToken(t.Context(), name, "app", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	own := &ownTenant{tenant: &tenant{namespace: name, store: tn.store, s3: tn.s3, token: token}, name: name}
	own.kubectl(t, "", "wait", "--for=condition=Ready", "filestore/"+name, "--timeout=120s")
	eventually(t, "the namespace is served", func() error {
		a, err := own.newFile("missing").do(t.Context(), http.MethodGet, own.newFile("missing").url("files", ""), nil)
		if err == nil && a.status != 404 {
			err = fmt.Errorf("%d %s", a.status, a.body)
		}
		return err
	})
	return own
}
