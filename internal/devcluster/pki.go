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
	schedulerCert      = "scheduler.crt"
	schedulerKey       = "scheduler.key"
	kubeletCert        = "kubelet.crt"
	kubeletKey         = "kubelet.key"
	kubeletServingCert = "kubelet-serving.crt"
	kubeletServingKey  = "kubelet-serving.key"
	proxyCert          = "kube-proxy.crt"
	proxyKey           = "kube-proxy.key"
	serviceAccountKey  = "service-account.key"
	serviceAccountPub  = "service-account.pub"
	pemTypeCertificate = "CERTIFICATE"
)

// ensurePKI makes the key material of a control plane, and of its node if it has one, in dir,
// unless it is there. The CA's own key is not kept: nothing is signed later.
func ensurePKI(dir string, node *NodeIdentity) error {
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
	for _, c := range certificates(node) {
		if err := authority.issue(unfinished, c.certFile, c.keyFile, c.template); err != nil {
			return err
		}
	}
	if err := writeServiceAccountKeys(unfinished); err != nil {
		return err
	}
	return os.Rename(unfinished, dir)
}

// certificate says what is issued and into which files.
type certificate struct {
	certFile, keyFile string
	template          x509.Certificate
}

// certificates are those that the authority of a control plane issues.
func certificates(node *NodeIdentity) []certificate {
	serving := servingCertificate("kube-apiserver", "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "127.0.0.1")
	all := []certificate{
		{adminCert, adminKey, clientCertificate("devcluster-admin", "system:masters")},
		{managerCert, managerKey, clientCertificate("system:kube-controller-manager")},
	}
	if node != nil {
		serving = servingCertificate("kube-apiserver", append(serving.DNSNames, "127.0.0.1", "kubernetes.default.svc.cluster.local", kubernetesServiceIP, node.Address)...)
		user := "system:node:" + node.Name
		all = append(all,
			certificate{schedulerCert, schedulerKey, clientCertificate("system:kube-scheduler")},
			certificate{proxyCert, proxyKey, clientCertificate("system:kube-proxy")},
			certificate{kubeletCert, kubeletKey, clientCertificate(user, "system:nodes")},
			certificate{kubeletServingCert, kubeletServingKey, servingCertificate(user, node.Name, node.Address)},
		)
	}
	return append(all, certificate{servingCert, servingKey, serving})
}

// servingCertificate is the template of a server's certificate, for names and IP addresses.
func servingCertificate(subject string, hosts ...string) x509.Certificate {
	template := x509.Certificate{Subject: pkix.Name{CommonName: subject}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	return template
}

// The files that WriteServingCertificate makes, named like the keys of a Secret of type
// kubernetes.io/tls.
const (
	ServingCAFile   = "ca.crt"
	ServingCertFile = "tls.crt"
	ServingKeyFile  = "tls.key"
)

// WriteServingCertificate makes a new authority, and writes its certificate, and one for a server
// of these names and IP addresses with its key, to dir, which it makes. The authority's own key is
// not kept.
func WriteServingCertificate(dir string, hosts ...string) error {
	authority, err := newAuthority()
	if err != nil {
		return err
	}
	if err := writePEM(filepath.Join(dir, ServingCAFile), pemTypeCertificate, authority.cert.Raw); err != nil {
		return err
	}
	return authority.issue(dir, ServingCertFile, ServingKeyFile, servingCertificate(hosts[0], hosts...))
}

// authority is a certificate authority that lives as long as it takes to issue the certificates of
// one control plane.
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

// clientCertificate is the template of a certificate that authenticates as user, a member of
// groups.
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
