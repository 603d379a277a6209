package v1alpha1_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/servingcert"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

// testRotationUnderLoad goes through two authorities and many certificates while uploads are
// created and new connections made to two replicas, each trusting what the API server is told to
// trust at that moment.
func testRotationUnderLoad(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	namespace, fs := tenant(t, nil), store(t, nil)
	replica := otherReplica(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	var requests, handshakes, failures atomic.Int64
	fail := func(err error) {
		if ctx.Err() == nil && failures.Add(1) <= 5 {
			t.Error(err)
		}
	}
	var load sync.WaitGroup
	for worker := range 4 {
		load.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				u := newUpload(namespace, fmt.Sprintf("rotation/%d-%d.bin", worker, n))
				u.Spec.StoreName = fs.Name
				if err := world.admin.Create(ctx, u, client.DryRunAll); err != nil {
					fail(err)
				} else if u.Spec.CreatedBy == "" {
					fail(errors.New("an upload was admitted without being asked for"))
				}
				requests.Add(1)
				time.Sleep(20 * time.Millisecond)
			}
		})
	}
	for _, address := range []string{world.address, replica} {
		load.Go(func() {
			for ctx.Err() == nil {
				roots, err := trustedNow(ctx)
				if err == nil {
					err = connect(ctx, address, roots)
				}
				if err != nil {
					fail(err)
				}
				handshakes.Add(1)
				time.Sleep(20 * time.Millisecond)
			}
		})
	}
	certificates, authorities := map[string]bool{}, map[string]bool{}
	for ctx.Err() == nil && (len(certificates) < 8 || len(authorities) < 3) {
		s := &corev1.Secret{}
		if err := world.admin.Get(ctx, secret, s); err != nil {
			fail(err)
		}
		certificates[string(s.Data["tls.crt"])], authorities[string(s.Data["ca.key"])] = true, true
		time.Sleep(100 * time.Millisecond)
	}
	enough := ctx.Err() == nil
	cancel()
	load.Wait()
	t.Logf("%d requests and %d handshakes while %d certificates of %d authorities came and went: %d failures",
		requests.Load(), handshakes.Load(), len(certificates), len(authorities), failures.Load())
	if !enough || requests.Load() < 100 || handshakes.Load() < 100 {
		t.Error("too little has happened to say anything")
	}
}

// otherReplica serves the same Secret as another process of the operator does, and returns where.
func otherReplica(t *testing.T) string {
	t.Helper()
	informers, err := cache.New(world.plane.RESTConfig(), cache.Options{Scheme: world.scheme})
	if err != nil {
		t.Fatal(err)
	}
	certificate := servingcert.NewSource(secret, logr.Discard())
	if err := certificate.Watch(informers); err != nil {
		t.Fatal(err)
	}
	go func() { _ = informers.Start(t.Context()) }()
	testkit.Eventually(t, certificate.Ready)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{GetCertificate: certificate.GetCertificate})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				_ = conn.(*tls.Conn).Handshake()
				_ = conn.Close()
			}()
		}
	}()
	return listener.Addr().String()
}

// trustedNow is what the API server is told to trust.
func trustedNow(ctx context.Context) (*x509.CertPool, error) {
	config := &admissionv1.ValidatingWebhookConfiguration{}
	if err := world.admin.Get(ctx, client.ObjectKey{Name: "iotfile-operator"}, config); err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	for _, hook := range config.Webhooks {
		if !roots.AppendCertsFromPEM(hook.ClientConfig.CABundle) {
			return nil, fmt.Errorf("%s trusts nobody", hook.Name)
		}
	}
	return roots, nil
}

func connect(ctx context.Context, address string, roots *x509.CertPool) error {
	dialer := tls.Dialer{NetDialer: &net.Dialer{Timeout: 10 * time.Second}, Config: &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"}}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return conn.Close()
}

// testLostTrustIsRestored takes away what the operator has written, as a careless `kubectl replace`
// does.
func testLostTrustIsRestored(t *testing.T) {
	config := &admissionv1.MutatingWebhookConfiguration{}
	if err := world.admin.Get(t.Context(), client.ObjectKey{Name: "iotfile-operator"}, config); err != nil {
		t.Fatal(err)
	}
	config.Webhooks[0].ClientConfig.CABundle = nil
	if err := world.admin.Update(t.Context(), config); err != nil && !apierrors.IsConflict(err) {
		t.Fatal(err)
	}
	testkit.Eventually(t, func() error {
		if err := world.admin.Get(t.Context(), client.ObjectKey{Name: "iotfile-operator"}, config); err != nil {
			return err
		}
		if len(config.Webhooks[0].ClientConfig.CABundle) == 0 {
			return errors.New("nobody is trusted")
		}
		return nil
	})
	testkit.Eventually(t, func() error { return waitCalled(t.Context()) })
}

// testWhileNobodyAnswers holds what failurePolicy and matchConditions promise. It is the last of
// the tests, because it ends the server.
func testWhileNobodyAnswers(t *testing.T) {
	namespace, fs := tenant(t, nil), store(t, nil)
	tenants, _ := tenantAdmin(t, namespace)
	kept := openUpload(t, namespace, fs.Name)
	if err := world.stop(); err != nil {
		t.Fatal(err)
	}
	u := newUpload(namespace, "a.bin")
	u.Spec.StoreName, u.Spec.CreatedBy = fs.Name, "bob"
	if err := world.admin.Create(t.Context(), u); !apierrors.IsInternalError(err) || !strings.Contains(err.Error(), "default.multipartuploads.iotfile.dev") {
		t.Errorf("an upload that says who asked for it is answered with %v", err)
	}
	u = newUpload(namespace, "a.bin")
	u.Spec.StoreName, u.Spec.CreatedBy = fs.Name, "bob"
	if err := as(t, operatorUser).Create(t.Context(), u); err != nil {
		t.Errorf("the data plane cannot start an upload: %v", err)
	}
	changed := fs.DeepCopy()
	changed.Spec.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"stage": "production"}}
	if err := world.admin.Update(t.Context(), changed); !apierrors.IsInternalError(err) {
		t.Errorf("a change of a store is answered with %v", err)
	}
	// Nobody puts the finalizer back, and so the policy refuses what a tenant takes off.
	if err := tenants.Patch(t.Context(), kept.DeepCopy(), takeOff); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "delete the MultipartUpload instead") {
		t.Errorf("a tenant who takes the finalizer off is answered with %v", err)
	}
	// What goes on needs no admission.
	u.Spec.DesiredState = v1alpha1.DesiredStateAborted
	if err := world.admin.Update(t.Context(), u); err != nil {
		t.Errorf("an abort: %v", err)
	}
	if err := world.admin.Delete(t.Context(), u); err != nil {
		t.Errorf("a deletion: %v", err)
	}
	if err := world.admin.Patch(t.Context(), kept, takeOff); err != nil || len(kept.GetFinalizers()) > 0 {
		t.Errorf("a cluster-admin clears a record away: %v, %q", err, kept.GetFinalizers())
	}
}
