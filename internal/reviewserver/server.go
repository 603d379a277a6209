package reviewserver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/webhook"

	"github.com/iotfile-operator/iotfile-operator/internal/connlimit"
)

// MaxBodyBytes is how large a review may be. That of an update holds the object twice.
const MaxBodyBytes = 1 << 20

const (
	// smallBody is what a body may have without a place among the large ones. Most reviews have a
	// tenth of it.
	smallBody = 64 << 10
	// A large body takes ten times its size while it is decoded, so few are there at once.
	largeBodies, largeBodiesOfOne = 6, 3
	// A review takes milliseconds, unless the API server has to be asked.
	reviewsAtOnce, reviewsOfOne = 32, 16
	// queueTimeout is how long a review waits for a place. The API server gives up after 5 seconds
	// (timeoutSeconds).
	queueTimeout = 2 * time.Second
	// The API server keeps 25 idle connections of each webhook. See connlimit for what one address
	// may have of all.
	connections = 256
	// drained is up to which size a body that is too large is taken and dropped: the API server
	// takes objects of 3 MiB.
	drained = 8 << 20

	headerTimeout = 5 * time.Second // the handshake included
	readTimeout   = 5 * time.Second
	writeTimeout  = 15 * time.Second // from the end of the header on
	idleTimeout   = 90 * time.Second
	headerBytes   = 16 << 10
	stopTimeout   = 30 * time.Second
)

// Options say how a Server serves. All but Clients are required.
type Options struct {
	// Address to listen on, host:port.
	Address string
	// Certificate is shown to callers.
	Certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// Clients are who may ask; nil for everybody.
	Clients *Clients
	// Log is told of what goes wrong on connections.
	Log logr.Logger
	// Registerer gets iotfile_webhook_refused_total.
	Registerer prometheus.Registerer
}

// Server is a webhook.Server, and a manager.Runnable of every replica.
type Server struct {
	opts           Options
	hooks          webhook.Server // keeps the handlers, with the usual metrics of each, and serves nothing itself
	reviews, large share
	refused        *prometheus.CounterVec
	listening      atomic.Pointer[net.Addr]
}

// New makes a Server, which does not listen yet.
func New(opts Options) (*Server, error) {
	s := &Server{
		opts: opts, hooks: webhook.NewServer(webhook.Options{}),
		reviews: newShare(reviewsAtOnce, reviewsOfOne), large: newShare(largeBodies, largeBodiesOfOne),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "iotfile_webhook_refused_total",
			Help: "Calls of the admission webhooks' port that were refused before they were looked at, by reason: too_large, busy, slow, connection (too many of them), certificate (of the client).",
		}, []string{"reason"}),
	}
	for _, reason := range []string{errTooLarge.reason, errBusy.reason, errSlow.reason, refusedConnection, refusedCertificate} {
		s.refused.WithLabelValues(reason)
	}
	if err := opts.Registerer.Register(s.refused); err != nil {
		return nil, fmt.Errorf("review server: %w", err)
	}
	return s, nil
}

const (
	refusedConnection  = "connection"
	refusedCertificate = "certificate"
)

// NeedLeaderElection implements webhook.Server: every replica answers.
func (*Server) NeedLeaderElection() bool { return false }

// Register implements webhook.Server.
func (s *Server) Register(path string, hook http.Handler) { s.hooks.Register(path, hook) }

// WebhookMux implements webhook.Server. What it serves is not bounded by s.
func (s *Server) WebhookMux() *http.ServeMux { return s.hooks.WebhookMux() }

// StartedChecker implements webhook.Server.
func (s *Server) StartedChecker() healthz.Checker {
	return func(*http.Request) error {
		if s.listening.Load() == nil {
			return errors.New("the webhooks are not served yet")
		}
		return nil
	}
}

// Addr is the address that the server listens on, nil before it does.
func (s *Server) Addr() net.Addr {
	if a := s.listening.Load(); a != nil {
		return *a
	}
	return nil
}

// Start implements webhook.Server: it serves until ctx is done, and then until the reviews under
// way are answered.
func (s *Server) Start(ctx context.Context) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", s.opts.Address)
	if err != nil {
		return fmt.Errorf("review server: %w", err)
	}
	if s.opts.Clients != nil {
		go s.opts.Clients.Run(ctx)
	}
	server := s.httpServer()
	limited := connlimit.Limit(listener, connlimit.Options{Max: connections, Wait: queueTimeout, Closed: func(why connlimit.Reason) {
		if why == connlimit.NoPlace {
			s.refused.WithLabelValues(refusedConnection).Inc()
		}
	}})
	failed := make(chan error, 1)
	go func() { failed <- server.ServeTLS(limited, "", "") }()
	address := listener.Addr()
	s.listening.Store(&address)
	s.opts.Log.Info("the webhooks are served", "address", address.String())
	select {
	case err := <-failed:
		return fmt.Errorf("review server: %w", err)
	case <-ctx.Done():
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if err := server.Shutdown(stopping); err != nil {
		return errors.Join(fmt.Errorf("review server: %w", err), server.Close())
	}
	return nil
}

func (s *Server) httpServer() *http.Server {
	config := &tls.Config{MinVersion: tls.VersionTLS13, GetCertificate: s.opts.Certificate}
	if s.opts.Clients != nil {
		s.opts.Clients.require(config, s.refused.WithLabelValues(refusedCertificate).Inc)
	}
	server := &http.Server{
		Handler: s, TLSConfig: config, ConnContext: connlimit.ConnContext, ConnState: connlimit.ConnState,
		ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: headerBytes,
		Protocols:      new(http.Protocols),
		ErrorLog:       log.New(quiet{s.opts.Log}, "", 0),
	}
	// HTTP/1.1 alone: one connection has one review, so that what is bounded by connections is
	// bounded.
	server.Protocols.SetHTTP1(true)
	return server
}

// quiet takes what net/http says of callers' connections, which is not urgent.
type quiet struct{ log logr.Logger }

// Write implements io.Writer.
func (q quiet) Write(p []byte) (int, error) {
	q.log.V(1).Info("webhooks", "message", strings.TrimSpace(string(p)))
	return len(p), nil
}
