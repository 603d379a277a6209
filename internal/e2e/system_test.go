// Package e2e runs the built operator binary against a real kube-apiserver, etcd and
// kube-controller-manager and two real object stores, and drives it from outside: plain HTTP,
// kubectl, and an S3 client that looks behind its back.
package e2e

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

// timeout is how long a state may take to be reached: generous, because machines are shared.
const timeout = 2 * time.Minute

// bucket is the bucket of every store.
const bucket = "iotfile"

// ownStoresBucket is on each object store, too: FileStores that tests make have prefixes of their
// own in it.
const ownStoresBucket = "own-stores"

// system is what TestMain starts: one operator that serves one tenant per object store.
var system struct {
	plane    *devcluster.ControlPlane
	operator *devcluster.Operator
	options  devcluster.OperatorOptions
	kube     client.Client
	kubectl  string
	tenants  []*tenant
}

// tenant is a namespace whose default FileStore is on one kind of object store.
type tenant struct {
	namespace string
	store     *devcluster.ObjectStore
	s3        *minio.Core
	// token is one of a service account that may read and write the files of the namespace.
	token string
}

func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		fmt.Println("these tests need a whole system: skipped with -short")
		return
	}
	code, err := runAll(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = 1
	}
	os.Exit(code)
}

func runAll(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "iotfile-e2e-")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	stop, err := start(dir)
	defer stop()
	if err != nil {
		return 0, err
	}
	code := m.Run()
	report, err := scanForSecrets()
	fmt.Fprintln(os.Stderr, "searched for", report)
	if err != nil {
		return 1, err
	}
	report, err = checkRights(wholeSuite() && code == 0)
	fmt.Fprintln(os.Stderr, report)
	if err != nil {
		return 1, err
	}
	if code != 0 {
		showLog(system.operator.LogPath)
	}
	return code, nil
}

// start brings everything up. stop is to be called whatever happened.
func start(dir string) (stop func(), err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Minute) // of which the first run builds the servers for most
	defer cancel()
	var stops []func()
	stop = func() {
		for i := len(stops) - 1; i >= 0; i-- {
			stops[i]()
		}
	}
	root, err := devcluster.ModuleRoot()
	if err != nil {
		return stop, err
	}
	system.plane, err = devcluster.StartControlPlane(ctx, devcluster.ControlPlaneOptions{
		Dir: filepath.Join(dir, "control-plane"), ControllerManager: true, UnsafeNoFsync: true, Log: os.Stderr,
		CRDDirs: []string{filepath.Join(root, "config", "crd", "bases")}, AuditUsers: []string{devcluster.OperatorUser},
	})
	if err != nil {
		return stop, err
	}
	stops = append(stops, func() { _ = system.plane.Stop() })
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return stop, err
	}
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return stop, err
	}
	if system.kube, err = client.New(system.plane.RESTConfig(), client.Options{Scheme: scheme}); err != nil {
		return stop, err
	}
	if system.kubectl, err = devcluster.FindTool(ctx, os.Stderr, devcluster.Kubectl); err != nil {
		return stop, err
	}
	kubeconfig, err := system.plane.OperatorKubeconfig(ctx)
	if err != nil {
		return stop, err
	}
	for namespace, kind := range map[string]devcluster.StoreKind{"default": devcluster.StoreVersityGW, "on-minio": devcluster.StoreMinIO} {
		store, err := devcluster.StartObjectStore(ctx, kind, devcluster.ObjectStoreOptions{Dir: filepath.Join(dir, string(kind)), Log: os.Stderr})
		if err != nil {
			return stop, err
		}
		stops = append(stops, func() { _ = store.Stop() })
		if err := addTenant(ctx, namespace, store); err != nil {
			return stop, err
		}
	}
	binary := filepath.Join(dir, "operator-binary")
	if err := devcluster.BuildOperator(ctx, os.Stderr, binary); err != nil {
		return stop, err
	}
	system.options = devcluster.OperatorOptions{
		Binary: binary, Dir: filepath.Join(dir, "operator"), Kubeconfig: kubeconfig, LeaderElect: true,
	}
	if system.operator, err = devcluster.StartOperator(ctx, system.options); err != nil {
		return stop, err
	}
	stops = append(stops, func() { _ = system.operator.Stop() })
	return stop, nil
}

