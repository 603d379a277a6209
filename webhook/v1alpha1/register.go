package v1alpha1

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

// Options are what the webhooks need. All are required.
type Options struct {
	// Cached reads from an informer cache that has upload.Indexes.
	Cached client.Reader
	// Known is that cache.
	Known cache.Cache
	// Live reads from the API server. It is asked before a refusal that the cache may be wrong
	// about.
	Live client.Reader
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
	world := &world{cached: opts.Cached, live: opts.Live, records: records{opts.Known}}
	defaulter := admission.WithDefaulter(scheme, &uploadDefaulter{world: world, trusted: opts.Trusted, now: opts.Now})
	defaulter.Handler = fieldsAlone{defaulter.Handler, []string{"/spec/createdBy", "/spec/requestTime", "/spec/storeName"}}
	server.Register(pathDefaultUpload, defaulter)
	keeper := &webhook.Admission{Handler: finalizerKeeper{decoder: admission.NewDecoder(scheme)}}
	server.Register(pathKeepFinalizer, keeper)
	server.Register(pathValidateUpload, admission.WithValidator(scheme, &uploadValidator{world: world}))
	server.Register(pathValidateStore, admission.WithValidator(scheme, &storeValidator{world: world}))
}
