package v1alpha1_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// The schema is tested where it is enforced: in a real API server, which all tests of this package
// share.
var server struct {
	config  *rest.Config
	dynamic *dynamic.DynamicClient
	// client reads and writes the kinds as the operator does.
	client client.Client
}

func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		fmt.Println("the schema tests need an API server: skipped with -short")
		return
	}
	os.Exit(run(m))
}

func run(m *testing.M) (code int) {
	stop, err := startServer()
	defer func() {
		if err := stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

func startServer() (stop func() error, err error) {
	stop = func() error { return nil }
	root, err := devcluster.ModuleRoot()
	if err != nil {
		return stop, err
	}
	dir, err := os.MkdirTemp("", "iotfile-schema-")
	if err != nil {
		return stop, err
	}
	stop = func() error { return os.RemoveAll(dir) }
	plane, err := devcluster.StartControlPlane(context.Background(), devcluster.ControlPlaneOptions{
		Dir: dir, CRDDirs: []string{filepath.Join(root, "config", "crd", "bases")}, UnsafeNoFsync: true, Log: os.Stderr,
	})
	if err != nil {
		return stop, err
	}
	stop = func() error { return errors.Join(plane.Stop(), os.RemoveAll(dir)) }
	server.config = plane.RESTConfig()
	server.config.WarningHandler = rest.NoWarnings{}
	if server.dynamic, err = dynamic.NewForConfig(server.config); err != nil {
		return stop, err
	}
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return stop, err
	}
	server.client, err = client.New(server.config, client.Options{Scheme: scheme})
	return stop, err
}

// kind is one of the two kinds, with an object that is as small as it may be.
type kind struct {
	name, plural, namespace string
	minimal                 fields
}

var (
	uploads = kind{"MultipartUpload", "multipartuploads", "default", fields{"spec.entityID": entityID, "spec.path": "a.bin"}}
	stores  = kind{"FileStore", "filestores", "", fields{"spec.endpoint": "https://s3.example.com", "spec.bucket": "iot"}}
	kinds   = []kind{uploads, stores}
)

const entityID = "0123456789abcdef0123456789abcdef"

func (k kind) client() dynamic.ResourceInterface {
	client := server.dynamic.Resource(v1alpha1.GroupVersion.WithResource(k.plural))
	if k.namespace == "" {
		return client
	}
	return client.Namespace(k.namespace)
}

// object is the minimal object with the given fields set.
func (k kind) object(t *testing.T, with ...fields) *unstructured.Unstructured {
	t.Helper()
	object := &unstructured.Unstructured{Object: map[string]any{}}
	object.SetAPIVersion(v1alpha1.GroupVersion.String())
	object.SetKind(k.name)
	object.SetGenerateName("test-")
	k.minimal.apply(t, object)
	for _, f := range with {
		f.apply(t, object)
	}
	return object
}
