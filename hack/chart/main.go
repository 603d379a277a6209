// Command chart copies into the Helm chart what it has in common with config/ word by word; `make
// manifests` runs it in the root of the checkout. All else of the chart is written by hand, and
// config/chart_test.go compares every object with that of kustomize.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const (
	manifests = "config"
	templates = "charts/iotfile-operator/templates"
	// chartFiles are what templates read.
	chartFiles = "charts/iotfile-operator/files"
)

// manifest is one that becomes a template.
type manifest struct {
	from, to  string
	condition string            // when it is in the release; "" for always
	replaced  map[string]string // of its text, what for what
}

// inNamespace holds for all manifests.
var inNamespace = strings.NewReplacer("iotfile-system", "{{ .Release.Namespace }}")

// Helm would delete the kinds with the release, and with them all uploads and stores.
var kept = map[string]string{"\n  annotations:\n": "\n  annotations:\n    helm.sh/resource-policy: keep\n"}

var copied = []manifest{
	{from: "crd/bases/iotfile.dev_filestores.yaml", to: "crd_filestores.yaml", condition: ".Values.crds.install", replaced: kept},
	{from: "crd/bases/iotfile.dev_multipartuploads.yaml", to: "crd_multipartuploads.yaml", condition: ".Values.crds.install", replaced: kept},
	{from: "rbac/role.yaml", to: "role.yaml", condition: "not .Values.roles.split"},
	{from: "rbac/role_binding.yaml", to: "role_binding.yaml"},
	{from: "components/split-roles/controller/role.yaml", to: "role_controller.yaml", condition: ".Values.roles.split"},
	{from: "components/split-roles/data-plane-rbac/role.yaml", to: "role_data_plane.yaml", condition: ".Values.roles.split"},
	{from: "components/split-roles/data-plane-rbac/role_binding.yaml", to: "role_binding_data_plane.yaml", condition: ".Values.roles.split"},
	{from: "rbac/user_roles.yaml", to: "user_roles.yaml"},
	{from: "rbac/outside.yaml", to: "outside.yaml"},
	{from: "webhook/manifests.yaml", to: "webhooks.yaml", replaced: map[string]string{
		"\n  name: iotfile-operator\n": "\n  name: iotfile-operator\n  {{- include \"iotfile-operator.injection\" . }}\n",
	}},
	{from: "webhook/service.yaml", to: "webhook_service.yaml"},
	{from: "webhook/certificate.yaml", to: "webhook_certificate.yaml", condition: "not .Values.certManager.enabled"},
	{from: "policy/status.yaml", to: "policy_status.yaml"},
	{from: "policy/finalizer.yaml", to: "policy_finalizer.yaml"},
	{from: "policy/metadata.yaml", to: "policy_metadata.yaml"},
	{from: "priority/priority.yaml", to: "priority.yaml", condition: ".Values.apiPriority.enabled", replaced: map[string]string{
		"nominalConcurrencyShares: 30": "nominalConcurrencyShares: {{ .Values.apiPriority.shares }}",
	}},
	{from: "components/cert-manager/certificates.yaml", to: "certificates.yaml", condition: ".Values.certManager.enabled"},
	{
		from: "components/cert-manager/rest_certificate.yaml", to: "rest_certificate.yaml",
		condition: "and .Values.certManager.enabled (not .Values.tls.plainHTTP)",
		replaced: map[string]string{
			"iotfile-tls": "{{ .Values.tls.secretName }}",
			"issuerRef:\n    name: iotfile-operator-ca\n    kind: Issuer\n": "issuerRef: " +
				"{{ .Values.certManager.issuerRef | default (dict \"name\" \"iotfile-operator-ca\" \"kind\" \"Issuer\") | toJson }}\n",
		},
	},
}

// files are read by templates of the same name: their own braces are for Prometheus and Grafana.
var files = []string{"prometheus_rule.yaml", "dashboard.json"}

func main() {
	err := copyFiles()
	for _, m := range copied {
		err = errors.Join(err, m.write())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "chart:", err)
		os.Exit(1)
	}
}

// copyFiles copies what stays as it is.
func copyFiles() error {
	for _, name := range files {
		data, err := os.ReadFile(filepath.Join(manifests, "components", "monitoring", name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(chartFiles, name), data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// write makes the template. A text that is to be replaced and is not there is an error: the
// manifest has changed under this program.
func (m manifest) write() error {
	from := filepath.Join(manifests, m.from)
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	text := inNamespace.Replace(strings.TrimPrefix(string(data), "---\n"))
	for old, replacement := range m.replaced {
		if !strings.Contains(text, old) {
			return fmt.Errorf("%s has no %q in it, which would become %q", from, old, replacement)
		}
		text = strings.ReplaceAll(text, old, replacement)
	}
	if m.condition != "" {
		text = "{{- if " + m.condition + " }}\n" + text + "{{- end }}\n"
	}
	text = "{{- /* Copied from " + from + " by make manifests: change it there. */ -}}\n" + text
	return os.WriteFile(filepath.Join(templates, m.to), []byte(text), 0o600)
}
