package v1alpha1_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/catalog"
	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
	"github.com/iotfile-operator/iotfile-operator/internal/reviewserver"
	"github.com/iotfile-operator/iotfile-operator/internal/servingcert"
	admission "github.com/iotfile-operator/iotfile-operator/webhook/v1alpha1"
)

// timeout is how long a state may take to be reached: generous, because machines are shared.
const timeout = time.Minute

const (
	// operatorUser is who the operator is in a cluster: the manifests name it.
	operatorUser = "system:serviceaccount:" + devcluster.OperatorNamespace + ":iotfile-operator"
	// otherDataPlane is trusted by the server under test, and not named in the manifests.
	otherDataPlane = "system:serviceaccount:edge:data-plane"
)

var secret = types.NamespacedName{Namespace: devcluster.OperatorNamespace, Name: "iotfile-operator-webhook-certificate"}

// world is what the tests share: a real API server that calls the webhooks over TLS, by the
// manifests, with certificates that live for seconds.
var world struct {
	plane  *devcluster.ControlPlane
	scheme *runtime.Scheme
	admin  client.Client
	// kubeconfig is the operator's own, under the shipped roles, which the shipped policies know it
	// by.
	kubeconfig string
	// address is host:port of the webhooks. stop ends the server that serves them.
	address string
	stop    func() error
}

// shortLived rotates certificates every 6 seconds, and their authority every 18.
var shortLived = servingcert.Policy{Names: []string{"127.0.0.1"}, Lifetime: 9 * time.Second, AuthorityLifetime: 27 * time.Second, Overlap: 3 * time.Second}

func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		fmt.Println("these tests need an API server: skipped with -short")
		return
	}
	ctrl.SetLogger(logr.Discard())
	code, err := runAll(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func runAll(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "iotfile-admission-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	ctx := context.Background()
	root, err := devcluster.ModuleRoot()
	if err != nil {
		return 0, err
	}
	world.plane, err = devcluster.StartControlPlane(ctx, devcluster.ControlPlaneOptions{
		Dir: dir, CRDDirs: []string{filepath.Join(root, "config", "crd", "bases")}, UnsafeNoFsync: true, Log: os.Stderr,
	})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, world.plane.Stop()) }()
	world.scheme = runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(world.scheme), v1alpha1.AddToScheme(world.scheme)); err != nil {
		return 0, err
	}
	if world.admin, err = client.New(world.plane.RESTConfig(), client.Options{Scheme: world.scheme}); err != nil {
		return 0, err
	}
	if world.kubeconfig, err = world.plane.OperatorKubeconfig(ctx); err != nil {
		return 0, err
	}
	if err := world.plane.PrepareWebhooks(ctx); err != nil {
		return 0, err
	}
	if err := serve(); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, world.stop()) }()
	if err := world.plane.InstallWebhooks(ctx, "https://"+world.address); err != nil {
		return 0, err
	}
	if err := waitCalled(ctx); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

// serve starts what a replica of the operator runs of admission.
func serve() error {
	var err error
	if world.address, _, err = devcluster.ReserveAddress(); err != nil { // until the process ends
		return err
	}
	certificate := servingcert.NewSource(secret, logr.Discard())
	server, err := reviewserver.New(reviewserver.Options{
		Address: world.address, Certificate: certificate.GetCertificate, Log: logr.Discard(), Registerer: prometheus.NewRegistry(),
	})
	if err != nil {
		return err
	}
	mgr, err := ctrl.NewManager(world.plane.RESTConfig(), ctrl.Options{
		Scheme: world.scheme, Metrics: metricsserver.Options{BindAddress: "0"}, HealthProbeBindAddress: "0",
		WebhookServer: server,
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	issuer := &servingcert.Issuer{Client: mgr.GetClient(), Secret: secret, Webhooks: "iotfile-operator", Policy: shortLived, Clock: clock.RealClock{}}
	err = errors.Join(
		catalog.SetupIndexes(ctx, mgr.GetFieldIndexer()),
		certificate.Watch(mgr.GetCache()),
		issuer.SetupWithManager(mgr),
	)
	admission.Register(mgr.GetWebhookServer(), world.scheme, admission.Options{
		Catalog: catalog.New(mgr.GetCache(), mgr.GetAPIReader()), Trusted: func(_ context.Context, user string) bool { return user == otherDataPlane }, Now: time.Now,
	})
	if err != nil {
		cancel()
		return err
	}
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()
	stopped := false
	world.stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		return <-done
	}
	return nil
}

// waitCalled waits until the API server, which hears of webhook configurations by a watch, calls
// both kinds of webhooks.
func waitCalled(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	fs := newStore()
	fs.Spec.NamespaceSelector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "stage", Operator: "Is"}}}
	u := newUpload("default", "probe.bin")
	u.Spec.StoreName = "none"
	for {
		err := world.admin.Create(ctx, fs.DeepCopy(), client.DryRunAll)
		validated := apierrors.HasStatusCause(err, v1alpha1.ReasonInvalidConfiguration)
		impersonated := world.plane.RESTConfig()
		impersonated.Impersonate = rest.ImpersonationConfig{UserName: strings.Repeat("x", 513), Groups: []string{"system:masters"}}
		c, err := client.New(impersonated, client.Options{Scheme: world.scheme})
		if err != nil {
			return err
		}
		if validated && apierrors.HasStatusCause(c.Create(ctx, u.DeepCopy(), client.DryRunAll), "UserNameTooLong") {
			return nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return errors.New("the API server does not call the webhooks")
		}
	}
}

