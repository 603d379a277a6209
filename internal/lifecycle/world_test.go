// Package lifecycle installs, upgrades, re-applies and removes the operator as a platform team
// does, with kubectl and the manifests of config/, on a real control plane and a real object store.
// No kubelet is there: where the Deployment's pods would run, the built operator runs, under the
// service account and the roles that the manifests make.
package lifecycle

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

const (
	timeout   = 2 * time.Minute
	bucket    = "iotfile"
	namespace = devcluster.OperatorNamespace
	// manager is who applies manifests, as an agent of GitOps does.
	manager = "kustomize-controller"
	// smallest is the smallest part that is not the last.
	smallest = 5 << 20
)

// world is a cluster without nodes, an object store, and the operator, if it runs.
type world struct {
	plane    *devcluster.ControlPlane
	store    *devcluster.ObjectStore
	s3       *minio.Core
	admin    client.Client
	kubectl  string
	binary   string
	dir      string
	root     string
	operator *devcluster.Operator
}

// newCluster starts a cluster alone: no store, no operator, no kinds.
func newCluster(t *testing.T) *world {
	t.Helper()
	log.SetLogger(logr.Discard())
	w := &world{dir: t.TempDir()}
	var err error
	w.root, err = devcluster.ModuleRoot()
	check(t, err)
	w.kubectl, err = devcluster.FindTool(t.Context(), t.Output(), devcluster.Kubectl)
	check(t, err)
	w.plane, err = devcluster.StartControlPlane(t.Context(), devcluster.ControlPlaneOptions{
		Dir: filepath.Join(w.dir, "control-plane"), ControllerManager: true, UnsafeNoFsync: true, Log: t.Output(),
	})
	check(t, err)
	t.Cleanup(func() { check(t, w.plane.Stop()) })
	scheme := runtime.NewScheme()
	check(t, errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)))
	w.admin, err = client.New(w.plane.RESTConfig(), client.Options{Scheme: scheme})
	check(t, err)
	return w
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := newCluster(t)
	var err error
	w.store, err = devcluster.StartObjectStore(t.Context(), devcluster.StoreVersityGW, devcluster.ObjectStoreOptions{Dir: filepath.Join(w.dir, "store"), Log: t.Output()})
	check(t, err)
	t.Cleanup(func() { check(t, w.store.Stop()) })
	check(t, w.store.CreateBucket(t.Context(), bucket))
	w.s3, err = minio.NewCore(strings.TrimPrefix(w.store.Endpoint, "http://"), &minio.Options{
		Creds: credentials.NewStaticV4(w.store.AccessKey, w.store.SecretKey, ""), Region: w.store.Region, BucketLookup: minio.BucketLookupPath,
	})
	check(t, err)
	w.binary = filepath.Join(w.dir, "operator-binary")
	check(t, devcluster.BuildOperator(t.Context(), t.Output(), w.binary))
	t.Cleanup(func() { w.stopOperator(t) })
	return w
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// startOperator plays the Deployment.
func (w *world) startOperator(t *testing.T) {
	t.Helper()
	kubeconfig, err := w.plane.ServiceAccountKubeconfig(t.Context(), namespace, "iotfile-operator")
	check(t, err)
	w.operator, err = devcluster.StartOperator(t.Context(), devcluster.OperatorOptions{
		Binary: w.binary, Dir: filepath.Join(w.dir, "operator"), Kubeconfig: kubeconfig, LeaderElect: true, Webhooks: true,
	})
	check(t, err)
}

func (w *world) stopOperator(t *testing.T) {
	t.Helper()
	if w.operator != nil {
		check(t, w.operator.Stop())
		w.operator = nil
	}
}

// run runs kubectl as an administrator.
func (w *world) run(t *testing.T, stdin string, arguments ...string) string {
	t.Helper()
	out, err := w.try(t, stdin, arguments...)
	if err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(arguments, " "), err, out)
	}
	return out
}

func (w *world) try(t *testing.T, stdin string, arguments ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, w.kubectl, append([]string{"--kubeconfig", w.plane.Kubeconfig}, arguments...)...)
	cmd.Stdin = strings.NewReader(stdin)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// apply applies manifests as Flux and Argo CD do: on the server, and by force where somebody else
