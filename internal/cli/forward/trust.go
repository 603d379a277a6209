package forward

import (
	"bytes"
	"context"
	"crypto/x509"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The operator writes the authorities of its certificate there, for everybody who is authenticated.
const (
	caName = "iotfile-ca"
	caKey  = "ca.crt"
)

// trust are the authorities that the certificate of the REST API is checked with.
type trust struct {
	// fixed ones were given by the user, and are not replaced.
	fixed bool

	mu    sync.Mutex
	pem   []byte
	roots *x509.CertPool
}

func (t *trust) pool() *x509.CertPool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.roots
}

// readTrust reads the ConfigMap: an authority may change while a long transfer is under way. The
// pool is another one after it only where there is news.
func (w *Way) readTrust(ctx context.Context) error {
	if w.trust.fixed {
		return nil
	}
	const remedy = "give the authority by --ca-file, or have the platform install the version of this program"
	found, err := w.client.CoreV1().ConfigMaps(w.namespace).Get(ctx, caName, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return &Error{"the namespace " + w.namespace + " has no ConfigMap " + caName + ", which the certificate of the REST API is checked with", remedy, err}
	case apierrors.IsForbidden(err):
		return &Error{"you may not read the ConfigMap " + caName + " in the namespace " + w.namespace, remedy, err}
	case err != nil:
		return err
	}
	pem := []byte(found.Data[caKey])
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return &Error{"the ConfigMap " + w.namespace + "/" + caName + " has no certificate in " + caKey, remedy, nil}
	}
	w.trust.mu.Lock()
	defer w.trust.mu.Unlock()
	if !bytes.Equal(pem, w.trust.pem) {
		w.trust.pem, w.trust.roots = pem, roots
	}
	return nil
}
