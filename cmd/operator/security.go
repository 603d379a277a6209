package main

import (
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/iotfile-operator/iotfile-operator/internal/dataplane"
	"github.com/iotfile-operator/iotfile-operator/internal/identity"
)

// Ways to find out who a caller is.
const (
	authKubernetes = "kubernetes"
	authNone       = "none"
)

// security are the flags that say who is served, and how it is kept from others.
type security struct {
	auth         string
	audiences    string
	clientCAFile string
	grantTTL     time.Duration
	tlsCertDir   string
	plainHTTP    bool
}

func (s *security) bindFlags() {
	flag.StringVar(&s.auth, "auth", authKubernetes,
		"How callers of the REST API prove who they are, and what they may do: \"kubernetes\" asks the API server about their tokens (TokenReview) and rights (SubjectAccessReview on files in group "+identity.Group+"); "+
			"\"none\" lets everybody do everything, and listens on loopback addresses only.")
	flag.StringVar(&s.audiences, "token-audiences", identity.DefaultAudience,
		"What tokens must be for, separated by commas; one of them is enough. Tokens of users usually are for the API server: name its audience too if they are to be taken.")
	flag.StringVar(&s.clientCAFile, "client-ca-file", "",
		"PEM file of the CAs whose client certificates are taken instead of a token: the user is the common name, the groups are the organizations. Read again when it changes. Default: none.")
	flag.DurationVar(&s.grantTTL, "auth-cache-ttl", identity.DefaultGrantTTL,
		"How long a token that was found good, and a right that was found given, are taken for that without asking again: also after they were taken back, and while the API server is down.")
	flag.StringVar(&s.tlsCertDir, "tls-cert-dir", "",
		"Directory with tls.crt and tls.key, such as a mounted Secret of type kubernetes.io/tls: the REST API and the metrics are served over TLS with them, and the metrics to those only who may get /metrics. Read again when they change.")
	flag.BoolVar(&s.plainHTTP, "plain-http", false,
		"Serve the REST API over plain HTTP: for loopback, or behind something in the pod that ends TLS. Tokens and files are readable on the way.")
}

// validate checks the flags of a process that serves the REST API, or does not.
func (s *security) validate(dataPlane bool) error {
	if s.grantTTL <= 0 {
		return errors.New("--auth-cache-ttl must be positive")
	}
	if s.auth != authKubernetes && s.auth != authNone {
		return fmt.Errorf("--auth=%q: choose %s or %s", s.auth, authKubernetes, authNone)
	}
	if len(s.audienceList()) == 0 {
		return errors.New("--token-audiences is empty: name at least one")
	}
	if !dataPlane {
		return nil
	}
	switch {
	case s.tlsCertDir == "" && !s.plainHTTP:
		return errors.New("--tls-cert-dir is missing: name the directory with tls.crt and tls.key, or ask for --plain-http")
	case s.tlsCertDir != "" && s.plainHTTP:
		return errors.New("--tls-cert-dir and --plain-http cannot stand together")
	case s.clientCAFile != "" && s.tlsCertDir == "":
		return errors.New("--client-ca-file needs --tls-cert-dir: there are no client certificates in plain HTTP")
	}
	return nil
}

func (s *security) audienceList() []string {
	var list []string
	for audience := range strings.SplitSeq(s.audiences, ",") {
		if audience = strings.TrimSpace(audience); audience != "" {
			list = append(list, audience)
		}
	}
	return list
}

// certificate is what both servers show, nil without TLS. It has to be started, to see changes.
func (s *security) certificate() (*certwatcher.CertWatcher, error) {
	if s.tlsCertDir == "" {
		return nil, nil
	}
	watcher, err := certwatcher.New(filepath.Join(s.tlsCertDir, "tls.crt"), filepath.Join(s.tlsCertDir, "tls.key"))
	if err != nil {
		return nil, fmt.Errorf("--tls-cert-dir: %w", err)
	}
	return watcher, nil
}

// protect has the data plane serve with TLS, and to those only whom the cluster knows and allows,
// as the flags say. It returns what has to be started for it, nil for nothing.
func (s *security) protect(opts *dataplane.Options, config *rest.Config, certificate *certwatcher.CertWatcher) (*identity.Reviewer, error) {
	if certificate != nil {
		opts.TLS = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: certificate.GetCertificate, DynamicRecordSizingDisabled: true}
	}
	if s.auth == authNone {
		opts.Authenticator, opts.Authorizer = dataplane.NoAuthentication{}, dataplane.NoAuthentication{}
		return nil, nil
	}
	if s.clientCAFile != "" {
		opts.TLS.ClientAuth = tls.RequestClientCert // verified with each request, by CAs that may have changed since the handshake
	}
	reviewer, err := identity.New(identity.Options{
		Config: config, Audiences: s.audienceList(), ClientCAFile: s.clientCAFile, GrantTTL: s.grantTTL, Registerer: metrics.Registry,
	})
	if err != nil {
		return nil, fmt.Errorf("authentication: %w", err)
	}
	opts.Authenticator, opts.Authorizer = reviewer, reviewer
	return reviewer, nil
}