// TestAdmission has its tests in this order: what is parallel in Together disturbs no other, and
// the last one ends the server.
func TestAdmission(t *testing.T) {
	t.Run("Together", func(t *testing.T) {
		for name, test := range map[string]func(*testing.T){
			"CreatedByIsNotForgeable":      testCreatedByIsNotForgeable,
			"StoreIsResolved":              testStoreIsResolved,
			"ManifestStaysAsWritten":       testManifestStaysAsWritten,
			"Refusals":                     testRefusals,
			"NoStoreAtAll":                 testNoStoreAtAll,
			"StoreMayMoveToAnotherAddress": testStoreMayMoveToAnotherAddress,
			"FinalizerIsPutBack":           testFinalizerIsPutBack,
			"FinalizerIsLetGo":             testFinalizerIsLetGo,
			"SelectorIsValid":              testSelectorIsValid,
			"OverlapIsRefused":             testOverlapIsRefused,
			"Warnings":                     testWarnings,
			"RotationUnderLoad":            testRotationUnderLoad,
			"IssuerIsOutrun":               testIssuerIsOutrun,
			"PublisherIsOutrun":            testPublisherIsOutrun,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(t)
			})
		}
	})
	t.Run("FinalizerWebhookIsSeldomAsked", testFinalizerWebhookIsSeldomAsked) // alone: it counts calls
	t.Run("TwoDefaults", testTwoDefaults)
	t.Run("LostTrustIsRestored", testLostTrustIsRestored)
	t.Run("WhileNobodyAnswers", testWhileNobodyAnswers)
}

// as is a client of a user who may do everything in Kubernetes, so that only admission can refuse.
func as(t *testing.T, user string) client.Client {
	t.Helper()
	config := world.plane.RESTConfig()
	config.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: []string{"system:masters"}}
	c, err := client.New(config, client.Options{Scheme: world.scheme})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// tenant makes a namespace.
func tenant(t *testing.T, labels map[string]string) string {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "tenant-", Labels: labels}}
	create(t, ns)
	return ns.Name
}

const entity = "0123456789abcdef0123456789abcdef"

// opened counts uploads, so that each is of another file.
var opened atomic.Int64

func newUpload(namespace, path string) *v1alpha1.MultipartUpload {
	return &v1alpha1.MultipartUpload{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, GenerateName: "upload-"},
		Spec:       v1alpha1.MultipartUploadSpec{EntityID: entity, Path: path},
	}
}

// store makes a FileStore, in a bucket of its own, that goes with the test.
func store(t *testing.T, change func(*v1alpha1.FileStore)) *v1alpha1.FileStore {
	t.Helper()
	fs := newStore()
	if change != nil {
		change(fs)
	}
	create(t, fs)
	return fs
}

func newStore() *v1alpha1.FileStore {
	return &v1alpha1.FileStore{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "store-"},
		Spec:       v1alpha1.FileStoreSpec{Endpoint: "https://s3.example.com", Bucket: fmt.Sprintf("bucket-%d", time.Now().UnixNano())},
	}
}

func create(t *testing.T, obj client.Object) {
	t.Helper()
	if err := world.admin.Create(t.Context(), obj); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = world.admin.Delete(context.Background(), obj) })
}
