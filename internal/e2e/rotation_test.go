package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// certificates are a CA and a directory that is changed as kubelet changes a mounted Secret: by a
// symlink that is swapped.
type certificates struct {
	dir  string
	ca   *x509.Certificate
	key  *ecdsa.PrivateKey
	last int64
	// shown is the version that is in place.
	shown string
}

func newCertificates(t *testing.T) *certificates {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	check(t, err)
	ca, err := x509.ParseCertificate(raw)
	check(t, err)
	c := &certificates{dir: t.TempDir(), ca: ca, key: key, last: 1}
	for _, name := range []string{"tls.crt", "tls.key"} {
		check(t, os.Symlink(filepath.Join("..data", name), filepath.Join(c.dir, name)))
	}
	c.rotate(t)
	return c
}

// issue makes a certificate of its own serial number for 127.0.0.1 and, as a client, for user.
func (c *certificates) issue(t *testing.T, user string, groups ...string) (certificate, key []byte) {
	t.Helper()
	c.last++
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(c.last), Subject: pkix.Name{CommonName: user, Organization: groups}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, c.ca, private.Public(), c.key)
	check(t, err)
	der, err := x509.MarshalECPrivateKey(private)
	check(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
}

// rotate replaces the certificate in the directory, and returns its serial number.
func (c *certificates) rotate(t *testing.T) int64 {
	t.Helper()
	certificate, key := c.issue(t, "data plane")
	version := filepath.Join(c.dir, fmt.Sprintf("..%d", c.last))
	check(t, os.Mkdir(version, 0o700))
	check(t, os.WriteFile(filepath.Join(version, "tls.crt"), certificate, 0o600))
	check(t, os.WriteFile(filepath.Join(version, "tls.key"), key, 0o600))
	check(t, os.Symlink(filepath.Base(version), filepath.Join(c.dir, "..new")))
	check(t, os.Rename(filepath.Join(c.dir, "..new"), filepath.Join(c.dir, "..data")))
	if c.shown != "" {
		check(t, os.RemoveAll(c.shown))
	}
	c.shown = version
	return c.last
}

// client trusts the CA. Without keepAlive each request has a connection, and so a handshake, of its
// own.
func (c *certificates) client(keepAlive bool, own ...tls.Certificate) *http.Client {
	roots := x509.NewCertPool()
	roots.AddCert(c.ca)
	return &http.Client{Transport: contract.Transport(&http.Transport{
		DisableKeepAlives: !keepAlive, TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: own, MinVersion: tls.VersionTLS12},
	})}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// startSecure starts a data plane on TLS beside the operator of the other tests.
func startSecure(t *testing.T, c *certificates, args ...string) *devcluster.Operator {
	t.Helper()
	options := system.options
	options.Name, options.Roles, options.TLSCertDir, options.Args = "secure", "data-plane", c.dir, args
	operator, err := devcluster.StartOperator(t.Context(), options)
	check(t, err)
	t.Cleanup(func() { _ = operator.Stop() })
	return operator
}

// TestRotation replaces certificate, storage keys and tokens under load, again and again. Not one
// request may fail.
func TestRotation(t *testing.T) {
	tn := system.tenants[0]
	for _, other := range system.tenants {
		if other.store.Kind == devcluster.StoreMinIO { // which gives temporary keys
			tn = other
		}
	}
	tn.waitReady(t)
	certs := newCertificates(t)
	secure := startSecure(t, certs)
	t.Cleanup(func() {
		tn.setKeys(t, credentials.Value{AccessKeyID: tn.store.AccessKey, SecretAccessKey: tn.store.SecretKey})
	})
	const rotations = 8
	var token atomic.Pointer[string]
	token.Store(&tn.token)
	var sent, failed atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	content := random(partSize)
	for worker := range 6 {
		group.Go(func() {
			http := certs.client(worker%2 == 0)
			for n := 0; ctx.Err() == nil; n++ {
				f := tn.newFile(fmt.Sprintf("rotation-%d.bin", n))
				address := secure.URL + "/namespaces/" + tn.namespace + "/api/iotfile/v3/files/" + f.entity + "/" + f.path
				for _, step := range []struct {
					method, query string
					body          []byte
					status        int
				}{
					{"PUT", "?upload=start", nil, 201},
					{"PUT", "?part=1", content, 201},
					{"PUT", "?part=2", content, 201},
					{"PUT", "?upload=complete", []byte("end"), 201},
					{"GET", "", nil, 200},
					{"DELETE", "", nil, 204},
				} {
					sent.Add(1)
					mine := &file{tenant: &tenant{token: *token.Load()}}
					if a, err := mine.doWith(t.Context(), http, step.method, address+step.query, step.body); err != nil || a.status != step.status {
						failed.Add(1)
						t.Errorf("%s %s: %v %v", step.method, step.query, a, err)
						break
					}
				}
			}
		})
	}
	serials := map[int64]bool{}
	for range rotations {
		serial := certs.rotate(t)
		tn.rotateKeys(t)
		fresh, err := system.plane.ServiceAccountToken(t.Context(), tn.namespace, "app", time.Hour, devcluster.Audience)
		check(t, err)
		remember(fresh)
		token.Store(&fresh)
		eventually(t, "the new certificate is shown", func() error {
			shown, err := tls.Dial("tcp", secure.URL[len("https://"):], &tls.Config{InsecureSkipVerify: true}) // it is looked at, not trusted
			if err != nil {
				return err
			}
			defer func() { _ = shown.Close() }()
			state := shown.ConnectionState()
			if got := state.PeerCertificates[0].SerialNumber.Int64(); got != serial || state.NegotiatedProtocol == "h2" {
				return fmt.Errorf("number %d is shown, not %d", got, serial)
			}
			return nil
		})
		serials[serial] = true
		time.Sleep(time.Second) // of load
	}
	stop()
	group.Wait()
	t.Logf("%d requests, %d failed; %d certificates, keys and tokens", sent.Load(), failed.Load(), len(serials))
	if sent.Load() < rotations*6 {
		t.Errorf("only %d requests are no load", sent.Load())
	}
	// And to see that keys are replaced at all: with wrong ones nothing works any more.
	tn.setKeys(t, credentials.Value{AccessKeyID: tn.store.AccessKey, SecretAccessKey: "no-such-secret-key"})
	f := tn.newFile("wrong.bin")
	eventually(t, "wrong keys are used", func() error {
		if a, err := f.do(t.Context(), http.MethodGet, f.url("files", ""), nil); err != nil || a.status != 502 {
			return fmt.Errorf("%v %w", a, err)
		}
		return nil
	})
}

