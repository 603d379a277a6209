package reviewserver

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

	"k8s.io/apiserver/pkg/server/dynamiccertificates"
)

// Clients are who may ask: whoever has a certificate for client authentication that the authority
// has signed, with one of the common names.
type Clients struct {
	authority *dynamiccertificates.DynamicFileCAContent
	names     []string
}

// NewClients reads the certificates of the authority from a PEM file, which Run reads again when it
// changes. There must be at least one name: an authority often signs for many.
func NewClients(caFile string, names []string) (*Clients, error) {
	if len(names) == 0 {
		return nil, errors.New("client certificates: no name is allowed to ask")
	}
	authority, err := dynamiccertificates.NewDynamicCAContentFromFile("webhook-client-ca", caFile)
	if err != nil {
		return nil, fmt.Errorf("client certificates: %w", err)
	}
	return &Clients{authority: authority, names: names}, nil
}

// Run reads the file again when it changes, until ctx is done.
func (c *Clients) Run(ctx context.Context) { c.authority.Run(ctx, 1) }

// require has a server take these clients alone.
func (c *Clients) require(config *tls.Config, refused func()) {
	config.ClientAuth = tls.RequestClientCert // and judged below, by an authority that may have changed
	config.SessionTicketsDisabled = true
	config.VerifyConnection = func(state tls.ConnectionState) error {
		err := c.verify(state.PeerCertificates)
		if err != nil {
			refused()
		}
		return err
	}
}

func (c *Clients) verify(chain []*x509.Certificate) error {
	if len(chain) == 0 {
		return errors.New("a client certificate is needed")
	}
	options, ok := c.authority.VerifyOptions()
	if !ok {
		return errors.New("no authority of client certificates is known")
	}
	options.KeyUsages = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	options.Intermediates = x509.NewCertPool()
	for _, between := range chain[1:] {
		options.Intermediates.AddCert(between)
	}
	if _, err := chain[0].Verify(options); err != nil {
		return fmt.Errorf("client certificate: %w", err)
	}
	if !slices.Contains(c.names, chain[0].Subject.CommonName) {
		return fmt.Errorf("the client certificate is of %q, who may not ask", chain[0].Subject.CommonName)
	}
	return nil
}
