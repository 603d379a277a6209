package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// What all ways share.
const (
	bucket = "bench"
	region = "us-east-1"
)

// testbed is what the benchmarks run on: one control plane, one operator, and the object stores,
// each with a FileStore and a namespace of its name.
type testbed struct {
	dir    string
	system *devcluster.System
	scheme *runtime.Scheme // of the client
	stores []*store
	stops  []func() error // in the order of the starts
	// partBytes is the size of the parts to come.
	partBytes int
	// tls is which sides speak TLS, with the certificate of the directory cert, and of its
	// authority ca.
	settings settings
	cert     string
	ca       []byte
}

// store is an object store behind the ways.
type store struct {
	name, endpoint       string
	accessKey, secretKey string
	ca                   string // of a store that speaks TLS
	pid                  int
}

// on has a testbed measured on.
func on(measure func(context.Context, *testbed, settings) error) func(context.Context, settings) error {
	return func(ctx context.Context, s settings) (err error) {
		b, err := makeTestbed(ctx, s)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, b.stop()) }()
		return measure(ctx, b, s)
	}
}

// makeTestbed starts everything. The caller calls stop.
func makeTestbed(ctx context.Context, s settings) (*testbed, error) {
	dir, err := os.MkdirTemp("", "iotfile-bench-")
	if err != nil {
		return nil, err
	}
	b := &testbed{dir: dir, partBytes: s.part << 20, settings: s, cert: filepath.Join(dir, "cert"), stops: []func() error{func() error { return os.RemoveAll(dir) }}}
	if err := b.start(ctx, s); err != nil {
		return nil, errors.Join(err, b.stop())
	}
	return b, nil
}

func (b *testbed) start(ctx context.Context, s settings) error {
	if err := b.startSystem(ctx, s); err != nil {
		return err
	}
	for _, name := range s.stores {
		if err := b.startStore(ctx, s, name); err != nil {
			return err
		}
	}
	return b.offer(ctx)
}

// startStore starts a store, unless it cannot speak TLS here and is to.
func (b *testbed) startStore(ctx context.Context, s settings, name string) error {
	switch {
	case name == "null":
		return b.startNull(ctx, s)
	case name == "versitygw" && s.traffic.tlsOut():
		return b.startSecure(ctx)
	case name == "versitygw":
		return b.use(ctx, b.system.ObjectStore)
	case s.traffic.tlsOut():
		return nil
	}
	minIO, err := devcluster.StartMinIO(ctx, devcluster.ObjectStoreOptions{Dir: filepath.Join(b.dir, "minio"), Log: os.Stderr})
	if err != nil {
		return err
	}
	b.stops = append(b.stops, minIO.Stop)
	return b.use(ctx, minIO)
}

// use makes a store one of the testbed's.
func (b *testbed) use(ctx context.Context, s *devcluster.ObjectStore) error {
	if err := createBuckets(ctx, s); err != nil {
		return err
	}
	b.stores = append(b.stores, &store{name: string(s.Kind), endpoint: s.Endpoint, accessKey: s.AccessKey, secretKey: s.SecretKey, pid: s.PID()})
	return nil
}

// startSystem starts the control plane, the operator and a store.
func (b *testbed) startSystem(ctx context.Context, s settings) error {
	if err := devcluster.WriteServingCertificate(b.cert, "127.0.0.1"); err != nil {
		return err
	}
	var err error
	if b.ca, err = os.ReadFile(filepath.Join(b.cert, devcluster.ServingCAFile)); err != nil {
		return err
	}
	options := devcluster.Options{
		Dir: filepath.Join(b.dir, "system"), Store: devcluster.StoreVersityGW, OperatorArgs: strings.Fields(s.operator), Log: os.Stderr,
	}
	if s.traffic.tlsIn() {
		options.TLSCertDir = b.cert
	}
	if b.system, err = devcluster.Up(ctx, options); err == nil {
		b.stops = append(b.stops, b.system.Stop)
	}
	return err
}

