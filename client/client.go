package iotfile

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
)

// Options are the settings of a [Client]. The zero value is that of a pod with a projected token.
type Options struct {
	// Token is asked for the bearer token of each attempt; nil: TokenFile(DefaultTokenFile).
	Token TokenSource
	// Namespace is the Kubernetes namespace whose files are meant; "": that of the token.
	Namespace string
	// CAFile names a PEM file with the authorities that are trusted instead of the system's. It is
	// read once, by New.
	CAFile string
	// TLS is cloned for each call; nil: TLS 1.2 or later. CAFile takes precedence over its RootCAs.
	TLS *tls.Config
	// Transport carries all requests, and CAFile and TLS do not count. Its connections are its
	// owner's: they outlive calls, and nothing bounds how long one may be silent. nil: each call
	// has connections of its own, ended with it, and one that moves no byte for two minutes is
	// given up.
	Transport http.RoundTripper
	// Attempts is how often a request is sent at most; 0: 15, which takes about a minute and a half
	// of a server that is away.
	Attempts int
	// Logger gets each attempt at level Debug and each retry at Info; nil: none. No token is
	// logged.
	Logger *slog.Logger
	// OnAttempt is told of each attempt after it has ended. It is called from several goroutines,
	// and holds up the one that calls it. nil: none.
	OnAttempt func(Attempt)
	// UserAgent stands before that of this package, such as "recorder/1.2".
	UserAgent string
}

// Client sends files to one REST API. It is safe for use by several goroutines, holds no
// connection between calls, and is not closed.
type Client struct {
	options Options
	root    string // of all addresses, without a slash at its end
	agent   string
	log     *slog.Logger
}

// New makes a client for the REST API at baseURL, such as https://iotfile.iotfile-system.svc. nil
// options are the zero value. It sends nothing: the error is that of a URL or a CAFile of no use.
func New(baseURL string, options *Options) (*Client, error) {
	o := Options{}
	if options != nil {
		o = *options
	}
	base, err := url.Parse(baseURL)
	switch {
	case err != nil:
		return nil, fmt.Errorf("iotfile: %w", err)
	case base.Scheme != "http" && base.Scheme != "https" || base.Host == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "":
		return nil, errors.New("iotfile: the URL must be http:// or https://, with a host, and without user, query and fragment")
	}
	if o.Attempts < 0 {
		return nil, errors.New("iotfile: Attempts is negative")
	}
	if o.CAFile != "" {
		if o.TLS, err = trusting(o.TLS, o.CAFile); err != nil {
			return nil, err
		}
	}
	if o.Token == nil {
		o.Token = TokenFile(DefaultTokenFile)
	}
	o.Attempts = cmp.Or(o.Attempts, 15)
	root := strings.TrimSuffix(base.String(), "/")
	if o.Namespace != "" {
		root += "/namespaces/" + url.PathEscape(o.Namespace)
	}
	return &Client{
		options: o, root: root + "/api/iotfile/v3", agent: strings.TrimSpace(o.UserAgent + " " + ownAgent()),
		log: cmp.Or(o.Logger, slog.New(slog.DiscardHandler)),
	}, nil
}

// trusting is config with the authorities of a PEM file.
func trusting(config *tls.Config, path string) (*tls.Config, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("iotfile: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("iotfile: %s holds no certificate", path)
	}
	if config == nil {
		config = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	config = config.Clone()
	config.RootCAs = roots
	return config, nil
}

// modulePath is this module's, as the binary that it is linked into names it.
const modulePath = "github.com/iotfile-operator/iotfile-operator/client"

// ownAgent names this module, its version and the platform.
func ownAgent() string {
	version := "devel"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range append(info.Deps, &info.Main) {
			if m.Path == modulePath && m.Version != "" && m.Version != "(devel)" {
				version = m.Version
			}
		}
	}
	return fmt.Sprintf("iotfile-go/%s (%s; %s/%s)", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
