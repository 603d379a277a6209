package dataplane

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/internal/catalog"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/apierror"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/transfer"
)

// Defaults of Options that the operator's flags have, too.
const (
	// DefaultMaxPartsInFlight is that of MaxPartsInFlight.
	DefaultMaxPartsInFlight = 256
	// DefaultStartTimeout is that of StartTimeout; DefaultWaitTimeout is that of CompleteTimeout,
	// AbortTimeout and SearchTimeout, shorter than proxies wait for an answer (60 s).
	DefaultStartTimeout = 30 * time.Second
	DefaultWaitTimeout  = 50 * time.Second
	// DefaultProgressInterval is that of ProgressInterval.
	DefaultProgressInterval = 15 * time.Second
	// DefaultGracePeriod is that of GracePeriod: the largest parts, of 5 GiB, at 17 MiB/s.
	DefaultGracePeriod = 5 * time.Minute
)

// Options configure a Server. Those without a default are required.
type Options struct {
	// BindAddress is host:port to listen on, such as "127.0.0.1:8080"; port 0 picks a free one, see
	// Server.Addr.
	BindAddress string
	// TLS has the certificate to serve with; nil for plain HTTP. The server adds its protocol.
	TLS *tls.Config
	// Authenticator and Authorizer decide who may do what. Default NoAuthentication, both, which
	// demands a loopback BindAddress.
	Authenticator Authenticator
	Authorizer    Authorizer

	// Version is told callers with a good token, so that a program can say that it is too old.
	// Default none.
	Version string

	// Client reads from Cache and writes to the API server.
	Client client.Client
	// Cache is where Client and Catalog read; catalog.SetupIndexes must have been called with it.
	// New makes it watch what the server needs.
	Cache cache.Cache
	// Catalog finds records and stores. New has it follow their changes.
	Catalog *catalog.Catalog
	// Stores finds object storage.
	Stores Stores

	// MaxPartsInFlight is how many parts are streamed at once; more wait, and are answered with 503
	// after QueueTimeout, and those of a namespace that has three times as many as are free also
	// before that, so that none can take all places. Default DefaultMaxPartsInFlight.
	MaxPartsInFlight int
	// MaxBufferedBytes is how much memory parts and downloads take together, at 1.125 MiB and 384
	// KiB each; it is shared in the same way. Bodies of unknown length, which are kept whole, take
	// a quarter of it at most. Default: room for MaxPartsInFlight parts and as many downloads.
	MaxBufferedBytes int64
	// MaxConnections is how many connections are open at once; see connlimit for what becomes of
	// more. Default: one for each 896 KiB of the process's memory limit, and at least two for each
	// of MaxPartsInFlight; 16,384 without a limit.
	MaxConnections int
	// MaxSearches and MaxStarts are how many searches, and how many starts of uploads, go on at
	// once. More wait, and are answered with 503 after QueueTimeout; FileStores and namespaces
	// share the places as they do those of parts. Defaults 16 and 64.
	MaxSearches, MaxStarts int
	// SearchTimeout is how long a search may take. Default DefaultWaitTimeout.
	SearchTimeout time.Duration
	// StartTimeout, CompleteTimeout and AbortTimeout are how long a request waits for the
	// reconciler before it is answered with 503 and Retry-After. Defaults DefaultStartTimeout, and
	// DefaultWaitTimeout for the others.
	StartTimeout, CompleteTimeout, AbortTimeout time.Duration
	// QueueTimeout is how long a part, a start, a completion or a file waits for a place, its rate,
	// or a store that is away for a moment, before it is refused. Its body is not read meanwhile.
	// Default 10 s.
	QueueTimeout time.Duration
	// IdleTimeout is how long a client may neither send a byte of its body nor take a byte of an
	// answer. Default 60 s.
	IdleTimeout time.Duration
	// MinBodyRate is how many bytes per second a client must send of a body, on average, once the
	// server has waited for it longer than BodyGrace: a body that trickles would else hold its
	// place for ever. Defaults 1 KiB/s, which a GPRS modem does, and 30 s; a negative rate demands
	// nothing.
	MinBodyRate int64
	BodyGrace   time.Duration
	// StoreIdleTimeout is how long object storage may take no byte of a part, give none of a file,
	// or not answer. Default 60 s.
	StoreIdleTimeout time.Duration
	// ProgressDelay is how long after its first part an upload's progress is first recorded,
	// ProgressInterval how often at most after that. Defaults 1 s, DefaultProgressInterval.
	ProgressDelay, ProgressInterval time.Duration
	// DrainDelay is how long the server goes on to take connections after it has reported not to be
	// ready, so that load balancers notice. GracePeriod is how long requests in flight have then;
	// what is left is cut, and leaves nothing behind. Defaults 0 and DefaultGracePeriod. The
	// manager's GracefulShutdownTimeout must be longer than both together.
	DrainDelay, GracePeriod time.Duration

	// Clock tells the time that uploads expire by, and paces progress. Default the real one.
	Clock clock.WithTicker
	// Log gets one line per request. Default none.
	Log logr.Logger
	// Registerer gets the metrics. Default none.
	Registerer prometheus.Registerer
	// Tracer gets a span for each request, in the trace of its caller. Default none, which costs
	// nothing.
	Tracer trace.Tracer
}

