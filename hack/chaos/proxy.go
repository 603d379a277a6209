package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"
)

// proxy is an HTTP proxy on loopback before one server, which harms requests. Behind it comes
// nothing but the server; before it, the faults of TCP.
type proxy struct {
	*faults
	seed     uint64
	server   *http.Server
	listener net.Listener
}

// newProxy starts a proxy to the server at base, reached over transport. With a certificate it
// speaks TLS.
func newProxy(base string, transport http.RoundTripper, cert *tls.Certificate, seed uint64, count func(string)) (*proxy, error) {
	target, err := url.Parse(base)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{faults: newFaults(transport, seed, count), seed: seed, listener: listener}
	silent := log.New(io.Discard, "", 0)
	p.server = &http.Server{ReadHeaderTimeout: time.Minute, ErrorLog: silent, Handler: &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // it is part of what the signature of an S3 request covers
		},
		Transport:     p.faults,
		FlushInterval: -1, // watches are passed on event by event
		ErrorLog:      silent,
		ErrorHandler:  func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}}
	go func() {
		if cert == nil {
			_ = p.server.Serve(listener)
			return
		}
		p.server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{*cert}, MinVersion: tls.VersionTLS12}
		_ = p.server.ServeTLS(listener, "", "")
	}()
	return p, nil
}

// address is where it listens.
func (p *proxy) address() string { return p.listener.Addr().String() }

// stop cuts all connections.
func (p *proxy) stop() { _ = p.server.Close() }

// newCertificate makes a certificate for 127.0.0.1 that signs itself, and gives its PEM form for
// those who are to trust it.
func newCertificate() (*tls.Certificate, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "chaos"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(48 * time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}), nil
}

// sleep waits, or gives the context's error when that is done first.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
