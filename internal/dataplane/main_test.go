package dataplane_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlconfig "sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/log"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	filestorecontroller "github.com/iotfile-operator/iotfile-operator/controllers/filestore"
	"github.com/iotfile-operator/iotfile-operator/controllers/multipartupload"
	"github.com/iotfile-operator/iotfile-operator/controllers/reconciler"
	"github.com/iotfile-operator/iotfile-operator/internal/catalog"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane"
	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/memory"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

// The tests share one real control plane, which is started by the first that needs it: the pure
// ones and the fuzz targets do not.
var plane struct {
	once sync.Once
	stop func() error
	*devcluster.ControlPlane
	err error
}

func TestMain(m *testing.M) {
	log.SetLogger(funcr.New(func(string, string) {}, funcr.Options{}))
	code := m.Run()
	httpClient.CloseIdleConnections()
	if plane.stop != nil {
		if err := plane.stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(testkit.CheckLeaks(code))
}

func controlPlane(t testing.TB) *devcluster.ControlPlane {
	t.Helper()
	if testing.Short() {
		t.Skip("needs an API server")
	}
	plane.once.Do(func() {
		root, err := devcluster.ModuleRoot()
		if err != nil {
			plane.err = err
			return
		}
		dir, err := os.MkdirTemp("", "iotfile-dataplane-") //nolint:usetesting // it outlives this test
		if err != nil {
			plane.err = err
			return
		}
		plane.ControlPlane, plane.err = devcluster.StartControlPlane(context.Background(), devcluster.ControlPlaneOptions{
			Dir: dir, CRDDirs: []string{filepath.Join(root, "config", "crd", "bases")}, UnsafeNoFsync: true, Log: os.Stderr,
		})
		plane.stop = func() error {
			if plane.ControlPlane == nil {
				return os.RemoveAll(dir)
			}
			return errors.Join(plane.Stop(), os.RemoveAll(dir))
		}
	})
	if plane.err != nil {
		t.Fatal(plane.err)
	}
	return plane.ControlPlane
}

// secretPrefix is the store's prefix in tests. It must never be seen in an answer.
const secretPrefix = "secret-prefix/"

// system is a data plane with real reconcilers, in a namespace of its own.
type system struct {
	t         testing.TB
	scheme    string // of its addresses
	url       string
	addr      string
	namespace string
	server    *dataplane.Server
	store     filestore.Store
	kube      client.Client
	log       *logBook
	// requests counts what its manager asks of the API server.
	requests *atomic.Int64
	// stop ends the manager and waits for its end.
	stop func()
}

// setup says how a system differs from the usual one.
type setup struct {
	options       func(*dataplane.Options)
	store         filestore.Store
	limits        *v1alpha1.FileStoreLimits
	noControllers bool
	// neighbour: there is a second namespace, see system.neighbour.
	neighbour bool
	// noReadyProbe: the test itself waits until the FileStore is ready.
	noReadyProbe bool
	// watches, if not nil, can hold back what its cache is told.
	watches *heldWatches
	// overTLS: the REST API is served over TLS.
	overTLS bool
}

var systems atomic.Int32

func newSystem(t testing.TB, with setup) *system {
	t.Helper()
	cp := controlPlane(t)
	s := &system{t: t, namespace: fmt.Sprintf("tenant-%d", systems.Add(1)), store: with.store, log: &logBook{}, scheme: "http://"}
	if s.store == nil {
		s.store = memory.New(memory.Options{MinPartSize: -1})
	}
	scheme := runtime.NewScheme()
	must(t, clientgoscheme.AddToScheme(scheme))
	must(t, v1alpha1.AddToScheme(scheme))
	var err error
	s.kube, err = client.New(cp.RESTConfig(), client.Options{Scheme: scheme})
	must(t, err)
	s.createObjects(with)

	s.launch(scheme, with)
	if with.noControllers {
		s.setReady()
	}
	if !with.noReadyProbe {
		s.waitStore()
	}
	return s
}

// replica is a second data plane beside s, in the same namespace, with a cache of its own.
func (s *system) replica(options func(*dataplane.Options)) *system {
	return s.beside(setup{noControllers: true, options: options})
}

// beside starts another process with that setup in the namespace of s.
func (s *system) beside(with setup) *system {
	s.t.Helper()
	other := *s
	other.log = &logBook{}
	other.launch(s.kube.Scheme(), with)
	other.waitStore()
	return &other
}

// launch starts a manager with a data plane and, unless they are not wanted, reconcilers.
func (s *system) launch(scheme *runtime.Scheme, with setup) {
	s.t.Helper()
	namespaces := map[string]cache.Config{s.namespace: {}}
	if with.neighbour {
		namespaces[s.namespace+"-neighbour"] = cache.Config{}
	}
	config := plane.RESTConfig()
	requests := &atomic.Int64{}
	s.requests = requests
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			requests.Add(1)
			return next.RoundTrip(r)
		})
	})
	if with.watches != nil {
		config.Wrap(with.watches.wrap)
	}
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:                  scheme,
		Metrics:                 metricsserver.Options{BindAddress: "0"},
		GracefulShutdownTimeout: ptr.To(time.Minute),
		Controller:              ctrlconfig.Controller{SkipNameValidation: ptr.To(true)},
		Cache: cache.Options{
			DefaultTransform:  cache.TransformStripManagedFields(),
			DefaultNamespaces: namespaces,
			ByObject: map[client.Object]cache.ByObject{
				&v1alpha1.FileStore{}: {Field: fields.OneTermEqualSelector("metadata.name", s.namespace)},
			},
		},
	})
	must(s.t, err)
	must(s.t, catalog.SetupIndexes(s.t.Context(), mgr.GetFieldIndexer()))
	known := catalog.New(mgr.GetCache(), mgr.GetAPIReader())
	opts := dataplane.Options{
		BindAddress: "127.0.0.1:0", Client: mgr.GetClient(), Catalog: known, Cache: mgr.GetCache(),
		Stores: stores[dataplane.Store]{s.store}, Log: s.log.logger(), ProgressDelay: 50 * time.Millisecond, ProgressInterval: 300 * time.Millisecond,
		QueueTimeout: time.Millisecond, // most tests want the refusal
	}
	if with.overTLS {
		s.scheme, opts.TLS = "https://", servingTLS(s.t)
	}
	if with.options != nil {
		with.options(&opts)
	}
	s.server, err = dataplane.New(opts)
	must(s.t, err)
	must(s.t, mgr.Add(s.server))
	if !with.noControllers {
		s.addControllers(mgr, known)
	}
	s.run(mgr)
	s.eventually("ready", func() error { return s.server.Ready() })
	s.addr = s.server.Addr().String()
	s.url = s.scheme + s.addr + "/namespaces/" + s.namespace
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func (s *system) createObjects(with setup) {
	s.t.Helper()
	limits := with.limits
	if limits == nil {
		limits = &v1alpha1.FileStoreLimits{MinPartSize: ptr.To(resource.MustParse("1Ki"))}
	}
	must(s.t, s.kube.Create(s.t.Context(), &v1alpha1.FileStore{
		ObjectMeta: metav1.ObjectMeta{Name: s.namespace},
		Spec:       v1alpha1.FileStoreSpec{Endpoint: "http://127.0.0.1:1", Bucket: "secret-bucket", Prefix: secretPrefix, Limits: limits},
	}))
	names := []string{s.namespace}
	if with.neighbour {
		names = append(names, s.namespace+"-neighbour")
	}
	for _, name := range names {
		must(s.t, s.kube.Create(s.t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
			Name: name, Annotations: map[string]string{v1alpha1.AnnotationNamespaceStore: s.namespace},
		}}))
	}
}

