package dataplane

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// Options configure a Server. Those without a default are required.
type Options struct {
	// BindAddress is host:port to listen on, such as "127.0.0.1:8080"; port 0 picks a free one, see Server.Addr.
	BindAddress string
	// AllowInsecureBind permits a BindAddress that is not a loopback address together with NoAuthentication.
	AllowInsecureBind bool
	// Authenticator and Authorizer decide who may do what. Default NoAuthentication, both.
	Authenticator Authenticator
	Authorizer    Authorizer

	// Client reads from Cache and writes to the API server. APIReader reads from the API server.
	Client    client.Client
	APIReader client.Reader
	// Cache is where Client reads; SetupIndexes must have been called with it. New makes it watch what the server needs.
	Cache cache.Informers
	// Stores finds object storage.
	Stores Stores

	// MaxPartsInFlight is how many parts are streamed at once; more are answered with 503. Default 128.
	MaxPartsInFlight int
	// StartTimeout, CompleteTimeout and AbortTimeout are how long a request waits for the reconciler before it is answered with 503 and
	// Retry-After. Defaults 30 s, 50 s, 50 s.
	StartTimeout, CompleteTimeout, AbortTimeout time.Duration
	// IdleTimeout is how long a client may neither send a byte of its body nor take a byte of an answer. Default 60 s.
	IdleTimeout time.Duration
	// StoreIdleTimeout is how long object storage may take no byte of a part, or not answer after the last one. Default 60 s.
	StoreIdleTimeout time.Duration
	// ProgressDelay is how long after its first part an upload's progress is first recorded, ProgressInterval how often at most after that.
	// Defaults 1 s, 15 s.
	ProgressDelay, ProgressInterval time.Duration
	// DrainDelay is how long the server goes on to take connections after it has reported not to be ready, so that load balancers notice.
	// GracePeriod is how long requests in flight have then; what is left is cut, and leaves nothing behind. Defaults 0 and 30 s. The manager's
	// GracefulShutdownTimeout must be longer than both together.
	DrainDelay, GracePeriod time.Duration

	// Clock tells the time that uploads expire by, and paces progress. Default the real one.
	Clock clock.WithTicker
	// Log gets one line per request. Default none.
	Log logr.Logger
	// Registerer gets the metrics. Default none.
	Registerer prometheus.Registerer
}

