package servingcert

import (
	"context"
	"crypto/tls"
	"fmt"
	"sync/atomic"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
)

// Source is the certificate in a Secret, as it is now. It is safe for concurrent use.
type Source struct {
	secret  types.NamespacedName
	log     logr.Logger
	current atomic.Pointer[tls.Certificate]
}

// NewSource makes the Source of a Secret. It has no certificate before Watch was called and the
// informers have come to the Secret.
func NewSource(secret types.NamespacedName, log logr.Logger) *Source {
	return &Source{secret: secret, log: log}
}

// Watch follows the Secret through informers, which need not have started. It is called once.
// Neither the Secret nor a certificate in it needs to be there yet: see Ready.
func (s *Source) Watch(informers cache.Informers) error {
	informer, err := informers.GetInformer(context.Background(), &corev1.Secret{}, cache.BlockUntilSynced(false))
	if err != nil {
		return fmt.Errorf("watch the Secret %s: %w", s.secret, err)
	}
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    s.update,
		UpdateFunc: func(_, now any) { s.update(now) },
	})
	if err != nil {
		return fmt.Errorf("watch the Secret %s: %w", s.secret, err)
	}
	return nil
}

// update takes over what is in the Secret. A Secret that is deleted, emptied or broken changes
// nothing: what is served is still trusted.
func (s *Source) update(obj any) {
	secret, ok := obj.(*corev1.Secret)
	if !ok || secret.Namespace != s.secret.Namespace || secret.Name != s.secret.Name || len(secret.Data[KeyCertificate]) == 0 {
		return
	}
	pair, err := tls.X509KeyPair(secret.Data[KeyCertificate], secret.Data[KeyPrivateKey])
	if err != nil {
		s.log.Error(err, "the Secret holds no certificate that could be served; the one before stays", "secret", s.secret.String())
		return
	}
	s.current.Store(&pair)
	s.log.Info("serving certificate", "secret", s.secret.String(), "expires", pair.Leaf.NotAfter)
}

// GetCertificate is for tls.Config. A change takes effect with the next connection; those that are
// open stay as they are.
func (s *Source) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if err := s.Ready(); err != nil {
		return nil, err
	}
	return s.current.Load(), nil
}

// Ready returns nil once there is a certificate to serve.
func (s *Source) Ready() error {
	if s.current.Load() == nil {
		return fmt.Errorf("no serving certificate yet: the Secret %s is not there, or empty", s.secret)
	}
	return nil
}
