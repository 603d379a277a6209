package forward

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

const (
	schemeHTTP  = "http"
	schemeHTTPS = "https"
	// connectTimeout is how long one pod may take to answer: three hops, of which each connects.
	connectTimeout = 20 * time.Second
	// continueTimeout is how long a body is held back for "100 Continue": the server waits up to
	// ten seconds for a place before it asks for one.
	continueTimeout = 12 * time.Second
	// idleTimeout is how long a connection is kept for the next request.
	idleTimeout = 30 * time.Second
	// fresh is how long the connection of Find waits for its request: less than the server waits
	// for the header of one.
	fresh = 5 * time.Second
)

// Options say which operator is meant, and who is trusted.
type Options struct {
	// Namespace is the operator's, "" to look for it.
	Namespace string
	// Roots are the authorities that its certificate is checked with; nil: those of the ConfigMap
	// that the operator writes.
	Roots *x509.CertPool
}

// Way is the way to the REST API of a cluster, through its API server. It is safe for use by
// several goroutines.
type Way struct {
	config *rest.Config
	client kubernetes.Interface

	namespace, service, scheme string
	trust                      trust
	turn                       atomic.Uint32

	mu    sync.Mutex
	first net.Conn // of Find, until it is used
}

// Find finds the operator's Service, and connects to one of its pods. What keeps it from that is an
// [*Error] where there is a remedy.
func Find(ctx context.Context, config *rest.Config, o Options) (*Way, error) {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	w := &Way{config: config, client: client}
	w.turn.Store(rand.Uint32()) //nolint:gosec // no secret: commands begin with different pods
	if err := w.find(ctx, o.Namespace); err != nil {
		return nil, err
	}
	w.trust.fixed, w.trust.roots = o.Roots != nil, o.Roots
	if w.scheme == schemeHTTPS {
		if err := w.readTrust(ctx); err != nil {
			return nil, err
		}
	}
	conn, err := w.Dial(ctx)
	if err != nil {
		return nil, err
	}
	w.first = conn
	time.AfterFunc(fresh, func() {
		if unused := w.takeFirst(); unused != nil {
			_ = unused.Close()
		}
	})
	return w, nil
}

// Address is that of the Service in the cluster. Requests name it, and the certificate is for it.
func (w *Way) Address() string { return w.scheme + "://" + w.host() }

func (w *Way) host() string { return w.service + "." + w.namespace + ".svc" }

// Dial opens a connection to a pod that is ready, with TLS where the Service has it: a *tls.Conn.
// Each pod has its turn to be asked first, so that parallel requests are spread over them. One that
// ends may take its time to fail: those that have become ready meanwhile are asked as well.
func (w *Way) Dial(ctx context.Context) (net.Conn, error) {
	tried := map[string]bool{}
	var errs []error
	for {
		pods, err := w.pods(ctx)
		if err != nil {
			return nil, errors.Join(append(errs, err)...)
		}
		pods = slices.DeleteFunc(pods, func(p pod) bool { return tried[p.name] })
		if len(pods) == 0 {
			return nil, errors.Join(errs...)
		}
		for _, to := range pods {
			tried[to.name] = true
			conn, err := w.dialPod(ctx, to)
			var known *Error
			switch {
			case err == nil:
				return conn, nil
			case ctx.Err() != nil:
				return nil, context.Cause(ctx)
			case errors.As(err, &known):
				return nil, err // which is not the pod's
			}
			errs = append(errs, fmt.Errorf("the pod %s/%s: %w", w.namespace, to.name, err))
		}
	}
}

// dialPod connects to a pod. Where its certificate is of an authority that is not known, the
// ConfigMap may have got it meanwhile, and another connection may have read it already.
func (w *Way) dialPod(ctx context.Context, to pod) (net.Conn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, connectTimeout, fmt.Errorf("no connection within %s", connectTimeout))
	defer cancel()
	trusted := w.trust.pool()
	conn, err := w.secured(ctx, to, trusted)
	var stranger x509.UnknownAuthorityError
	if !errors.As(err, &stranger) {
		return conn, err
	}
	if wrong := w.readTrust(ctx); wrong != nil {
		return nil, wrong
	}
	now := w.trust.pool()
	if now == trusted {
		return nil, err
	}
	return w.secured(ctx, to, now)
}

// secured connects to a pod, with TLS where the Service has it.
func (w *Way) secured(ctx context.Context, to pod, trusted *x509.CertPool) (net.Conn, error) {
	raw, err := w.connect(ctx, to)
	if answer := status(err); answer != nil && refusal(w.namespace, answer) != nil {
		return nil, refusal(w.namespace, answer)
	}
	if err != nil {
		return nil, err
	}
	if w.scheme == schemeHTTP {
		return raw, nil
	}
	conn := tls.Client(raw, &tls.Config{ServerName: w.host(), RootCAs: trusted, MinVersion: tls.VersionTLS12})
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
	return conn, nil
}

func (w *Way) takeFirst() net.Conn {
	w.mu.Lock()
	defer w.mu.Unlock()
	conn := w.first
	w.first = nil
	return conn
}

// Transport carries requests to the Service, whatever their address says. A connection of it is one
// to the API server, too, and is used again while there are requests.
func (w *Way) Transport() *http.Transport {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		if first := w.takeFirst(); first != nil {
			return first, nil
		}
		return w.Dial(ctx)
	}
	transport := NewTransport()
	transport.DialContext, transport.DialTLSContext = dial, dial
	return transport
}

// NewTransport makes a transport for large bodies, many at once, with the times of the REST API.
func NewTransport() *http.Transport {
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true) // several connections carry more than several streams of one
	return &http.Transport{
		ExpectContinueTimeout: continueTimeout, IdleConnTimeout: idleTimeout, MaxIdleConnsPerHost: 64, Protocols: protocols,
		DisableCompression: true, ReadBufferSize: 64 << 10, WriteBufferSize: 64 << 10,
	}
}
