package controllers_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

// The tests share one real control plane, which the first that needs it starts. Each works in a
// namespace and a FileStore of its own.
var plane struct {
	once   sync.Once
	err    error
	stop   func() error
	config *rest.Config
	client client.WithWatch
}

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard())
	code := m.Run()
	if missing := unjudged(); code == 0 && wholeSuite() && len(missing) > 0 {
		fmt.Fprintln(os.Stderr, "no test has shown what kstatus and Argo CD make of", missing)
		code = 1
	}
	if plane.stop != nil {
		if err := plane.stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(testkit.CheckLeaks(code))
}

// wholeSuite reports whether no flag leaves tests out.
func wholeSuite() bool {
	return flag.Lookup("test.run").Value.String() == "" && flag.Lookup("test.skip").Value.String() == "" && !testing.Short()
}

// apiServer is a client of the shared control plane.
func apiServer(t *testing.T) client.WithWatch {
	t.Helper()
	if testing.Short() {
		t.Skip("needs an API server")
	}
	plane.once.Do(func() { plane.err = startPlane() })
	if plane.err != nil {
		t.Fatal(plane.err)
	}
	return plane.client
}

func startPlane() error {
	root, err := devcluster.ModuleRoot()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "iotfile-controllers-")
	if err != nil {
		return err
	}
	plane.stop = func() error { return os.RemoveAll(dir) }
	running, err := devcluster.StartControlPlane(context.Background(), devcluster.ControlPlaneOptions{
		Dir: dir, CRDDirs: []string{filepath.Join(root, "config", "crd", "bases")}, UnsafeNoFsync: true, Log: os.Stderr,
	})
	if err != nil {
		return err
	}
	plane.stop = func() error { return errors.Join(running.Stop(), os.RemoveAll(dir)) }
	plane.config = running.RESTConfig()
	plane.config.WarningHandler = rest.NoWarnings{}
	plane.client, err = client.NewWithWatch(plane.config, client.Options{Scheme: scheme})
	return err
}

var scheme = func() *runtime.Scheme {
	s := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(s))
	utilruntime.Must(v1alpha1.AddToScheme(s))
	return s
}()
