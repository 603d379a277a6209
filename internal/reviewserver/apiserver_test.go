package reviewserver_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
	"github.com/iotfile-operator/iotfile-operator/internal/reviewserver"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

// admissionConfig is what docs/admission.md has an API server started with, for all webhooks.
const admissionConfig = `apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins:
- name: MutatingAdmissionWebhook
  configuration: {apiVersion: apiserver.config.k8s.io/v1, kind: WebhookAdmissionConfiguration, kubeConfigFile: %[1]s}
- name: ValidatingAdmissionWebhook
  configuration: {apiVersion: apiserver.config.k8s.io/v1, kind: WebhookAdmissionConfiguration, kubeConfigFile: %[1]s}
`

// startPlane starts an API server that shows webhooks a certificate of that authority and name.
func startPlane(t *testing.T, ca *authority, name string) client.Client {
	t.Helper()
	if testing.Short() {
		t.Skip("needs an API server")
	}
	dir := t.TempDir()
	cert := ca.sign(name, x509.ExtKeyUsageClientAuth)
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey.(*ecdsa.PrivateKey))
	must(t, err)
	write := func(file string, data []byte) string {
		path := filepath.Join(dir, file)
		must(t, os.WriteFile(path, data, 0o600))
		return path
	}
	crt := write("client.crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]}))
	private := write("client.key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))
	kubeconfig := write("webhooks.kubeconfig", fmt.Appendf(nil,
		"apiVersion: v1\nkind: Config\nusers:\n- name: '*'\n  user: {client-certificate: %s, client-key: %s}\n", crt, private))
	plane, err := devcluster.StartControlPlane(t.Context(), devcluster.ControlPlaneOptions{
		Dir: filepath.Join(dir, "plane"), UnsafeNoFsync: true, Log: os.Stderr,
		AdmissionConfig: write("admission.yaml", fmt.Appendf(nil, admissionConfig, kubeconfig)),
	})
	must(t, err)
	t.Cleanup(func() { must(t, plane.Stop()) })
	c, err := client.New(plane.RESTConfig(), client.Options{})
	must(t, err)
	return c
}

// call has the API server ask s about every ConfigMap of the namespace default, and fail without an
// answer.
func (s *served) call(t *testing.T, c client.Client) {
	t.Helper()
	hook := admissionregistrationv1.ValidatingWebhook{
		Name: "configmaps.example.com", SideEffects: ptr.To(admissionregistrationv1.SideEffectClassNone), AdmissionReviewVersions: []string{"v1"},
		ClientConfig:      admissionregistrationv1.WebhookClientConfig{URL: ptr.To("https://" + s.address + "/allow"), CABundle: s.bundle},
		NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: "default"}},
		Rules: []admissionregistrationv1.RuleWithOperations{{
			Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.OperationAll},
			Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"configmaps"}},
		}},
	}
	must(t, c.Create(t.Context(), &admissionregistrationv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "test"}, Webhooks: []admissionregistrationv1.ValidatingWebhook{hook},
	}))
}

func configMap(size int) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "x-", Namespace: "default"}, Data: map[string]string{"x": strings.Repeat("x", size)},
	}
}

// TestAPIServer: the real one reaches the webhooks with its client certificate, and tells its user
// why a review is refused.
func TestAPIServer(t *testing.T) {
	ca := newAuthority(t)
	c := startPlane(t, ca, "kube-apiserver")
	clients, err := reviewserver.NewClients(ca.file, []string{"kube-apiserver"})
	must(t, err)
	s := serve(t, clients)
	s.call(t, c)
	testkit.Eventually(t, func() error {
		if err := c.Create(t.Context(), configMap(1)); err != nil {
			return err
		}
		if s.asked.Load() == 0 {
			return fmt.Errorf("the webhook was not called")
		}
		return nil
	})
	if n := s.refused("certificate"); n != 0 {
		t.Errorf("%v calls were refused", n)
	}
	large := configMap(600 << 10)
	must(t, c.Create(t.Context(), large))
	large.Data["y"] = "changed" // the review holds it as it was, too
	if err := c.Update(t.Context(), large); err == nil || !strings.Contains(err.Error(), "the review has more than 1048576 bytes") {
		t.Errorf("a change of a large object is answered with %v", err)
	}
}

// TestAPIServerOfAnotherName: who is not named is not answered, whatever authority it is of.
func TestAPIServerOfAnotherName(t *testing.T) {
	ca := newAuthority(t)
	c := startPlane(t, ca, "another")
	clients, err := reviewserver.NewClients(ca.file, []string{"kube-apiserver"})
	must(t, err)
	s := serve(t, clients)
	s.call(t, c)
	testkit.Eventually(t, func() error {
		if err := c.Create(t.Context(), configMap(1)); err == nil {
			return fmt.Errorf("it is created without a question")
		}
		return nil
	})
	if s.asked.Load() != 0 || s.refused("certificate") == 0 {
		t.Errorf("%d calls were answered", s.asked.Load())
	}
}

// allow is a webhook that lets everything pass.
func (s *served) allow() http.Handler {
	return &webhook.Admission{Handler: admission.HandlerFunc(func(context.Context, admission.Request) admission.Response {
		s.asked.Add(1)
		return admission.Allowed("")
	})}
}