func createNamespace(ctx context.Context, name string, annotations map[string]string) error {
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: annotations}}
	return client.IgnoreAlreadyExists(system.kube.Create(ctx, ns))
}

// addTenant makes the namespace and its FileStore. The first store is the default one; the others
// are named by an annotation.
func addTenant(ctx context.Context, namespace string, store *devcluster.ObjectStore) error {
	for _, name := range []string{bucket, ownStoresBucket} {
		if err := store.CreateBucket(ctx, name); err != nil {
			return err
		}
	}
	name := string(store.Kind)
	annotations := map[string]string{}
	fs := &v1alpha1.FileStore{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if namespace == "default" {
		fs.Annotations = map[string]string{v1alpha1.AnnotationDefaultStore: "true"}
	} else {
		annotations[v1alpha1.AnnotationNamespaceStore] = name
	}
	if err := createNamespace(ctx, namespace, annotations); err != nil {
		return err
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: devcluster.OperatorNamespace, Name: name,
			Annotations: map[string]string{v1alpha1.AnnotationStores: "*"}, // tests make further FileStores with it
		},
		StringData: map[string]string{v1alpha1.SecretKeyAccessKeyID: store.AccessKey, v1alpha1.SecretKeySecretAccessKey: store.SecretKey},
	}
	fs.Spec = v1alpha1.FileStoreSpec{
		Endpoint: store.Endpoint, Region: store.Region, Bucket: bucket, OrphanPolicy: v1alpha1.OrphanPolicyAbort,
		Credentials: &v1alpha1.FileStoreCredentials{SecretRef: &v1alpha1.SecretReference{Name: name}},
	}
	for _, obj := range []client.Object{secret, fs} {
		if err := system.kube.Create(ctx, obj); err != nil {
			return err
		}
	}
	core, err := minio.NewCore(strings.TrimPrefix(store.Endpoint, "http://"), &minio.Options{
		Creds: credentials.NewStaticV4(store.AccessKey, store.SecretKey, ""), Region: store.Region, BucketLookup: minio.BucketLookupPath,
	})
	if err != nil {
		return err
	}
	token, err := system.plane.ApplicationToken(ctx, namespace, "app", 24*time.Hour)
	system.tenants = append(system.tenants, &tenant{namespace: namespace, store: store, s3: core, token: token})
	return err
}

// onEachStore runs a test for the tenant of every object store.
func onEachStore(t *testing.T, test func(t *testing.T, tn *tenant)) {
	t.Helper()
	for _, tn := range system.tenants {
		t.Run(string(tn.store.Kind), func(t *testing.T) {
			tn.waitReady(t)
			test(t, tn)
		})
	}
}

// waitReady waits for the tenant's FileStore, as a platform engineer would.
func (tn *tenant) waitReady(t *testing.T) {
	t.Helper()
	tn.kubectl(t, "", "wait", "--for=condition=Ready", "filestore/"+string(tn.store.Kind), "--timeout=120s")
}

// kubectl runs kubectl in the tenant's namespace and returns what it prints.
func (tn *tenant) kubectl(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	out, err := tn.tryKubectl(t, stdin, args...)
	if err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (tn *tenant) tryKubectl(t *testing.T, stdin string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), system.kubectl, append([]string{"--kubeconfig", system.plane.Kubeconfig, "-n", tn.namespace}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

var eventually = testkit.EventuallyThat

// oldestKubernetes: the API server is that of the lowest Kubernetes that is supported.
var oldestKubernetes = os.Getenv("IOTFILE_KUBERNETES") == "oldest"

func showLog(path string) {
	data, err := os.ReadFile(path)
	if err != nil {
		return
	}
	const tail = 20_000
	if len(data) > tail {
		data = data[len(data)-tail:]
	}
	fmt.Fprintf(os.Stderr, "--- the end of the operator's log\n%s\n", data)
}