// neighbour is the system as another tenant of it sees it, in the same FileStore.
func (s *system) neighbour() *system {
	other := *s
	other.namespace += "-neighbour"
	other.url = s.scheme + s.addr + "/namespaces/" + other.namespace
	return &other
}

func (s *system) addControllers(mgr ctrl.Manager, known *catalog.Catalog) {
	s.t.Helper()
	backend := stores[reconciler.Store]{s.store}
	events := mgr.GetEventRecorder("test")
	uploads := &multipartupload.Reconciler{
		Assemblies: &multipartupload.Assemblies{},
		Client:     mgr.GetClient(), Catalog: known, Live: mgr.GetAPIReader(), Stores: backend, Clock: clock.RealClock{}, Events: events,
		FinalizerTimeout: time.Minute, Workers: 4,
	}
	probes := &filestorecontroller.Reconciler{
		Client: mgr.GetClient(), Catalog: known, Stores: backend, Clock: clock.RealClock{}, Events: events, ProbeInterval: time.Hour,
	}
	must(s.t, errors.Join(uploads.SetupWithManager(mgr), probes.SetupWithManager(mgr)))
}

func (s *system) run(mgr ctrl.Manager) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := mgr.Start(ctx); err != nil {
			s.t.Errorf("manager: %v", err)
		}
	}()
	s.stop = func() {
		cancel()
		<-done
	}
	s.t.Cleanup(s.stop)
}

func (s *system) setReady() {
	s.t.Helper()
	fs := &v1alpha1.FileStore{}
	must(s.t, s.kube.Get(s.t.Context(), client.ObjectKey{Name: s.namespace}, fs))
	meta.SetStatusCondition(&fs.Status.Conditions, metav1.Condition{Type: v1alpha1.ConditionReady, Status: "True", Reason: v1alpha1.ReasonProbed})
	must(s.t, s.kube.Status().Update(s.t.Context(), fs))
}

