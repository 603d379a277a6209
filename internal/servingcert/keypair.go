package servingcert

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"slices"
	"time"
)

// backdate is how far back certificates begin, for clients whose clocks are behind.
const backdate = time.Hour

const (
	pemCertificate = "CERTIFICATE"
	pemPrivateKey  = "PRIVATE KEY"
)

type certificate = x509.Certificate

// keyPair is a certificate and the key that belongs to it.
type keyPair struct {
	cert *certificate
	key  crypto.Signer
}

func newAuthority(now time.Time, lifetime time.Duration) (*keyPair, error) {
	template, err := newTemplate(now, now.Add(lifetime))
	if err != nil {
		return nil, err
	}
	// Two authorities have two names: else a client would have to try both of them.
	template.Subject = pkix.Name{CommonName: "iotfile-operator CA " + template.SerialNumber.Text(36)}
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	return create(template, nil)
}

// sign issues a serving certificate. It does not outlive its authority.
func (k *keyPair) sign(names []string, now time.Time, lifetime time.Duration) (*keyPair, error) {
	until := now.Add(lifetime)
	if k.cert.NotAfter.Before(until) {
		until = k.cert.NotAfter
	}
	template, err := newTemplate(now, until)
	if err != nil {
		return nil, err
	}
	template.Subject = pkix.Name{CommonName: "iotfile-operator"}
	template.KeyUsage, template.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	template.DNSNames, template.IPAddresses = split(names)
	return create(template, k)
}

func newTemplate(now, until time.Time) (*certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("make a serial number: %w", err)
	}
	return &certificate{SerialNumber: serial, NotBefore: now.Add(-backdate), NotAfter: until}, nil
}

// create makes a key and has it certified by parent, or by itself if that is nil.
func create(template *certificate, parent *keyPair) (*keyPair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	if parent == nil {
		parent = &keyPair{cert: template, key: key}
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, parent.cert, key.Public(), parent.key)
	if err != nil {
		return nil, fmt.Errorf("make a certificate: %w", err)
	}
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		return nil, fmt.Errorf("read the certificate that was made: %w", err)
	}
	return &keyPair{cert: cert, key: key}, nil
}

func (k *keyPair) valid(now time.Time) bool {
	return !now.Before(k.cert.NotBefore) && now.Before(k.cert.NotAfter)
}

func (k *keyPair) signedBy(authority *keyPair) bool {
	return k.cert.CheckSignatureFrom(authority.cert) == nil
}

func (k *keyPair) hasNames(names []string) bool {
	return !slices.ContainsFunc(names, func(name string) bool { return k.cert.VerifyHostname(name) != nil })
}

// split tells DNS names and IP addresses apart.
func split(names []string) (dns []string, addresses []net.IP) {
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			addresses = append(addresses, ip)
		} else {
			dns = append(dns, name)
		}
	}
	return dns, addresses
}

// parsePair reads a certificate and its key.
func parsePair(certPEM, keyPEM []byte) (*keyPair, error) {
	certs := parseCertificates(certPEM)
	block, _ := pem.Decode(keyPEM)
	if len(certs) == 0 || block == nil {
		return nil, errors.New("no certificate, or no key")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read the key: %w", err)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || !key.PublicKey.Equal(certs[0].PublicKey) {
		return nil, errors.New("the key is not the certificate's")
	}
	return &keyPair{cert: certs[0], key: key}, nil
}

// parseCertificates reads all certificates of a text, and passes over what is none.
func parseCertificates(text []byte) []*certificate {
	var certs []*certificate
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return certs
		}
		if block.Type != pemCertificate {
			continue
		}
		if cert, err := x509.ParseCertificate(block.Bytes); err == nil {
			certs = append(certs, cert)
		}
	}
}

func encodeCertificates(certs ...*certificate) []byte {
	var out bytes.Buffer
	for _, cert := range certs {
		out.Write(pem.EncodeToMemory(&pem.Block{Type: pemCertificate, Bytes: cert.Raw}))
	}
	return out.Bytes()
}

func (k *keyPair) encodeKey() ([]byte, error) {
	raw, err := x509.MarshalPKCS8PrivateKey(k.key)
	if err != nil {
		return nil, fmt.Errorf("write the key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemPrivateKey, Bytes: raw}), nil
}
