package connection

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/cli/forward"
)

// dialTimeout is how long a connection may take.
const dialTimeout = 10 * time.Second

// throughCluster goes to the operator of the kubeconfig's cluster, through its API server.
func (f *Flags) throughCluster(ctx context.Context, c *Connection) error {
	config, _, err := f.Kube()
	if err != nil {
		return fmt.Errorf("where is the REST API? Give --server URL, or set %s; and no cluster can be asked for it: %w", envServer, err)
	}
	trusted, err := c.tls()
	if err != nil {
		return err
	}
	c.way, err = forward.Find(ctx, config, forward.Options{Namespace: f.operatorNamespace, Roots: trusted.RootCAs})
	if err != nil {
		return err
	}
	c.Server, c.transport = c.way.Address(), c.way.Transport()
	return nil
}

// Via says in words how the server is reached, with a blank before it; "" where nothing is to be
// said.
func (c *Connection) Via() string {
	if c.way == nil {
		return ""
	}
	return " through a port-forward"
}

// Dial opens a connection to the server, with TLS where its address says so: a *tls.Conn.
func (c *Connection) Dial(ctx context.Context) (net.Conn, error) {
	if c.way != nil {
		return c.way.Dial(ctx)
	}
	u, err := url.Parse(c.Server)
	if err != nil {
		return nil, err
	}
	to := u.Host
	if u.Port() == "" {
		to = net.JoinHostPort(u.Hostname(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
	}
	dialer := &net.Dialer{Timeout: dialTimeout}
	if u.Scheme == "http" {
		return dialer.DialContext(ctx, "tcp", to)
	}
	config, err := c.tls()
	if err != nil {
		return nil, err
	}
	return (&tls.Dialer{NetDialer: dialer, Config: config}).DialContext(ctx, "tcp", to)
}

// Transport carries requests to the server, many at once, as long as the program runs.
func (c *Connection) Transport() (http.RoundTripper, error) {
	if c.transport != nil {
		return c.transport, nil
	}
	config, err := c.tls()
	if err != nil {
		return nil, err
	}
	own := forward.NewTransport()
	own.Proxy, own.TLSClientConfig, own.TLSHandshakeTimeout = http.ProxyFromEnvironment, config, dialTimeout
	own.DialContext = (&net.Dialer{Timeout: dialTimeout}).DialContext
	return own, nil
}

// send sends a request, and reads the beginning of the answer.
func (c *Connection) send(request *http.Request) (*Answer, error) {
	transport, err := c.Transport()
	if err != nil {
		return nil, err
	}
	if own, ok := transport.(*http.Transport); ok && c.transport == nil {
		defer own.CloseIdleConnections()
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	return ReadAnswer(response), nil
}

// ReadAnswer reads a response, and of its body the beginning. The caller closes the body.
func ReadAnswer(response *http.Response) *Answer {
	answer := &Answer{Status: response.StatusCode, Header: response.Header}
	answer.Body, _ = io.ReadAll(io.LimitReader(response.Body, 64<<10)) // the status tells enough
	return answer
}

// tls is the configuration of connections: they trust whom the client trusts.
func (c *Connection) tls() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CAFile == "" {
		return config, nil
	}
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, err
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", c.CAFile)
	}
	return config, nil
}

// Guarded reports whether what is sent is seen by nobody else: it has TLS, or does not leave this
// machine, or goes through the API server, whose TLS ends at the kubelet beside the pod.
func (c *Connection) Guarded() bool {
	if c.way != nil {
		return true
	}
	u, err := url.Parse(c.Server)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "https" || u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}
