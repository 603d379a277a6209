package testkit

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// StoreOption changes a FileStore that Store builds.
type StoreOption func(*v1alpha1.FileStore)

// Store builds a FileStore of the given name. Nothing listens at its endpoint.
func Store(name string, options ...StoreOption) *v1alpha1.FileStore {
	fs := &v1alpha1.FileStore{
		ObjectMeta: metav1.ObjectMeta{Name: name, Generation: 1, CreationTimestamp: metav1.NewTime(Epoch)},
		Spec:       v1alpha1.FileStoreSpec{Endpoint: "http://127.0.0.1:1", Bucket: "iotfile"},
	}
	for _, option := range options {
		option(fs)
	}
	return fs
}

// Default marks the store as the one to use where no other is named.
func Default() StoreOption {
	return func(fs *v1alpha1.FileStore) {
		metav1.SetMetaDataAnnotation(&fs.ObjectMeta, v1alpha1.AnnotationDefaultStore, "true")
	}
}

// Prefixed sets the prefix of the store's keys.
func Prefixed(prefix string) StoreOption {
	return func(fs *v1alpha1.FileStore) { fs.Spec.Prefix = prefix }
}

// FinishedTTL sets how long records of finished uploads stay.
func FinishedTTL(ttl time.Duration) StoreOption {
	return func(fs *v1alpha1.FileStore) { fs.Spec.FinishedTTL = &metav1.Duration{Duration: ttl} }
}

// UploadTTL sets how long an upload may stay incomplete by default.
func UploadTTL(ttl time.Duration) StoreOption {
	return func(fs *v1alpha1.FileStore) { fs.Spec.UploadTTL = &metav1.Duration{Duration: ttl} }
}

// MaxUploadTTL sets how long an upload may stay incomplete at most.
func MaxUploadTTL(ttl time.Duration) StoreOption {
	return limit(func(l *v1alpha1.FileStoreLimits) { l.MaxUploadTTL = &metav1.Duration{Duration: ttl} })
}

// AtMostOpen limits the uploads that a namespace may have open.
func AtMostOpen(n int32) StoreOption {
	return limit(func(l *v1alpha1.FileStoreLimits) { l.MaxOpenUploadsPerNamespace = ptr.To(n) })
}

func limit(set func(*v1alpha1.FileStoreLimits)) StoreOption {
	return func(fs *v1alpha1.FileStore) {
		if fs.Spec.Limits == nil {
			fs.Spec.Limits = &v1alpha1.FileStoreLimits{}
		}
		set(fs.Spec.Limits)
	}
}

// OnlyFor lets only namespaces with a label use the store.
func OnlyFor(key, value string) StoreOption {
	return func(fs *v1alpha1.FileStore) {
		fs.Spec.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{key: value}}
	}
}

// WithSecret has the store take its credentials from a Secret.
func WithSecret(name string) StoreOption {
	return func(fs *v1alpha1.FileStore) {
		fs.Spec.Credentials = &v1alpha1.FileStoreCredentials{SecretRef: &v1alpha1.SecretReference{Name: name}}
	}
}

// Orphans sets the orphan policy.
func Orphans(policy v1alpha1.OrphanPolicy) StoreOption {
	return func(fs *v1alpha1.FileStore) { fs.Spec.OrphanPolicy = policy }
}
