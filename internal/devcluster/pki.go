package devcluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// pkiValidity is long: nobody renews the certificates of a development machine.
const pkiValidity = 10 * 365 * 24 * time.Hour

// The files of a control plane's key material, in its pki directory.
const (
	caCert             = "ca.crt"
	servingCert        = "apiserver.crt"
	servingKey         = "apiserver.key"
	adminCert          = "admin.crt"
	adminKey           = "admin.key"
	managerCert        = "controller-manager.crt"
	managerKey         = "controller-manager.key"
	serviceAccountKey  = "service-account.key"
	serviceAccountPub  = "service-account.pub"
	pemTypeCertificate = "CERTIFICATE"
)

// ensurePKI makes the key material of a control plane in dir, unless it is there. The CA's own key is not kept: nothing is
// signed later.
func ensurePKI(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	// Made beside and renamed, so that a half-made directory is never taken for a whole one.
	unfinished := dir + ".unfinished"
	if err := os.RemoveAll(unfinished); err != nil {
		return err
	}
	if err := os.MkdirAll(unfinished, 0o700); err != nil {
		return err
	}
	authority, err := newAuthority()
	if err != nil {
		return err
	}
	if err := writePEM(filepath.Join(unfinished, caCert), pemTypeCertificate, authority.cert.Raw); err != nil {
		return err
	}
	serving := x509.Certificate{
		Subject:     pkix.Name{CommonName: "kube-apiserver"},
		DNSNames:    []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if err := authority.issue(unfinished, servingCert, servingKey, serving); err != nil {
		return err
	}
	admin := clientCertificate("devcluster-admin", "system:masters")
	if err := authority.issue(unfinished, adminCert, adminKey, admin); err != nil {
		return err
	}
	manager := clientCertificate("system:kube-controller-manager")
	if err := authority.issue(unfinished, managerCert, managerKey, manager); err != nil {
		return err
	}
	if err := writeServiceAccountKeys(unfinished); err != nil {
		return err
	}
	return os.Rename(unfinished, dir)
}

// authority is a certificate authority that lives as long as it takes to issue the certificates of one control plane.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template, err := certificateTemplate(x509.Certificate{
		Subject:               pkix.Name{CommonName: "devcluster"},
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		IsCA:                  true,
		BasicConstraintsValid: true,
	})
	if err != nil {
		return nil, err
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(raw)
	return &authority{cert: cert, key: key}, err
}

// clientCertificate is the template of a certificate that authenticates as user, a member of groups.
func clientCertificate(user string, groups ...string) x509.Certificate {
	return x509.Certificate{
		Subject:     pkix.Name{CommonName: user, Organization: groups},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
}

// certificateTemplate completes a template with what all certificates have.
func certificateTemplate(template x509.Certificate) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	template.NotBefore = time.Now().Add(-time.Hour) // clocks that are set back a little do no harm
	template.NotAfter = time.Now().Add(pkiValidity)
	if template.KeyUsage == 0 {
		template.KeyUsage = x509.KeyUsageDigitalSignature
	}
	return &template, nil
}

// issue writes a new certificate and its key to dir.
func (a *authority) issue(dir, certFile, keyFile string, template x509.Certificate) error {
	full, err := certificateTemplate(template)
	if err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	raw, err := x509.CreateCertificate(rand.Reader, full, a.cert, key.Public(), a.key)
	if err != nil {
		return fmt.Errorf("issue %s: %w", certFile, err)
	}
	if err := writePEM(filepath.Join(dir, certFile), pemTypeCertificate, raw); err != nil {
		return err
	}
	return writeKey(filepath.Join(dir, keyFile), key)
}

func writeServiceAccountKeys(dir string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	if err := writeKey(filepath.Join(dir, serviceAccountKey), key); err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return err
	}
	return writePEM(filepath.Join(dir, serviceAccountPub), "PUBLIC KEY", public)
}

func writeKey(path string, key *ecdsa.PrivateKey) error {
	raw, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return writePEM(path, "EC PRIVATE KEY", raw)
}

func writePEM(path, kind string, raw []byte) error {
	return writeFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: raw}))
}
