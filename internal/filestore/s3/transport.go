package s3

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/bulkconn"
)

const (
	// idleTimeout is shorter than that of any known backend. A part that is sent on a connection
	// which the backend has just given up fails for good, because its bytes cannot be sent again,
	// while a new connection costs one round trip.
	idleTimeout = 5 * time.Second
	// maxIdlePerHost keeps a connection for each of the parts in flight at once, but for peaks.
	maxIdlePerHost = 64
	dialTimeout    = 10 * time.Second
)

// newTransport makes the connections of one store. There is no ResponseHeaderTimeout, since a
// backend may copy all bytes of a large file before it answers a Complete: contexts bound the
// calls. HTTP/2 is off: one connection for all parts would make them wait for each other.
func newTransport(caBundle []byte, guard *Guard) (*http.Transport, error) {
	tlsConfig := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}, DynamicRecordSizingDisabled: true}
	if len(caBundle) > 0 {
		tlsConfig.RootCAs = x509.NewCertPool()
		if !tlsConfig.RootCAs.AppendCertsFromPEM(caBundle) {
			return nil, invalid("the CA bundle holds no PEM certificate")
		}
	}
	dialer := newDialer(guard)
	return &http.Transport{
		Proxy: dialer.proxyOf,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := dialer.dial(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			below := bulkconn.New(c, false)
			return steppingConn{below, below}, nil
		},
		DialTLSContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return dialTLS(ctx, dialer, tlsConfig, network, addr)
		},
		TLSClientConfig:     tlsConfig, // of connections through a proxy, which DialTLSContext does not make
		TLSHandshakeTimeout: dialTimeout,
		MaxIdleConnsPerHost: maxIdlePerHost,
		IdleConnTimeout:     idleTimeout,
		DisableCompression:  true, // objects are served as they were stored
	}, nil
}

func dialTLS(ctx context.Context, dialer *dialer, config *tls.Config, network, addr string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	raw, err := dialer.dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	config = config.Clone()
	config.ServerName = host
	below := bulkconn.New(raw, true)
	conn := tls.Client(below, config)
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, err
	}
	return steppingConn{conn, below}, nil
}

// wire is the last hand on a request before it is sent.
type wire struct {
	next     http.RoundTripper
	forceTLS bool
}

// RoundTrip implements http.RoundTripper.
func (w wire) RoundTrip(req *http.Request) (*http.Response, error) {
	damage := damageOf(req.Context())
	if !w.forceTLS && damage == nil {
		return w.send(req)
	}
	// A RoundTripper must not change the request that it is given.
	sent := *req
	if w.forceTLS {
		u := *req.URL
		u.Scheme = "https"
		sent.URL = &u
	}
	if damage != nil && req.Body != nil {
		sent.Body = damage(req.Body)
	}
	return w.send(&sent)
}

func (w wire) send(req *http.Request) (*http.Response, error) {
	if req.Body == nil || req.Body == http.NoBody {
		return receiveSteps(w.next, req)
	}
	return sendBody(w.next, req)
}

// damageKey carries a function that damages the body of the requests of a context, after it was
// signed and its checksum computed. Only Probe sets it, to see whether the backend notices.
type damageKey struct{}

func damageOf(ctx context.Context) func(io.ReadCloser) io.ReadCloser {
	f, _ := ctx.Value(damageKey{}).(func(io.ReadCloser) io.ReadCloser)
	return f
}
