package v1alpha1_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/iotfile-operator/iotfile-operator/internal/servingcert"
)

// outrun is a client of the API server for whose first write of each kind somebody else is faster:
// the object is changed right before, or created. It counts the kinds in raced.
func outrun(t *testing.T) (outrun client.Client, raced map[string]bool) {
	t.Helper()
	api, err := client.NewWithWatch(world.plane.RESTConfig(), client.Options{Scheme: world.scheme})
	if err != nil {
		t.Fatal(err)
	}
	raced = map[string]bool{}
	race := func(verb string, object client.Object, write func(client.Object) error) error {
		if what := fmt.Sprintf("%s %T", verb, object); !raced[what] {
			raced[what] = true
			return write(object.DeepCopyObject().(client.Object))
		}
		return nil
	}
	note := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"somebody":"was here"}}}`))
	createFirst := func(object client.Object) error { return api.Create(t.Context(), object) }
	changeFirst := func(object client.Object) error { return api.Patch(t.Context(), object, note) }
	return interceptor.NewClient(api, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, object client.Object, opts ...client.CreateOption) error {
			return errors.Join(race("create", object, createFirst), c.Create(ctx, object, opts...))
		},
		Patch: func(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, opts ...client.PatchOption) error {
			return errors.Join(race("patch", object, changeFirst), c.Patch(ctx, object, patch, opts...))
		},
		Update: func(ctx context.Context, c client.WithWatch, object client.Object, opts ...client.UpdateOption) error {
			return errors.Join(race("update", object, changeFirst), c.Update(ctx, object, opts...))
		},
	}), raced
}

// testIssuerIsOutrun has somebody change each of what an issuer writes between its look and its
// write: that is no failure, and the next pass writes what is missing.
func testIssuerIsOutrun(t *testing.T) {
	api, raced := outrun(t)
	own := types.NamespacedName{Namespace: secret.Namespace, Name: "outrun"}
	named, none := metav1.ObjectMeta{Name: own.Name}, admissionv1.SideEffectClassNone
	nobody := admissionv1.WebhookClientConfig{URL: new("https://127.0.0.1:1/nobody")}
	mutating := &admissionv1.MutatingWebhookConfiguration{ObjectMeta: named, Webhooks: []admissionv1.MutatingWebhook{{
		Name: "outrun.iotfile.dev", ClientConfig: nobody, SideEffects: &none, AdmissionReviewVersions: []string{"v1"},
	}}}
	validating := &admissionv1.ValidatingWebhookConfiguration{ObjectMeta: named, Webhooks: []admissionv1.ValidatingWebhook{{
		Name: "outrun.iotfile.dev", ClientConfig: nobody, SideEffects: &none, AdmissionReviewVersions: []string{"v1"},
	}}}
	kept := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: own.Namespace, Name: own.Name}}
	for _, object := range []client.Object{mutating, validating, kept} {
		create(t, object)
	}
	issuer := &servingcert.Issuer{Client: api, Secret: own, Webhooks: own.Name, Policy: shortLived, Clock: clock.RealClock{}}
	for range 2 * 3 { // each of the three is written at the second try
		if _, err := issuer.Reconcile(t.Context(), reconcile.Request{NamespacedName: own}); err != nil {
			t.Fatalf("somebody else's were %v: %v", raced, err)
		}
	}
	for _, object := range []client.Object{kept, mutating, validating} {
		if err := world.admin.Get(t.Context(), client.ObjectKeyFromObject(object), object); err != nil {
			t.Fatal(err)
		}
	}
	trusted := string(kept.Data[servingcert.KeyTrusted])
	for _, config := range []admissionv1.WebhookClientConfig{mutating.Webhooks[0].ClientConfig, validating.Webhooks[0].ClientConfig} {
		if trusted == "" || string(config.CABundle) != trusted {
			t.Errorf("the API server trusts %q, not %q", config.CABundle, trusted)
		}
	}
	if len(raced) != 3 {
		t.Errorf("somebody else's were only %v", raced)
	}
}

// testPublisherIsOutrun has somebody create the ConfigMap, and change it, at the same moment.
func testPublisherIsOutrun(t *testing.T) {
	api, raced := outrun(t)
	dir := t.TempDir()
	var served map[string][]byte
	told := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: secret.Namespace, Name: "outrun"}}
	t.Cleanup(func() { _ = world.admin.Delete(context.WithoutCancel(t.Context()), told) })
	publisher := &servingcert.Publisher{
		Client: api, Live: world.admin, ConfigMap: client.ObjectKeyFromObject(told), Dir: dir, Clock: clock.RealClock{}, Log: logr.Discard(),
	}
	for range 2 { // the second time, another authority is served
		var err error
		served, _, err = shortLived.Renew(nil, publisher.Clock.Now())
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, "ca.crt"), served[servingcert.KeyTrusted], 0o600)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, "tls.crt"), served[servingcert.KeyCertificate], 0o600)
		}
		if err == nil {
			err = publisher.Publish(t.Context())
		}
		if err != nil {
			t.Fatalf("somebody else's were %v: %v", raced, err)
		}
	}
	if err := world.admin.Get(t.Context(), publisher.ConfigMap, told); err != nil {
		t.Fatal(err)
	}
	if len(raced) != 2 || told.Annotations["somebody"] == "" || !strings.HasPrefix(told.Data[servingcert.KeyTrusted], string(served[servingcert.KeyTrusted])) {
		t.Errorf("somebody else's were %v, and the ConfigMap says %+v", raced, told)
	}
}
