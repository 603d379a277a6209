package config_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

const chartDir = "../charts/iotfile-operator"

// sameAs says with which values the chart is what which kustomization is.
var sameAs = map[string][]string{
	"default":                 nil,
	"overlays/cert-manager":   {"certManager.enabled=true"},
	"overlays/monitoring":     {"metrics.serviceMonitor=true", "metrics.prometheusRule=true", "metrics.dashboard=true"},
	"overlays/network-policy": {"networkPolicy.enabled=true"},
	"overlays/plain-http":     {"tls.plainHTTP=true"},
	"overlays/split-roles":    {"roles.split=true"},
	"overlays/production":     {"roles.split=true", "certManager.enabled=true", "networkPolicy.enabled=true", "metrics.serviceMonitor=true", "metrics.prometheusRule=true", "metrics.dashboard=true"},
}

// elsewhere sets what the above leave alone.
var elsewhere = []string{
	"image.repository=registry.example/iot", "image.digest=sha256:" + strings.Repeat("a", 64), "image.pullSecrets[0].name=registry", "roles.split=true", "roles.maxReplicas=20",
	"resources.limits.memory=512Mi", "drainDelaySeconds=20", "gracePeriodSeconds=60", "tls.secretName=mine", "certManager.enabled=true",
	"certManager.issuerRef.name=corporate", "certManager.issuerRef.kind=ClusterIssuer", "metrics.serviceMonitor=true", "metrics.labels.release=prometheus",
	"metrics.prometheusRule=true", "metrics.runbookURL=https://wiki.example/iot", "metrics.dashboard=true", "metrics.dashboardLabels.team=iot",
	"networkPolicy.enabled=true", "networkPolicy.egressPorts[0]=9000", "networkPolicy.webhookFrom[0].ipBlock.cidr=10.0.0.10/32", "webhook.clientCAConfigMap=api-servers", "webhook.clientNames[0]=kube-apiserver", "webhook.clientNames[1]=kube-apiserver-2", "crds.install=false", "apiPriority.shares=50", "serviceAccount.annotations.cloud=identity",
	"gateway.enabled=true", "gateway.parentRefs[0].name=public", "gateway.parentRefs[0].namespace=gateways", "gateway.hostnames[0]=files.example.com",
	"extraArgs[0]=--max-parts-in-flight=100", "extraEnv[0].name=HTTPS_PROXY", "extraEnv[0].value=http://proxy:3128", "nodeSelector.disk=none", "tolerations[0].operator=Exists",
}

// testChartIsKustomize compares both ways of installation, object by object. What differs is said
// in docs/install.md: a chart makes no namespace, it has Helm keep the kinds, and it gives the
// image a tag.
func (c *cluster) testChartIsKustomize(t *testing.T) {
	for dir, values := range sameAs {
		t.Run(dir, func(t *testing.T) {
			want := byName(t, c.render(t, dir))
			delete(want, "Namespace /"+namespace)
			got := byName(t, template(t, namespace, append(values, "image.tag=TAG")...))
			for name, object := range got {
				if strings.HasPrefix(name, "CustomResourceDefinition ") {
					annotations := object.GetAnnotations()
					if annotations["helm.sh/resource-policy"] != "keep" {
						t.Errorf("%s goes with the release, and takes all uploads with it", name)
					}
					delete(annotations, "helm.sh/resource-policy")
					object.SetAnnotations(annotations)
				}
				for _, container := range containers(t, object) {
					if container["image"] != "iotfile-operator:TAG" {
						t.Errorf("%s has the image %v", name, container["image"])
					}
					container["image"] = "iotfile-operator"
				}
			}
			if diff := cmp.Diff(content(want), content(got)); diff != "" {
				t.Errorf("config/%s (-) is not the chart (+) with %q:\n%s", dir, values, diff)
			}
		})
	}
}

// testEverythingIsAccepted has the API server judge each document as if it were applied, unknown
// fields included.
func (c *cluster) testEverythingIsAccepted(t *testing.T) {
	c.run(t, strings.NewReader(foreignKinds), "apply", "--server-side", "-f", "-")
	c.run(t, nil, "apply", "--server-side", "-f", gatewayKinds(t))
	c.run(t, nil, "wait", "--for=condition=Established", "--timeout=30s", "crd", "--all")
	for dir, values := range sameAs {
		c.dryRun(t, "config/"+dir, c.render(t, dir))
		c.dryRun(t, "the chart like config/"+dir, template(t, namespace, values...))
	}
	c.run(t, nil, "create", "namespace", "elsewhere")
	rendered := template(t, "elsewhere", elsewhere...)
	c.dryRun(t, "the chart with other values", rendered)
	c.dryRun(t, "the chart with a gateway and plain HTTP", template(t, "elsewhere", "gateway.enabled=true", "gateway.parentRefs[0].name=public", "tls.plainHTTP=true"))
	for name, object := range byName(t, rendered) {
		if text, err := object.MarshalJSON(); err != nil || strings.Contains(string(text), namespace) {
			t.Errorf("%s is in another namespace and yet names %s (%v)", name, namespace, err)
		}
		if strings.HasPrefix(name, "CustomResourceDefinition ") {
			t.Errorf("%s was not asked for", name)
		}
	}
}

