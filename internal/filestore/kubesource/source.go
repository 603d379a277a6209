// Package kubesource is the filestore.Source of a cluster: FileStores, and Secrets in the
// operator's own namespace.
//
// It imports api and internal/filestore. Start with Source; watch.go tells the provider what has
// changed. Rights that the package uses:
//
// +kubebuilder:rbac:groups=iotfile.dev,resources=filestores,verbs=list;watch
// +kubebuilder:rbac:groups="",namespace=iotfile-system,resources=secrets,verbs=list;watch
package kubesource

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

// Source implements filestore.Source. It is safe for concurrent use.
type Source struct {
	reader    client.Reader
	namespace string
}

var _ filestore.Source = (*Source)(nil)

// New makes a Source. reader must be backed by informers of FileStores and of the Secrets of
// namespace, the operator's own.
func New(reader client.Reader, namespace string) *Source {
	return &Source{reader: reader, namespace: namespace}
}

// StoreConfig implements filestore.Source.
func (s *Source) StoreConfig(ctx context.Context, name string) (filestore.Config, error) {
	var store v1alpha1.FileStore
	if err := s.reader.Get(ctx, types.NamespacedName{Name: name}, &store); err != nil {
		if apierrors.IsNotFound(err) {
			return filestore.Config{}, filestore.NewConfigError(filestore.ErrStoreNotFound, "there is no FileStore %q", name)
		}
		return filestore.Config{}, fmt.Errorf("reading FileStore %s: %w", name, err)
	}
	if filestore.Yields(&store) {
		return filestore.Config{}, filestore.NewConfigError(filestore.ErrPrefixOverlap, "another FileStore has the keys of FileStore %q", name)
	}
	config := filestore.Config{
		Name:            name,
		Endpoint:        store.Spec.Endpoint,
		Region:          store.Spec.Region,
		Bucket:          store.Spec.Bucket,
		Prefix:          store.Spec.Prefix,
		AddressingStyle: store.Spec.AddressingStyle,
	}
	if found := filestore.Probed(&store); found != nil {
		config.PayloadMode = found.PayloadMode
		config.ListingMetadata = found.ListingMetadata != nil && *found.ListingMetadata
		config.BareETags = found.MatchETag == v1alpha1.ETagBare
	}
	if tls := store.Spec.TLS; tls != nil {
		config.CABundle = tls.CABundle
	}
	if creds := store.Spec.Credentials; creds != nil && creds.SecretRef != nil {
		keys, err := s.credentials(ctx, &store, creds.SecretRef.Name)
		if err != nil {
			return filestore.Config{}, fmt.Errorf("FileStore %s: %w", name, err)
		}
		config.Credentials = keys
	}
	return config, nil
}

func (s *Source) credentials(ctx context.Context, store *v1alpha1.FileStore, name string) (*filestore.Credentials, error) {
	var secret corev1.Secret
	if err := s.reader.Get(ctx, types.NamespacedName{Namespace: s.namespace, Name: name}, &secret); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, filestore.NewConfigError(filestore.ErrSecretNotFound, "there is no Secret %s/%s", s.namespace, name)
		}
		return nil, fmt.Errorf("reading Secret %s/%s: %w", s.namespace, name, err)
	}
	if filestore.ConsentOf(store, name, secret.Annotations) == "" {
		return nil, filestore.NewConfigError(filestore.ErrSecretConsent, "Secret %s/%s does not name this FileStore in its annotation %s: "+
			"whoever owns the Secret may run kubectl annotate secret -n %s %s %s=%s", s.namespace, name, v1alpha1.AnnotationStores,
			s.namespace, name, v1alpha1.AnnotationStores, store.Name)
	}
	return credentialsOf(&secret, store.Spec.Credentials.SecretRef.Keys)
}