// startSecure starts a versitygw that speaks TLS.
func (b *testbed) startSecure(ctx context.Context) error {
	path, err := devcluster.FindTool(ctx, os.Stderr, devcluster.VersityGW)
	if err != nil {
		return err
	}
	s := &store{name: "versitygw", ca: string(b.ca), accessKey: "bench", secretKey: "bench-bench"}
	dir := filepath.Join(b.dir, "secure")
	if err := os.MkdirAll(filepath.Join(dir, bucket), 0o700); err != nil { // a directory is a bucket
		return err
	}
	f, err := startForeign(ctx, b.dir, path, func(port string) []string {
		return slices.Concat([]string{"--port=127.0.0.1:" + port, "--region=" + region, "--keep-alive", "--quiet"}, b.certFlags("--cert=", "--key="), []string{"posix", dir})
	}, "ROOT_ACCESS_KEY="+s.accessKey, "ROOT_SECRET_KEY="+s.secretKey)
	if err != nil {
		return err
	}
	b.stops = append(b.stops, f.stop)
	f.speaksTLS()
	s.endpoint, s.pid = f.url, f.pid
	b.stores = append(b.stores, s)
	return nil
}

// startNull starts the store that forgets, on TLS if the forwarders speak it with theirs.
func (b *testbed) startNull(ctx context.Context, s settings) error {
	var args []string
	if s.traffic.tlsOut() {
		args = []string{b.cert}
	}
	null, err := startSelf(ctx, b.dir, nullCommand, args...)
	if err != nil {
		return err
	}
	b.stops = append(b.stops, null.stop)
	if s.traffic.tlsOut() {
		null.speaksTLS()
	}
	b.stores = append(b.stores, &store{name: "null", ca: string(b.ca), endpoint: null.url, accessKey: "null", secretKey: "null-null", pid: null.pid})
	return nil
}

func (b *testbed) stop() error {
	var errs []error
	for _, stop := range slices.Backward(b.stops) {
		errs = append(errs, stop())
	}
	b.stops = nil
	return errors.Join(errs...)
}

// offer makes the FileStores and namespaces, and waits until the operator has found the stores
// good.
func (b *testbed) offer(ctx context.Context) error {
	ctrllog.SetLogger(logr.Discard()) // else controller-runtime complains that nobody did
	b.scheme = runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(b.scheme), v1alpha1.AddToScheme(b.scheme)); err != nil {
		return err
	}
	c, err := client.New(b.system.ControlPlane.RESTConfig(), client.Options{Scheme: b.scheme})
	if err != nil {
		return err
	}
	for _, s := range b.stores {
		for _, o := range s.objects() {
			if err := c.Create(ctx, o); err != nil {
				return fmt.Errorf("create %s: %w", o.GetName(), err)
			}
		}
	}
	for _, s := range b.stores {
		var fs v1alpha1.FileStore
		err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, 2*time.Minute, true, func(ctx context.Context) (bool, error) {
			err := c.Get(ctx, client.ObjectKey{Name: s.name}, &fs)
			return meta.IsStatusConditionTrue(fs.Status.Conditions, v1alpha1.ConditionReady), err
		})
		if err != nil {
			return fmt.Errorf("FileStore %s does not get ready: %w\n%v", s.name, err, fs.Status.Conditions)
		}
	}
	return nil
}

// tenantsBucket is for FileStores that share a bucket, each with a prefix of its own.
const tenantsBucket = bucket + "-tenants"

func createBuckets(ctx context.Context, store *devcluster.ObjectStore) error {
	return errors.Join(store.CreateBucket(ctx, bucket), store.CreateBucket(ctx, tenantsBucket))
}

// objects are what a platform team would create for the store.
func (s *store) objects() []client.Object {
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: devcluster.OperatorNamespace, Name: s.name, Annotations: map[string]string{v1alpha1.AnnotationStores: "*"},
		},
		Data: map[string][]byte{"accessKeyID": []byte(s.accessKey), "secretAccessKey": []byte(s.secretKey)},
	}
	fs := &v1alpha1.FileStore{ObjectMeta: metav1.ObjectMeta{Name: s.name}}
	fs.Spec.Endpoint, fs.Spec.Region, fs.Spec.Bucket = s.endpoint, region, bucket
	if strings.HasPrefix(s.endpoint, "https:") {
		fs.Spec.TLS = &v1alpha1.FileStoreTLS{CABundle: []byte(s.ca)}
	}
	fs.Spec.Credentials = &v1alpha1.FileStoreCredentials{SecretRef: &v1alpha1.SecretReference{Name: s.name}}
	return []client.Object{secret, fs, s.namespace(s.name)}
}

// namespace is one that the store serves.
func (s *store) namespace(name string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{v1alpha1.AnnotationNamespaceStore: s.name}}}
}
