package main

import (
	"fmt"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/cluster"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/version"
)

// apiServer is how the process reaches the API server.
func apiServer(o *options) (*rest.Config, error) {
	config, err := ctrl.GetConfig()
	if err != nil {
		return nil, fmt.Errorf("find the API server: %w", err)
	}
	o.tracing.Follow(config.Wrap)
	config.UserAgent = version.UserAgent()
	config.QPS = -1 // the API server's priority and fairness is the judge of how much is too much
	return config, nil
}

// newScheme has the kinds that the operator uses.
func newScheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(scheme))
	utilruntime.Must(v1alpha1.AddToScheme(scheme))
	return scheme
}

// newCluster makes the clients and the one cache of the process.
func newCluster(config *rest.Config, o *options) (cluster.Cluster, error) {
	base, err := cluster.New(config, func(options *cluster.Options) {
		options.Scheme = newScheme()
		options.Cache = cache.Options{
			DefaultTransform: cache.TransformStripManagedFields(),
			ByObject: map[client.Object]cache.ByObject{
				&v1alpha1.MultipartUpload{}: {Transform: newTrimmer().trim},
				&corev1.Namespace{}:         {Transform: trimNamespace},
				&corev1.Secret{}:            {Namespaces: map[string]cache.Config{o.namespace: {}}},
				// Those of this name are all that the operator may see.
				&admissionv1.MutatingWebhookConfiguration{}:   {Field: fields.OneTermEqualSelector("metadata.name", webhookConfiguration)},
				&admissionv1.ValidatingWebhookConfiguration{}: {Field: fields.OneTermEqualSelector("metadata.name", webhookConfiguration)},
			},
		}
	})
	if err != nil {
		return nil, fmt.Errorf("set up: %w", err)
	}
	return base, nil
}