func (o *Options) setDefaults() {
	if o.Authenticator == nil {
		o.Authenticator = NoAuthentication{}
	}
	if o.Authorizer == nil {
		o.Authorizer = NoAuthentication{}
	}
	if o.MaxPartsInFlight <= 0 {
		o.MaxPartsInFlight = DefaultMaxPartsInFlight
	}
	if o.MaxBufferedBytes <= 0 {
		o.MaxBufferedBytes = int64(o.MaxPartsInFlight) * (partMemory + readMemory)
	}
	if o.MaxConnections <= 0 {
		o.MaxConnections = defaultConnections(memoryLimit(), o.MaxPartsInFlight)
	}
	if o.MaxSearches <= 0 {
		o.MaxSearches = 16
	}
	if o.MaxStarts <= 0 {
		o.MaxStarts = 64
	}
	if o.MinBodyRate == 0 {
		o.MinBodyRate = 1 << 10
	}
	for _, d := range []struct {
		value *time.Duration
		or    time.Duration
	}{
		{&o.SearchTimeout, DefaultWaitTimeout},
		{&o.StartTimeout, DefaultStartTimeout},
		{&o.CompleteTimeout, DefaultWaitTimeout},
		{&o.AbortTimeout, DefaultWaitTimeout},
		{&o.QueueTimeout, 10 * time.Second},
		{&o.IdleTimeout, time.Minute},
		{&o.BodyGrace, 30 * time.Second},
		{&o.StoreIdleTimeout, time.Minute},
		{&o.ProgressDelay, time.Second},
		{&o.ProgressInterval, DefaultProgressInterval},
		{&o.GracePeriod, DefaultGracePeriod},
	} {
		if *d.value <= 0 {
			*d.value = d.or
		}
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
}

// bodyTimeouts are how long a body is waited for.
func (o *Options) bodyTimeouts() transfer.Timeouts {
	return transfer.Timeouts{Idle: o.IdleTimeout, MinRate: o.MinBodyRate, Grace: o.BodyGrace}
}

// checkBind refuses an address that others can reach while nobody is authenticated.
func checkBind(opts Options) error {
	host, _, err := net.SplitHostPort(opts.BindAddress)
	if err != nil {
		return fmt.Errorf("data plane: bind address %q: %w", opts.BindAddress, err)
	}
	if opts.anybody() && !loopback(host) {
		return fmt.Errorf("data plane: without authentication, %q would let everybody who can reach it write: bind to a loopback address", opts.BindAddress)
	}
	return nil
}

// anybody reports whether nobody is authenticated.
func (o *Options) anybody() bool {
	_, anybody := o.Authenticator.(NoAuthentication)
	return anybody
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || (err == nil && addr.IsLoopback())
}

// checkHost refuses, where nobody is authenticated, a request for another name than this machine's
// own: a web page that has its own name resolve to a loopback address could else read and write
// files through its visitor's browser.
func checkHost(opts *Options, requested string) error {
	host, _, err := net.SplitHostPort(requested)
	if err != nil {
		host = strings.Trim(requested, "[]")
	}
	if opts.anybody() && !loopback(host) {
		return &apierror.Error{Status: http.StatusMisdirectedRequest, Message: "without authentication only this machine is served: address it as 127.0.0.1, [::1] or localhost"}
	}
	return nil
}