// has a field that a manifest has, too.
func (w *world) apply(t *testing.T, manifests string) {
	t.Helper()
	w.run(t, manifests, "apply", "--server-side", "--force-conflicts", "--field-manager="+manager, "-f", "-")
}

// render builds a directory of config/.
func (w *world) render(t *testing.T, dir string) string {
	t.Helper()
	return w.run(t, "", "kustomize", filepath.Join(w.root, "config", dir))
}

// installation is config/default as it is applied here: there is no network of Services, so the API
// server calls the webhooks by URL. While no operator runs, they are left out.
func (w *world) installation(t *testing.T) string {
	t.Helper()
	var out strings.Builder
	for _, object := range decode(t, w.render(t, "default")) {
		if strings.HasSuffix(object.GetKind(), "WebhookConfiguration") {
			if w.operator == nil {
				continue
			}
			for _, hook := range object.Object["webhooks"].([]any) {
				config := hook.(map[string]any)["clientConfig"].(map[string]any)
				config["url"] = w.operator.WebhookURL + config["service"].(map[string]any)["path"].(string)
				delete(config, "service")
			}
		}
		text, err := object.MarshalJSON()
		check(t, err)
		out.WriteString("---\n" + string(text))
	}
	return out.String()
}

// waitForAdmission waits until the webhooks are called and trusted.
func (w *world) waitForAdmission(t *testing.T) {
	t.Helper()
	refused := "apiVersion: iotfile.dev/v1alpha1\nkind: MultipartUpload\nmetadata: {name: refused, namespace: default}\n" +
		"spec: {entityID: 0123456789abcdef0123456789abcdef, path: refused, storeName: none}\n"
	eventually(t, "the API server asks the webhooks", func() error {
		if out, err := w.try(t, refused, "apply", "--dry-run=server", "-f", "-"); err == nil || !strings.Contains(out, `the FileStore "none" does not exist`) {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	})
}

func decode(t *testing.T, documents string) []*unstructured.Unstructured {
	t.Helper()
	decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(documents), 4096)
	var objects []*unstructured.Unstructured
	for {
		object := &unstructured.Unstructured{}
		switch err := decoder.Decode(object); {
		case errors.Is(err, io.EOF):
			return objects
		case err != nil:
			t.Fatal(err)
		}
		if len(object.Object) > 0 {
			objects = append(objects, object)
		}
	}
}

var eventually = testkit.EventuallyThat

// get reads an upload; nil if it is gone.
func (w *world) get(t *testing.T, name string) *v1alpha1.MultipartUpload {
	t.Helper()
	u := &v1alpha1.MultipartUpload{}
	err := w.admin.Get(t.Context(), client.ObjectKey{Namespace: tenant, Name: name}, u)
	if apierrors.IsNotFound(err) {
		return nil
	}
	check(t, err)
	return u
}

// rest sends a request of the tenant's workload, again while the operator has no answer yet, and
// returns the body of the answer that has the status.
func (w *world) rest(t *testing.T, token string, status int, method, path string, body []byte) []byte {
	t.Helper()
	var data []byte
	eventually(t, method+" "+path, func() error {
		var reader io.Reader
		if body != nil {
			reader = bytes.NewReader(body)
		}
		req, err := http.NewRequestWithContext(t.Context(), method, w.operator.URL+"/api/iotfile/v3/files/"+path, reader)
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+token)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer func() { _ = res.Body.Close() }()
		if data, err = io.ReadAll(res.Body); err != nil {
			return err
		}
		if res.StatusCode != status {
			return fmt.Errorf("%d %s", res.StatusCode, data)
		}
		return nil
	})
	return data
}

// openInStore are the ids of the uploads that object storage has open.
func (w *world) openInStore(t *testing.T) []string {
	t.Helper()
	result, err := w.s3.ListMultipartUploads(t.Context(), bucket, "", "", "", "", 1000)
	check(t, err)
	var ids []string
	for _, u := range result.Uploads {
		ids = append(ids, u.UploadID)
	}
	return ids
}

// content is the file at a key of the bucket.
func (w *world) content(t *testing.T, key string) []byte {
	t.Helper()
	body, _, _, err := w.s3.GetObject(t.Context(), bucket, key, minio.GetObjectOptions{})
	check(t, err)
	defer func() { _ = body.Close() }()
	data, err := io.ReadAll(body)
	check(t, err)
	return data
}
