package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/catalog"
	"github.com/iotfile-operator/iotfile-operator/internal/reviewserver"
	"github.com/iotfile-operator/iotfile-operator/internal/servingcert"
	admission "github.com/iotfile-operator/iotfile-operator/webhook/v1alpha1"
)

// Names that the manifests use, too.
const (
	webhookSecret        = "iotfile-operator-webhook-certificate"
	webhookConfiguration = "iotfile-operator"
)

// webhookCertificate is the Secret that the webhooks have their certificate from.
func webhookCertificate(o *options) types.NamespacedName {
	return types.NamespacedName{Namespace: o.namespace, Name: webhookSecret}
}

// newWebhooks has keep serve the admission webhooks, which every replica does, unless the flags
// turn them off. It says what they are not ready for, nil for nothing.
func newWebhooks(base cluster.Cluster, known *catalog.Catalog, o *options, keep func(manager.Runnable)) (healthz.Checker, error) {
	if !o.webhooks() {
		return healthz.Ping, nil
	}
	certificate := servingcert.NewSource(webhookCertificate(o), ctrl.Log.WithName("webhooks"))
	if err := errors.Join(certificate.Watch(base.GetCache()), watchExpiry(certificateWebhook, certificate.GetCertificate)); err != nil {
		return nil, fmt.Errorf("webhooks: %w", err)
	}
	synced, err := informersSynced(base.GetCache(), &v1alpha1.MultipartUpload{}, &v1alpha1.FileStore{}, &corev1.Namespace{})
	if err != nil {
		return nil, fmt.Errorf("webhooks: %w", err)
	}
	clients, err := o.webhookClients.load()
	if err != nil {
		return nil, err
	}
	server, err := reviewserver.New(reviewserver.Options{
		Address: o.webhookAddress, Certificate: certificate.GetCertificate, Clients: clients,
		Log: ctrl.Log.WithName("webhooks"), Registerer: metrics.Registry,
	})
	if err != nil {
		return nil, fmt.Errorf("webhooks: %w", err)
	}
	admission.Register(server, base.GetScheme(), admission.Options{
		Catalog: known, Trusted: (&self{client: base.GetClient()}).is, Now: time.Now,
	})
	keep(server)
	return allReady(func(*http.Request) error { return errors.Join(certificate.Ready(), synced()) }, server.StartedChecker()), nil
}

// allReady asks one after the other, up to the first that is not ready.
func allReady(checks ...healthz.Checker) healthz.Checker {
	return func(r *http.Request) error {
		for _, check := range checks {
			if err := check(r); err != nil {
				return err
			}
		}
		return nil
	}
}

// addIssuer keeps the certificate of the webhooks renewed, unless somebody else does.
func addIssuer(mgr ctrl.Manager, o *options) error {
	if !o.webhooks() || !o.manageCertificates {
		return nil
	}
	issuer := &servingcert.Issuer{
		Client: mgr.GetClient(), Secret: webhookCertificate(o), Webhooks: webhookConfiguration, Clock: clock.RealClock{},
		Policy: servingcert.DefaultPolicy(strings.Split(o.webhookNames, ",")...),
	}
	if err := issuer.SetupWithManager(mgr); err != nil {
		return fmt.Errorf("certificate of the webhooks: %w", err)
	}
	return nil
}

// authorities is the ConfigMap that tells which authorities the REST API's certificate is of. The
// command line looks for it by this name.
const authorities = "iotfile-ca"

// addPublisher has everybody in the cluster told whom to trust for the REST API.
func addPublisher(mgr ctrl.Manager, o *options) error {
	if o.security.tlsCertDir == "" {
		return nil
	}
	publisher := &servingcert.Publisher{
		Client: mgr.GetClient(), Live: mgr.GetAPIReader(), ConfigMap: types.NamespacedName{Namespace: o.namespace, Name: authorities},
		Dir: o.security.tlsCertDir, Clock: clock.RealClock{}, Log: ctrl.Log.WithName("authorities"),
	}
	if err := mgr.Add(publisher); err != nil {
		return fmt.Errorf("authorities of the REST API: %w", err)
	}
	return nil
}

// informersSynced starts to watch kinds and returns what reports whether the caches of all of them
// are filled.
func informersSynced(informers cache.Informers, kinds ...client.Object) (func() error, error) {
	watched := make([]cache.Informer, 0, len(kinds))
	for _, kind := range kinds {
		informer, err := informers.GetInformer(context.Background(), kind, cache.BlockUntilSynced(false))
		if err != nil {
			return nil, fmt.Errorf("watch %T: %w", kind, err)
		}
		watched = append(watched, informer)
	}
	return func() error {
		for _, informer := range watched {
			if !informer.HasSynced() {
				return errors.New("caches are not filled yet")
			}
		}
		return nil
	}, nil
}

// self knows who the operator is to the API server.
type self struct {
	client client.Client
	name   atomic.Pointer[string]
}

// dataPlaneSuffix is what the service account of the data plane has after the name of the one of
// the reconcilers, where the two run apart.
const dataPlaneSuffix = "-data-plane"

// is reports whether user is the operator itself, or its data plane. While the API server does not
// tell, nobody is.
func (s *self) is(ctx context.Context, user string) bool {
	if s.name.Load() == nil {
		review := &authenticationv1.SelfSubjectReview{}
		if err := s.client.Create(ctx, review); err != nil {
			return false
		}
		s.name.Store(&review.Status.UserInfo.Username)
	}
	return user == *s.name.Load() || user == *s.name.Load()+dataPlaneSuffix
}