// testValuesCount looks at what becomes of the values that no kustomization has.
func (c *cluster) testValuesCount(t *testing.T) {
	rendered := byName(t, template(t, "elsewhere", elsewhere...))
	pod := func(deployment string) map[string]any {
		spec, _, err := unstructured.NestedMap(rendered[deployment].Object, "spec", "template", "spec")
		if err != nil {
			t.Fatal(err)
		}
		return spec
	}
	dataPlane, controller := pod("Deployment elsewhere/iotfile-operator-data-plane"), pod("Deployment elsewhere/iotfile-operator")
	if dataPlane["terminationGracePeriodSeconds"] != int64(110) || controller["terminationGracePeriodSeconds"] != int64(50) {
		t.Errorf("pods are given %v s and %v s to end", dataPlane["terminationGracePeriodSeconds"], controller["terminationGracePeriodSeconds"])
	}
	text := func(object any) string {
		data, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	for _, want := range []string{
		"registry.example/iot@sha256:aaaa", "450MiB", "--drain-delay=20s", "--grace-period=60s", "--max-parts-in-flight=100", "HTTPS_PROXY", "imagePullSecrets", `"disk"`, "Exists", "mine",
	} {
		if !strings.Contains(text(dataPlane), want) {
			t.Errorf("the data plane's pod has no %s", want)
		}
	}
	for name, wants := range map[string][]string{
		"Certificate elsewhere/mine":                                    {"corporate", "ClusterIssuer", "iotfile.elsewhere.svc"},
		"ServiceMonitor elsewhere/iotfile-operator":                     {"release", "mine", "iotfile-operator-metrics.elsewhere.svc"},
		"PrometheusRule elsewhere/iotfile-operator":                     {`"release":"prometheus"`, "https://wiki.example/iot#iotfiledown", "{{ $labels.store }}"},
		"ConfigMap elsewhere/iotfile-operator-dashboard":                {`"team":"iot"`, `"grafana_dashboard":"1"`, "https://wiki.example/iot"},
		"NetworkPolicy elsewhere/iotfile-operator":                      {"9000", `{"from":[{"ipBlock":{"cidr":"10.0.0.10/32"}}],"ports":[{"port":"webhook"}]}`, `{"ports":[{"port":"data-plane"}]}`},
		"Deployment elsewhere/iotfile-operator":                         {"--webhook-client-ca-file=/etc/iotfile/webhook-client-ca/ca.crt", "--webhook-client-names=kube-apiserver,kube-apiserver-2", `"name":"api-servers"`, `"mountPath":"/etc/iotfile/webhook-client-ca"`},
		"ServiceAccount elsewhere/iotfile-operator":                     {"identity"},
		"HTTPRoute elsewhere/iotfile":                                   {"files.example.com", `"request":"0s"`, `{"name":"iotfile","port":443}`, `{"name":"public","namespace":"gateways"}`},
		"BackendTLSPolicy elsewhere/iotfile":                            {`"hostname":"iotfile.elsewhere.svc"`, `"name":"iotfile-ca"`},
		"PriorityLevelConfiguration /iotfile-operator":                  {`"nominalConcurrencyShares":50`},
		"FlowSchema /iotfile-operator":                                  {`"namespace":"elsewhere"`},
		"FlowSchema /iotfile-operator-lease":                            {`"namespace":"elsewhere"`, `"namespaces":["elsewhere"]`},
		"HorizontalPodAutoscaler elsewhere/iotfile-operator-data-plane": {"20"},
		"ValidatingWebhookConfiguration /iotfile-operator":              {"system:serviceaccount:elsewhere:iotfile-operator", "elsewhere/iotfile-operator-webhook"},
	} {
		object := rendered[name]
		if object == nil {
			t.Errorf("there is no %s among %q", name, slices.Sorted(maps.Keys(rendered)))
			continue
		}
		for _, want := range wants {
			if !strings.Contains(text(object.Object), want) {
				t.Errorf("%s has no %s", name, want)
			}
		}
	}
}

// testChartLint is `helm lint`, with nothing to complain about; and the schema of the values.
func (c *cluster) testChartLint(t *testing.T) {
	if out, err := helm(t, "lint", "--strict", chartDir); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	for value, complaint := range map[string]string{
		"replica=3":                       "replica", // a slip of the pen
		"replicas=0":                      "replicas",
		"resources.limits.memory=1000000": "memory",
		"image.digest=latest":             "digest",
		"metrics.interval=often":          "interval",
		"extraArgs[0]=serve":              "extraArgs",
		"webhook.clientCAConfigMap=cas":   "clientNames",
		"apiPriority.shares=0":            "shares",
		"gateway.enabled=true":            "parentRefs",
	} {
		out, err := helm(t, "template", "x", chartDir, "--set", value)
		if err == nil || !strings.Contains(string(out), complaint) {
			t.Errorf("%s: %v %.200s", value, err, out)
		}
	}
}

// testHelmLife installs, upgrades and removes the chart for real. An upgrade leaves what the
// operator has written, and a removal leaves the kinds.
func (c *cluster) testHelmLife(t *testing.T) {
	const into = "released"
	do := func(arguments ...string) {
		t.Helper()
		if out, err := helm(t, append(arguments, "--kubeconfig", c.plane.Kubeconfig, "--namespace", into)...); err != nil {
			t.Fatalf("helm %q: %v\n%s", arguments, err, out)
		}
	}
	hooks := func() string {
		return string(c.run(t, nil, "get", "validatingwebhookconfiguration", webhookName, "-o", "jsonpath={.webhooks[*].clientConfig.caBundle}"))
	}
	c.run(t, nil, "delete", "--ignore-not-found", "-k", "default")
	c.run(t, nil, "create", "namespace", into)
	do("install", "iotfile-operator", chartDir)
	c.run(t, nil, "-n", into, "patch", "secret", webhookSecret, "--type=merge", "--field-manager=operator", "-p", `{"stringData":{"tls.crt":"kept"}}`)
	c.run(t, nil, "patch", "validatingwebhookconfiguration", webhookName, "--type=json", "--field-manager=operator",
		"-p", `[{"op":"add","path":"/webhooks/0/clientConfig/caBundle","value":"a2VwdA=="}]`)
	policies := func() string {
		return string(c.run(t, nil, "get", "validatingadmissionpolicies,validatingadmissionpolicybindings", "-o", "name"))
	}
	if installed := policies(); strings.Count(installed, "iotfile-operator-") != 6 {
		t.Errorf("installed policies and bindings:\n%s", installed)
	}
	do("upgrade", "iotfile-operator", chartDir, "--set", "replicas=3")
	if got := string(c.run(t, nil, "-n", into, "get", "deployment", "iotfile-operator", "-o", "jsonpath={.spec.replicas}")); got != "3" {
		t.Errorf("after the upgrade there are %s replicas", got)
	}
	if got := string(c.run(t, nil, "-n", into, "get", "secret", webhookSecret, "-o", `jsonpath={.data.tls\.crt}`)); got != "a2VwdA==" {
		t.Errorf("the upgrade has made the certificate of the webhooks %q", got)
	}
	if got := hooks(); got != "a2VwdA==" {
		t.Errorf("the upgrade has made %q of what the API server trusts", got)
	}
	c.run(t, nil, "delete", "validatingadmissionpolicy", "iotfile-operator-status") // docs/install.md has them go before the release
	do("uninstall", "iotfile-operator")
	if left := policies(); strings.Contains(left, "iotfile") {
		t.Errorf("policies that nobody is left to override:\n%s", left)
	}
	if left := c.run(t, nil, "get", "clusterroles,clusterrolebindings,mutatingwebhookconfigurations,validatingwebhookconfigurations,flowschemas,prioritylevelconfigurations", "-o", "name"); strings.Contains(string(left), "iotfile") {
		t.Errorf("left in the cluster:\n%s", left)
	}
	if left := c.run(t, nil, "-n", into, "get", "deployments,services,secrets,poddisruptionbudgets,roles,rolebindings", "-o", "name"); len(left) > 0 {
		t.Errorf("left in the namespace:\n%s", left)
	}
	c.run(t, nil, "get", "crd", "filestores.iotfile.dev", "multipartuploads.iotfile.dev")
}

// gatewayKinds is the directory that has the kinds of the Gateway API, from its module.
func gatewayKinds(t *testing.T) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", "sigs.k8s.io/gateway-api")
	cmd.Dir, cmd.Env = "../hack/tools/gatewayapi", append(os.Environ(), "GOWORK=off")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil || module.Dir == "" {
		t.Fatalf("%v: %s", err, out)
	}
	return filepath.Join(module.Dir, "config", "crd", "standard")
}

