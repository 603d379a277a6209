package config_test

import (
	"slices"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const (
	webhookName   = "iotfile-operator"
	webhookSecret = "iotfile-operator-webhook-certificate"
)

// testWebhooksFindTheirServer follows the names from the webhook configurations to the pods, and to
// what the operator needs to make them trust it.
func (c *cluster) testWebhooksFindTheirServer(t *testing.T) {
	rendered := c.render(t, "default")
	hooks := clientConfigs(t, rendered)
	if len(hooks) != 4 {
		t.Fatalf("%d webhooks, want 4", len(hooks))
	}
	service := find(t, rendered, "Service", "iotfile-operator-webhook")
	for name, hook := range hooks {
		if hook.Service == nil || hook.Service.Name != service.GetName() || hook.Service.Namespace != service.GetNamespace() {
			t.Errorf("%s calls %+v", name, hook.Service)
		}
	}
	if !slices.Contains(args(t, "default", c), "--webhook-bind-address=:9443") {
		t.Error("the Deployment serves no webhooks")
	}
	if find(t, rendered, "Secret", webhookSecret).GetNamespace() != namespace {
		t.Error("the Secret of the certificate is in another namespace")
	}
	for _, right := range []struct {
		verb, group, resource, namespace, name string
		allowed                                bool
	}{
		{"update", "", "secrets", namespace, webhookSecret, true},
		{"update", "", "secrets", "default", webhookSecret, false},
		{"patch", admissionv1.GroupName, "mutatingwebhookconfigurations", "", webhookName, true},
		{"patch", admissionv1.GroupName, "validatingwebhookconfigurations", "", webhookName, true},
		{"list", admissionv1.GroupName, "validatingwebhookconfigurations", "", webhookName, true},
		{"patch", admissionv1.GroupName, "validatingwebhookconfigurations", "", "another", false},
		{"delete", admissionv1.GroupName, "validatingwebhookconfigurations", "", webhookName, false},
	} {
		review, err := c.client.AuthorizationV1().SubjectAccessReviews().Create(t.Context(), &authorizationv1.SubjectAccessReview{
			Spec: authorizationv1.SubjectAccessReviewSpec{
				User: "system:serviceaccount:" + namespace + ":iotfile-operator",
				ResourceAttributes: &authorizationv1.ResourceAttributes{
					Verb: right.verb, Group: right.group, Resource: right.resource, Namespace: right.namespace, Name: right.name,
				},
			},
		}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if review.Status.Allowed != right.allowed {
			t.Errorf("%+v: the operator's right is %v", right, review.Status.Allowed)
		}
	}
}

// testCertManagerFits checks by their names what this test has no cert-manager for.
func (c *cluster) testCertManagerFits(t *testing.T) {
	rendered := c.render(t, "overlays/cert-manager")
	certificate := find(t, rendered, "Certificate", "iotfile-operator-webhook")
	spec := func(fields ...string) any {
		value, _, err := unstructured.NestedFieldNoCopy(certificate.Object, append([]string{"spec"}, fields...)...)
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
	if spec("secretName") != webhookSecret {
		t.Errorf("the certificate is written into the Secret %v", spec("secretName"))
	}
	for _, hook := range clientConfigs(t, rendered) {
		want := hook.Service.Name + "." + hook.Service.Namespace + ".svc"
		if names, ok := spec("dnsNames").([]any); !ok || !slices.Contains(names, any(want)) {
			t.Errorf("the certificate has the names %v, the API server calls %s", spec("dnsNames"), want)
		}
	}
	for _, object := range rendered {
		if strings.HasSuffix(object.GetKind(), "WebhookConfiguration") &&
			object.GetAnnotations()["cert-manager.io/inject-ca-from"] != certificate.GetNamespace()+"/"+certificate.GetName() {
			t.Errorf("%s has the annotations %v", object.GetKind(), object.GetAnnotations())
		}
		if object.GetKind() == "Secret" && object.GetName() == webhookSecret {
			t.Error("the overlay has a Secret of its own, which cert-manager would find to be empty")
		}
	}
	if !slices.Contains(args(t, "overlays/cert-manager", c), "--manage-certificates=false") {
		t.Error("the operator would renew what is cert-manager's")
	}
}

// clientConfigs are the webhooks of all configurations, by name.
func clientConfigs(t *testing.T, objects []*unstructured.Unstructured) map[string]admissionv1.WebhookClientConfig {
	t.Helper()
	out := map[string]admissionv1.WebhookClientConfig{}
	for _, object := range objects {
		switch object.GetKind() {
		case "MutatingWebhookConfiguration":
			config := &admissionv1.MutatingWebhookConfiguration{}
			convert(t, object, config)
			for _, hook := range config.Webhooks {
				out[hook.Name] = hook.ClientConfig
			}
		case "ValidatingWebhookConfiguration":
			config := &admissionv1.ValidatingWebhookConfiguration{}
			convert(t, object, config)
			for _, hook := range config.Webhooks {
				out[hook.Name] = hook.ClientConfig
			}
		}
	}
	return out
}

func find(t *testing.T, objects []*unstructured.Unstructured, kind, name string) *unstructured.Unstructured {
	t.Helper()
	for _, object := range objects {
		if object.GetKind() == kind && object.GetName() == name {
			return object
		}
	}
	t.Fatalf("there is no %s %s", kind, name)
	return nil
}