func (o *Options) setDefaults() {
	if o.Authenticator == nil {
		o.Authenticator = NoAuthentication{}
	}
	if o.Authorizer == nil {
		o.Authorizer = NoAuthentication{}
	}
	if o.MaxPartsInFlight <= 0 {
		o.MaxPartsInFlight = 128
	}
	for _, d := range []struct {
		value *time.Duration
		or    time.Duration
	}{
		{&o.StartTimeout, 30 * time.Second}, {&o.CompleteTimeout, 50 * time.Second}, {&o.AbortTimeout, 50 * time.Second},
		{&o.IdleTimeout, time.Minute}, {&o.StoreIdleTimeout, time.Minute},
		{&o.ProgressDelay, time.Second}, {&o.ProgressInterval, 15 * time.Second},
		{&o.GracePeriod, 30 * time.Second},
	} {
		if *d.value <= 0 {
			*d.value = d.or
		}
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
}

// Server is the data plane. It is a manager.Runnable that every replica runs, leader or not.
type Server struct {
	opts      Options
	log       logr.Logger
	uploads   *uploads
	budget    *budget
	progress  *progress
	metrics   *metrics
	informers []cache.Informer
	listener  atomic.Pointer[net.Listener]
	draining  atomic.Bool
	// handlers counts requests, for the end of a drain.
	handlers sync.WaitGroup
}

// New makes a Server and starts to watch, through opts.Cache, the kinds that it reads. It does not listen yet. It refuses an address
// that others can reach while nobody is authenticated, unless opts.AllowInsecureBind.
func New(opts Options) (*Server, error) {
	if opts.Client == nil || opts.APIReader == nil || opts.Cache == nil || opts.Stores == nil {
		return nil, errors.New("data plane: Client, APIReader, Cache and Stores are required")
	}
	opts.setDefaults()
	if err := checkBind(opts); err != nil {
		return nil, err
	}
	m, err := newMetrics(opts.Registerer)
	if err != nil {
		return nil, fmt.Errorf("data plane: register metrics: %w", err)
	}
	s := &Server{
		opts:    opts,
		log:     opts.Log,
		metrics: m,
		budget:  newBudget(opts.MaxPartsInFlight, m),
		uploads: &uploads{cached: opts.Client, live: opts.APIReader, writer: opts.Client, waiters: &waiters{}},
	}
	s.progress = newProgress(s)
	return s, s.watch()
}

// watch makes sure that the informers exist before the first request, which would else wait for them.
func (s *Server) watch() error {
	for _, obj := range []client.Object{&v1alpha1.MultipartUpload{}, &v1alpha1.FileStore{}, &corev1.Namespace{}} {
		informer, err := s.opts.Cache.GetInformer(context.Background(), obj, cache.BlockUntilSynced(false))
		if err != nil {
			return fmt.Errorf("data plane: watch %T: %w", obj, err)
		}
		s.informers = append(s.informers, informer)
	}
	if _, err := s.informers[0].AddEventHandler(s.uploads.waiters.handler()); err != nil {
		return fmt.Errorf("data plane: watch uploads: %w", err)
	}
	return nil
}

func checkBind(opts Options) error {
	host, _, err := net.SplitHostPort(opts.BindAddress)
	if err != nil {
		return fmt.Errorf("data plane: bind address %q: %w", opts.BindAddress, err)
	}
	if _, nobody := opts.Authenticator.(NoAuthentication); !nobody || opts.AllowInsecureBind {
		return nil
	}
	if addr, err := netip.ParseAddr(host); (err == nil && addr.IsLoopback()) || host == "localhost" {
		return nil
	}
	return fmt.Errorf("data plane: without authentication, %q would let everybody who can reach it write: bind to a loopback address, or allow it explicitly", opts.BindAddress)
}

// NeedLeaderElection implements manager.LeaderElectionRunnable: every replica serves.
func (s *Server) NeedLeaderElection() bool { return false }

// Handler returns the server's HTTP handler, for tests that bring their own listener. Progress is recorded only while Start runs.
func (s *Server) Handler() http.Handler { return s }

// Addr is the address that the server listens on, nil before it does.
func (s *Server) Addr() net.Addr {
	if l := s.listener.Load(); l != nil {
		return (*l).Addr()
	}
	return nil
}

// Ready returns nil while the server takes requests: it listens, its caches are filled, and it is not shutting down.
func (s *Server) Ready() error {
	if s.draining.Load() {
		return errors.New("shutting down")
	}
	if s.listener.Load() == nil {
		return errors.New("not listening yet")
	}
	for _, informer := range s.informers {
		if !informer.HasSynced() {
			return errors.New("caches are not filled yet")
		}
	}
	return nil
}

// Start implements manager.Runnable: it listens and serves until ctx is done, then drains as Options say. It returns nil after an orderly
// end, also if requests had to be cut.
func (s *Server) Start(ctx context.Context) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", s.opts.BindAddress)
	if err != nil {
		return fmt.Errorf("data plane: %w", err)
	}
	// Requests outlive ctx until the drain is over.
	base, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	server := s.httpServer(base)
	progressCtx, stopProgress := context.WithCancel(context.WithoutCancel(ctx))
	progressDone := make(chan struct{})
	go func() {
		defer close(progressDone)
		s.progress.run(progressCtx)
	}()
	defer func() {
		stopProgress()
		<-progressDone
	}()

	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	s.listener.Store(&listener)
	s.log.Info("data plane listens", "address", listener.Addr().String())
	select {
	case err := <-failed:
		return fmt.Errorf("data plane: %w", err)
	case <-ctx.Done():
	}
	return s.drain(server, cut)
}