// waitStore waits until the server knows that its FileStore is ready.
func (s *system) waitStore() {
	s.t.Helper()
	s.eventually("the store ready", func() error {
		if got := s.put(s.path("ready-probe.bin")+"?upload=start", nil, "If-Match", "0"); got.status != http.StatusConflict {
			return fmt.Errorf("start: %v", got)
		}
		return nil
	})
}

// eventually waits up to a minute for check.
func (s *system) eventually(what string, check func() error) {
	s.t.Helper()
	var err error
	for begin := time.Now(); time.Since(begin) < time.Minute; time.Sleep(20 * time.Millisecond) {
		if err = check(); err == nil {
			return
		}
	}
	s.t.Fatalf("not %s after a minute: %v", what, err)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// stores gives one Store for every name.
type stores[S any] struct{ store filestore.Store }

// Get implements both Stores interfaces.
func (s stores[S]) Get(context.Context, string) (S, error) {
	narrow, ok := any(s.store).(S)
	if !ok {
		return narrow, errors.New("not such a store")
	}
	return narrow, nil
}

const entity = "0123456789abcdef0123456789abcdef"

// path is the path of a file's URL below the namespace.
func (s *system) path(file string) string { return "/api/iotfile/v3/files/" + entity + "/" + file }

func (s *system) list(file string) string { return "/api/iotfile/v3/fileslist/" + entity + "/" + file }

// reply is an answer, read to its end.
type reply struct {
	status int
	header http.Header
	body   []byte
	err    error
	closes bool // the connection ends with it; raw clients only
}

func (r reply) String() string {
	if r.err != nil {
		return r.err.Error()
	}
	return fmt.Sprintf("%d %s", r.status, clip(r.body))
}

func clip(b []byte) string {
	if len(b) > 300 {
		return string(b[:300]) + "…"
	}
	return string(b)
}

var httpClient = &http.Client{
	Transport:     &http.Transport{MaxIdleConnsPerHost: 64, ExpectContinueTimeout: time.Minute, TLSClientConfig: trusting},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// do sends a request; headers are pairs.
func (s *system) do(method, path string, body io.Reader, headers ...string) reply {
	s.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, s.url+path, body)
	if err != nil {
		return reply{err: err}
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := httpClient.Do(req)
	if err != nil {
		return reply{err: err}
	}
	defer resp.Body.Close()
	out := reply{status: resp.StatusCode, header: resp.Header}
	out.body, out.err = io.ReadAll(resp.Body)
	for _, secret := range []string{secretPrefix, "secret-bucket", "goroutine", ".go:"} {
		if method != http.MethodGet && strings.Contains(string(out.body)+fmt.Sprint(resp.Header), secret) {
			s.t.Errorf("%s %s: the answer leaks %q: %s", method, path, secret, out)
		}
	}
	return out
}

func (s *system) put(path string, body []byte, headers ...string) reply {
	s.t.Helper()
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(body)
	}
	return s.do(http.MethodPut, path, reader, headers...)
}

func (s *system) get(path string, headers ...string) reply {
	s.t.Helper()
	return s.do(http.MethodGet, path, nil, headers...)
}

// want fails the test unless the reply has the status, and is a proper error if it is one.
func (s *system) want(got reply, status int) reply {
	s.t.Helper()
	if got.status != status {
		s.t.Fatalf("got %v, want status %d", got, status)
	}
	if status >= 400 && len(got.body) > 0 {
		checkErrorBody(s.t, got)
	}
	return got
}

// records lists the namespace's uploads as the API server has them.
func (s *system) records() []v1alpha1.MultipartUpload {
	s.t.Helper()
	var list v1alpha1.MultipartUploadList
	must(s.t, s.kube.List(context.Background(), &list, client.InNamespace(s.namespace)))
	return list.Items
}

func (s *system) key(file string) string {
	return secretPrefix + s.namespace + "/" + entity + "/" + file
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

// logBook keeps log lines.
type logBook struct {
	mu    sync.Mutex
	lines []string
}

func (b *logBook) logger() logr.Logger {
	return funcr.New(func(_, args string) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.lines = append(b.lines, args)
	}, funcr.Options{})
}

// with returns the lines that hold text.
func (b *logBook) with(text string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []string
	for _, line := range b.lines {
		if strings.Contains(line, text) {
			out = append(out, line)
		}
	}
	return out
}

// sized sends a body of known length that the client cannot look into.
func (s *system) sized(method, path string, body io.Reader, size int64, headers ...string) reply {
	req, err := http.NewRequestWithContext(context.Background(), method, s.url+path, body)
	if err != nil {
		return reply{err: err}
	}
	req.ContentLength = size
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := httpClient.Do(req)
	if err != nil {
		return reply{err: err}
	}
	defer resp.Body.Close()
	out := reply{status: resp.StatusCode, header: resp.Header}
	out.body, out.err = io.ReadAll(resp.Body)
	return out
}