// foreignKinds stand for those of cert-manager and of the Prometheus operator, which are not here.
// Their contents are not judged.
var foreignKinds = kindsWithoutRules(
	[4]string{"cert-manager.io", "v1", "Certificate", "certificates"},
	[4]string{"cert-manager.io", "v1", "Issuer", "issuers"},
	[4]string{"monitoring.coreos.com", "v1", "ServiceMonitor", "servicemonitors"},
	[4]string{"monitoring.coreos.com", "v1", "PrometheusRule", "prometheusrules"},
)

// kindsWithoutRules are manifests of kinds, each a group, a version, a name and a plural, whose
// objects may have any content.
func kindsWithoutRules(kinds ...[4]string) string {
	var all strings.Builder
	for _, kind := range kinds {
		all.WriteString(strings.NewReplacer("GROUP", kind[0], "VERSION", kind[1], "KIND", kind[2], "PLURAL", kind[3], "SINGULAR", strings.ToLower(kind[2])).Replace(`---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: PLURAL.GROUP}
spec:
  group: GROUP
  scope: Namespaced
  names: {kind: KIND, plural: PLURAL, singular: SINGULAR}
  versions:
  - name: VERSION
    served: true
    storage: true
    schema:
      openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}
`))
	}
	return all.String()
}

func (c *cluster) dryRun(t *testing.T, what string, objects []*unstructured.Unstructured) {
	t.Helper()
	var documents bytes.Buffer
	for _, object := range objects {
		text, err := object.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		documents.WriteString("---\n")
		documents.Write(text)
	}
	out := c.run(t, &documents, "apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict", "--field-manager=test", "-f", "-")
	if got := strings.Count(string(out), "(server dry run)"); got != len(objects) {
		t.Errorf("%s: %d of %d documents are accepted", what, got, len(objects))
	}
}