// drain ends the server: not ready first, then no new connections, then what is left is cut.
func (s *Server) drain(server *http.Server, cut context.CancelFunc) error {
	s.draining.Store(true)
	time.Sleep(s.opts.DrainDelay)
	ctx, cancel := context.WithTimeout(context.Background(), s.opts.GracePeriod)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		s.log.Info("requests that did not end in time are cut", "gracePeriod", s.opts.GracePeriod.String())
		if err := server.Close(); err != nil {
			s.log.Error(err, "close the data plane's connections")
		}
		cut()
		s.afterCut()
	}
	return nil
}

// afterCut gives handlers whose connections were cut a moment to write their log lines and to release what they hold.
func (s *Server) afterCut() {
	done := make(chan struct{})
	go func() {
		s.handlers.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(cutGrace):
		s.log.Info("requests that were cut have not ended yet")
	}
}

// cutGrace is how long handlers have to end when their connections were cut.
const cutGrace = 3 * time.Second

func (s *Server) httpServer(base context.Context) *http.Server {
	server := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          log.New(logWriter{s.log}, "", 0),
		Protocols:         new(http.Protocols),
		BaseContext:       func(net.Listener) context.Context { return base },
		// Bodies have deadlines that slide: a file may take as long as it needs while its bytes flow.
	}
	server.Protocols.SetHTTP1(true)
	return server
}

// logWriter takes what net/http has to say, which is about clients' connections and not urgent.
type logWriter struct{ log logr.Logger }

// Write implements io.Writer.
func (w logWriter) Write(p []byte) (int, error) {
	w.log.V(1).Info("http", "message", strings.TrimSpace(string(p)))
	return len(p), nil
}

// serve routes one request. Whatever can be refused is refused before the body is touched.
func (s *Server) serve(c *call, r *http.Request) error {
	namespace, rest, ok := splitBase(r.URL.EscapedPath())
	if !ok {
		return errNoRoute()
	}
	identity, err := s.opts.Authenticator.Authenticate(r)
	switch {
	case errors.Is(err, ErrUnauthenticated):
		return err
	case err != nil:
		return errUnavailable("the token cannot be checked now: send the request again", retryShort).because(err)
	}
	c.identity = identity
	if c.route, err = parseRoute(r.Method, rest, r.URL.RawQuery); err != nil {
		return err
	}
	if namespace == "" {
		namespace = identity.Namespace
	}
	if len(validation.IsDNS1123Label(namespace)) > 0 {
		return errBadRequest("the namespace is not a DNS label: name yours in the path, as in /namespaces/NAME" + basePath)
	}
	c.file = upload.File{Namespace: namespace, EntityID: c.route.entity, Path: c.route.path}
	if err := c.file.Validate(); err != nil {
		return errBadRequest(err.Error())
	}
	c.location = r.URL.EscapedPath()
	if c.ifMatch, err = upload.ParseIfMatch(r.Header.Get("If-Match")); err != nil && c.route.op != opDownload {
		return errBadRequest(err.Error())
	}
	if err := s.authorize(r.Context(), c); err != nil {
		return err
	}
	return s.dispatch(c, r)
}

func (s *Server) authorize(ctx context.Context, c *call) error {
	verb := VerbGet
	switch c.route.op {
	case opStart, opPart, opComplete, opAbort:
		verb = VerbCreate
		if c.ifMatch != nil {
			verb = VerbUpdate
		}
	}
	err := s.opts.Authorizer.Authorize(ctx, c.identity, verb, c.file.Namespace, c.file.EntityID)
	if err != nil && !errors.Is(err, ErrForbidden) {
		return errUnavailable("your rights cannot be checked now: send the request again", retryShort).because(err)
	}
	return err
}

func (s *Server) dispatch(c *call, r *http.Request) error {
	switch c.route.op {
	case opStart:
		return s.start(c, r)
	case opPart:
		return s.part(c, r)
	case opComplete:
		return s.complete(c, r)
	case opAbort:
		return s.abort(c, r)
	case opParts:
		return s.listParts(c, r)
	default:
		return s.download(c, r)
	}
}
