package dataplane

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/progress"
	"github.com/iotfile-operator/iotfile-operator/internal/sharing"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// Server is the data plane. It is a manager.Runnable that every replica runs, leader or not.
type Server struct {
	opts      Options
	log       logr.Logger
	uploads   *uploads
	budget    *budget
	shares    shares
	places    upload.Claims
	declared  declaredRooms
	writers   writers
	streams   *streams
	looks     secondLooks
	searches  *sharing.Line
	starts    *sharing.Line
	progress  *progress.Recorder
	strangers *strangerLog
	metrics   *metrics
	informers []cache.Informer
	listener  atomic.Pointer[net.Listener]
	draining  atomic.Bool
	// handlers counts requests, for the end of a drain.
	handlers sync.WaitGroup
}

// New makes a Server and starts to watch, through opts.Cache, the kinds that it reads. It does not
// listen yet. It refuses an address that others can reach while nobody is authenticated.
func New(opts Options) (*Server, error) {
	if opts.Client == nil || opts.Catalog == nil || opts.Cache == nil || opts.Stores == nil {
		return nil, errors.New("data plane: Client, Catalog, Cache and Stores are required")
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
		opts:     opts,
		log:      opts.Log,
		metrics:  m,
		budget:   newBudget(opts.MaxPartsInFlight, opts.MaxBufferedBytes, m),
		searches: sharing.NewLine(sharing.NewPool(opts.MaxSearches)),
		starts:   sharing.NewLine(sharing.NewPool(opts.MaxStarts)),
		uploads:  &uploads{Catalog: opts.Catalog, writer: opts.Client},
	}
	s.places.TTL = opts.StartTimeout + claimKept
	s.streams = &streams{now: opts.Clock.Now}
	s.strangers = newStrangerLog(opts.Log)
	s.progress = progress.New(progress.Options{
		Client: opts.Client, Parts: s.listedParts, Delay: opts.ProgressDelay, Interval: opts.ProgressInterval,
		Clock: opts.Clock, Updates: m.progress, Log: opts.Log,
	})
	return s, s.watch()
}

// watch makes sure that the informers exist before the first request, which would else wait for
// them.
func (s *Server) watch() error {
	for _, obj := range []client.Object{&v1alpha1.MultipartUpload{}, &v1alpha1.FileStore{}, &corev1.Namespace{}} {
		informer, err := s.opts.Cache.GetInformer(context.Background(), obj, cache.BlockUntilSynced(false))
		if err != nil {
			return fmt.Errorf("data plane: watch %T: %w", obj, err)
		}
		s.informers = append(s.informers, informer)
	}
	s.streams.find = func(u *v1alpha1.MultipartUpload) subject { return s.subject(context.Background(), u) }
	if _, err := s.informers[0].AddEventHandler(s.streams.handler()); err != nil {
		return fmt.Errorf("data plane: watch uploads: %w", err)
	}
	if err := s.uploads.Follow(); err != nil {
		return fmt.Errorf("data plane: %w", err)
	}
	return nil
}

// NeedLeaderElection implements manager.LeaderElectionRunnable: every replica serves.
func (s *Server) NeedLeaderElection() bool { return false }

// Handler returns the server's HTTP handler, for tests that bring their own listener. Progress is
// recorded only while Start runs.
func (s *Server) Handler() http.Handler { return s }

// Addr is the address that the server listens on, nil before it does.
func (s *Server) Addr() net.Addr {
	if l := s.listener.Load(); l != nil {
		return (*l).Addr()
	}
	return nil
}

// Ready returns nil while the server takes requests: it listens, its caches are filled, and it is
// not shutting down.
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

// Start implements manager.Runnable: it listens and serves until ctx is done, then drains as
// Options say. It returns nil after an orderly end, also if requests had to be cut.
func (s *Server) Start(ctx context.Context) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", s.opts.BindAddress)
	if err != nil {
		return fmt.Errorf("data plane: %w", err)
	}
	// Requests outlive ctx until the drain is over.
	base, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	server := s.httpServer(base)
	listener = s.limited(listener, server)
	progressCtx, stopProgress := context.WithCancel(context.WithoutCancel(ctx))
	progressDone := make(chan struct{})
	go func() {
		defer close(progressDone)
		s.progress.Run(progressCtx)
	}()
	defer func() {
		stopProgress()
		<-progressDone
	}()

	failed := make(chan error, 1)
	go func() {
		if server.TLSConfig != nil {
			failed <- server.ServeTLS(listener, "", "")
			return
		}
		failed <- server.Serve(listener)
	}()
	s.listener.Store(&listener)
	s.log.Info("data plane listens", "address", listener.Addr().String())
	select {
	case err := <-failed:
		return fmt.Errorf("data plane: %w", err)
	case <-ctx.Done():
	}
	return s.drain(base, server, cut)
}

// drain ends the server: not ready first, then no new connections, then what is left is cut. ctx
// outlives the order to stop.
func (s *Server) drain(ctx context.Context, server *http.Server, cut context.CancelFunc) error {
	s.draining.Store(true)
	time.Sleep(s.opts.DrainDelay)
	ctx, cancel := context.WithTimeout(ctx, s.opts.GracePeriod)
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

// afterCut gives handlers whose connections were cut a moment to write their log lines and to
// release what they hold.
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
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          log.New(logWriter{s.log}, "", 0),
		Protocols:         new(http.Protocols),
		BaseContext:       func(net.Listener) context.Context { return base },
		TLSConfig:         s.opts.TLS,
		// Bodies have deadlines that slide: a file may take as long as it needs while its bytes
		// flow.
	}
	// HTTP/1.1 alone: a part is one long body, of which HTTP/2 would make frames of 16 KiB that
	// share one connection's flow control. It has nothing to offer in return, and lets one client
	// open hundreds of streams at the price of one connection.
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
