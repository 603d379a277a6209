package catalog

import (
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// Catalog answers from the informer cache and from the API server. It is safe for concurrent use.
type Catalog struct {
	live       client.Reader
	uploads    shelf[*v1alpha1.MultipartUpload]
	stores     shelf[*v1alpha1.FileStore]
	namespaces shelf[*corev1.Namespace]
	serving    serving
	waiters    waiters
}

// New makes a Catalog. cached is the informer cache, for which SetupIndexes was called, or a client
// that reads from one; live reads from the API server. Follow has to be called where requests wait
// for changes.
func New(cached, live client.Reader) *Catalog {
	informers, _ := cached.(cache.Informers)
	return &Catalog{
		live: live,
		uploads: shelf[*v1alpha1.MultipartUpload]{
			resource: "multipartuploads", cached: cached, informers: informers,
			blank: func() *v1alpha1.MultipartUpload { return &v1alpha1.MultipartUpload{} },
		},
		stores: shelf[*v1alpha1.FileStore]{
			resource: "filestores", cached: cached, informers: informers,
			blank: func() *v1alpha1.FileStore { return &v1alpha1.FileStore{} },
		},
		namespaces: shelf[*corev1.Namespace]{
			resource: "namespaces", cached: cached, informers: informers,
			blank: func() *corev1.Namespace { return &corev1.Namespace{} },
		},
	}
}