// rotateKeys gives the FileStore other keys: temporary ones of their own.
func (tn *tenant) rotateKeys(t *testing.T) {
	t.Helper()
	temporary, err := credentials.NewSTSAssumeRole(tn.store.Endpoint, credentials.STSAssumeRoleOptions{
		AccessKey: tn.store.AccessKey, SecretKey: tn.store.SecretKey, Location: tn.store.Region, DurationSeconds: 3600,
	})
	check(t, err)
	value, err := temporary.GetWithContext(&credentials.CredContext{Client: http.DefaultClient})
	check(t, err)
	remember(value.SecretAccessKey, value.SessionToken)
	tn.setKeys(t, value)
}

// setKeys writes the keys of the FileStore's Secret.
func (tn *tenant) setKeys(t *testing.T, keys credentials.Value) {
	t.Helper()
	setKeys(t, string(tn.store.Kind), keys)
}

// setKeys writes the keys of the Secret of that name.
func setKeys(t *testing.T, name string, keys credentials.Value) {
	t.Helper()
	secret := &corev1.Secret{}
	check(t, system.kube.Get(context.WithoutCancel(t.Context()), client.ObjectKey{Namespace: devcluster.OperatorNamespace, Name: name}, secret))
	secret.Data = map[string][]byte{
		v1alpha1.SecretKeyAccessKeyID: []byte(keys.AccessKeyID), v1alpha1.SecretKeySecretAccessKey: []byte(keys.SecretAccessKey),
		v1alpha1.SecretKeySessionToken: []byte(keys.SessionToken),
	}
	check(t, system.kube.Update(context.WithoutCancel(t.Context()), secret))
}

// TestTLS asks for what only a server with TLS has: client certificates, and metrics that not
// everybody may read.
func TestTLS(t *testing.T) {
	tn := system.tenants[0]
	tn.waitReady(t)
	certs := newCertificates(t)
	ca := filepath.Join(t.TempDir(), "ca.crt")
	check(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certs.ca.Raw}), 0o600))
	secure := startSecure(t, certs, "--client-ca-file="+ca)
	f := tn.newFile("by-certificate.bin")
	address := secure.URL + "/namespaces/" + tn.namespace + "/api/iotfile/v3/files/" + f.entity + "/" + f.path
	bind := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "gateways", Namespace: tn.namespace},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "iotfile-editor"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "Group", Name: "gateways"}},
	}
	check(t, system.kube.Create(t.Context(), bind))
	t.Cleanup(func() { _ = system.kube.Delete(t.Context(), bind) })
	pair := func(c *certificates) tls.Certificate {
		own, err := tls.X509KeyPair(c.issue(t, "gateway-1", "gateways"))
		check(t, err)
		return own
	}
	anonymous := &file{tenant: &tenant{}}
	eventually(t, "a file by client certificate", func() error {
		a, err := anonymous.doWith(t.Context(), certs.client(false, pair(certs)), http.MethodPut, address, []byte("x"))
		if err != nil || a.status != 201 {
			return fmt.Errorf("%v %w", a, err)
		}
		return nil
	})
	if a, err := anonymous.doWith(t.Context(), certs.client(false, pair(newCertificates(t))), http.MethodGet, address, nil); err != nil || a.status != 401 {
		t.Errorf("a certificate of somebody else's CA: %v %v", a, err)
	}

	scraper, err := system.plane.ServiceAccountToken(t.Context(), "monitoring", "prometheus", time.Hour)
	check(t, err)
	reads := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "test-metrics"}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "iotfile-metrics-reader"},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: "monitoring", Name: "prometheus"}},
	}
	check(t, system.kube.Create(t.Context(), reads))
	t.Cleanup(func() { _ = system.kube.Delete(t.Context(), reads) })
	other, err := system.plane.ServiceAccountToken(t.Context(), "monitoring", "other", time.Hour)
	check(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(certs.ca)
	plain := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	for who, tt := range map[string]struct {
		token  string
		status int
	}{"nobody": {"", 401}, "for files": {tn.token, 500}, "other": {other, 403}, "prometheus": {scraper, 200}} {
		eventually(t, "the metrics, for "+who, func() error {
			a, err := (&file{tenant: &tenant{token: tt.token}}).doWith(t.Context(), plain, http.MethodGet, secure.MetricsURL+"/metrics", nil)
			if err != nil || a.status != tt.status {
				return fmt.Errorf("%v %w", a, err)
			}
			return nil
		})
	}
}
