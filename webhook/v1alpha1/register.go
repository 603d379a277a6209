package v1alpha1

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/iotfile-operator/iotfile-operator/internal/catalog"
)

// Options are what the webhooks need. All are required.
type Options struct {
	// Catalog finds uploads and FileStores.
	Catalog *catalog.Catalog
	// Trusted reports whether a user may name in createdBy whom it likes, because it creates
	// uploads for callers that it has authenticated.
	Trusted func(ctx context.Context, user string) bool
	// Now tells the time, which is written down as that of a request.
	Now func() time.Time
}

// Paths that the manifests name, too.
const (
	pathDefaultUpload  = "/mutate-iotfile-dev-v1alpha1-multipartupload"
	pathKeepFinalizer  = "/keep-finalizer-iotfile-dev-v1alpha1-multipartupload"
	pathValidateUpload = "/validate-iotfile-dev-v1alpha1-multipartupload"
	pathValidateStore  = "/validate-iotfile-dev-v1alpha1-filestore"
)

// Register has server, which must not have been given the paths before, answer for the webhooks.
// scheme knows the kinds.
func Register(server webhook.Server, scheme *runtime.Scheme, opts Options) {
	defaulter := admission.WithDefaulter(scheme, &uploadDefaulter{catalog: opts.Catalog, trusted: opts.Trusted, now: opts.Now})
	defaulter.Handler = fieldsAlone{defaulter.Handler, []string{"/spec/createdBy", "/spec/requestTime", "/spec/storeName"}}
	server.Register(pathDefaultUpload, defaulter)
	keeper := &webhook.Admission{Handler: finalizerKeeper{decoder: admission.NewDecoder(scheme)}}
	server.Register(pathKeepFinalizer, keeper)
	server.Register(pathValidateUpload, admission.WithValidator(scheme, &uploadValidator{catalog: opts.Catalog}))
	server.Register(pathValidateStore, admission.WithValidator(scheme, &storeValidator{catalog: opts.Catalog}))
}