// helm runs the package manager, which needs no cluster for what it is asked for here.
func helm(t *testing.T, arguments ...string) ([]byte, error) {
	t.Helper()
	path, err := devcluster.FindTool(t.Context(), t.Output(), devcluster.Helm)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path, arguments...)
	cmd.Env = []string{"HOME=" + t.TempDir()}
	return cmd.CombinedOutput()
}

// template renders the chart with values, each as for --set.
func template(t *testing.T, into string, values ...string) []*unstructured.Unstructured {
	t.Helper()
	arguments := []string{"template", "iotfile-operator", chartDir, "--namespace", into}
	for _, value := range values {
		arguments = append(arguments, "--set", value)
	}
	out, err := helm(t, arguments...)
	if err != nil {
		t.Fatalf("helm %q: %v\n%s", arguments, err, out)
	}
	return decode(t, out)
}

func decode(t *testing.T, documents []byte) []*unstructured.Unstructured {
	t.Helper()
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(documents), 4096)
	var objects []*unstructured.Unstructured
	for {
		object := &unstructured.Unstructured{}
		switch err := decoder.Decode(object); {
		case errors.Is(err, io.EOF):
			return objects
		case err != nil:
			t.Fatal(err)
		}
		if len(object.Object) > 0 {
			objects = append(objects, object)
		}
	}
}

func byName(t *testing.T, objects []*unstructured.Unstructured) map[string]*unstructured.Unstructured {
	t.Helper()
	all := map[string]*unstructured.Unstructured{}
	for _, object := range objects {
		name := object.GetKind() + " " + object.GetNamespace() + "/" + object.GetName()
		if all[name] != nil {
			t.Errorf("%s is there twice", name)
		}
		all[name] = object
	}
	return all
}

func content(objects map[string]*unstructured.Unstructured) map[string]any {
	all := map[string]any{}
	for name, object := range objects {
		all[name] = object.Object
	}
	return all
}

// containers are those of a workload, to be changed in place.
func containers(t *testing.T, object *unstructured.Unstructured) []map[string]any {
	t.Helper()
	value, found, err := unstructured.NestedFieldNoCopy(object.Object, "spec", "template", "spec", "containers")
	if err != nil {
		t.Fatal(err)
	}
	if !found {
		return nil
	}
	var all []map[string]any
	for _, container := range value.([]any) {
		all = append(all, container.(map[string]any))
	}
	return all
}
