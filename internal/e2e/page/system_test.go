package page

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

const (
	mib = 1 << 20
	// timeout is how long a state may take to be reached: generous, because machines are shared.
	timeout = 2 * time.Minute
)

var nightly = flag.Bool("nightly", false, "also run the journeys that take minutes, and take the screenshots")

// system is what all tests of the package run against. The first that needs it starts it, and
// TestMain ends it.
var system struct {
	once sync.Once
	dir  string
	up   *devcluster.System
	kube client.Client
	err  error
}

func TestMain(m *testing.M) {
	flag.Parse()
	log.SetLogger(logr.Discard()) // what a client of the tests has to say
	code := m.Run()
	if system.up != nil {
		if err := system.up.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	if system.dir != "" {
		_ = os.RemoveAll(system.dir)
	}
	os.Exit(code)
}

// start starts the system, in a directory that outlives the test which needs it first.
func start() (err error) {
	if system.dir, err = os.MkdirTemp("", "iotfile-page-"); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Minute) // of which the first run builds the servers for most
	defer cancel()
	if system.up, err = devcluster.Up(ctx, devcluster.Options{Dir: system.dir, CLI: true, Log: os.Stderr}); err != nil {
		return err
	}
	config := system.up.ControlPlane.RESTConfig()
	config.QPS = -1
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return err
	}
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return err
	}
	system.kube, err = client.New(config, client.Options{Scheme: scheme})
	return err
}

// needSystem starts the system, or skips the test.
func needSystem(t *testing.T) *devcluster.System {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a whole system")
	}
	system.once.Do(func() { system.err = start() })
	check(t, system.err)
	return system.up
}

// findChromium finds the browser, or skips the test. CI runs everything.
func findChromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("CI runs everything: install Chromium (Debian: apt-get install chromium)")
	}
	fmt.Fprintln(os.Stderr, "NOT TESTED: the page: there is no Chromium here: apt-get install chromium")
	t.Skip("NOT TESTED: there is no Chromium here")
	return ""
}

// restartOperator starts the operator anew, after it was killed.
func restartOperator(t *testing.T) {
	t.Helper()
	kubeconfig, err := system.up.ControlPlane.OperatorKubeconfig(t.Context())
	check(t, err)
	system.up.Operator, err = devcluster.StartOperator(t.Context(), devcluster.OperatorOptions{
		Binary: filepath.Join(system.dir, "bin", "operator"), Dir: filepath.Join(system.dir, "operator"), Kubeconfig: kubeconfig, Webhooks: true,
	})
	check(t, err)
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var eventually = testkit.EventuallyThat
