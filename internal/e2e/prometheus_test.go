package e2e

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// metricsJob is the job that Prometheus makes of the ServiceMonitor: the name of the Service.
const metricsJob = "iotfile-operator-metrics"

// prometheus is a real one.
type prometheus struct{ *devcluster.Prometheus }

// startPrometheus has it scrape the system's operator, and secure as the ServiceMonitor says: over
// TLS, with a token that may get /metrics. It has the alerts of config/.
func startPrometheus(t *testing.T, secure *devcluster.Operator, certs *certificates) prometheus {
	t.Helper()
	dir := t.TempDir()
	token, err := system.plane.ServiceAccountToken(t.Context(), "monitoring", "prometheus", time.Hour)
	check(t, err)
	remember(token)
	reads := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "test-prometheus"}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "iotfile-metrics-reader"},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: "monitoring", Name: "prometheus"}},
	}
	check(t, system.kube.Create(t.Context(), reads))
	t.Cleanup(func() { _ = system.kube.Delete(context.WithoutCancel(t.Context()), reads) })
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		check(t, os.WriteFile(path, data, 0o600))
		return path
	}
	scrape := func(name, at string) map[string]any {
		target, err := url.Parse(at)
		check(t, err)
		return map[string]any{
			"job_name": name, "scheme": target.Scheme, "scrape_interval": "1s", "scrape_timeout": "1s",
			"static_configs": []any{map[string]any{"targets": []string{target.Host}, "labels": map[string]string{"job": metricsJob, "pod": name}}},
		}
	}
	protected := scrape("secure", secure.MetricsURL)
	protected["authorization"] = map[string]string{"credentials_file": write("token", []byte(token))}
	protected["tls_config"] = map[string]string{"ca_file": write("ca.crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certs.ca.Raw}))}
	config, err := yaml.Marshal(map[string]any{
		"global":         map[string]string{"evaluation_interval": "1s"},
		"rule_files":     []string{write("rules.yaml", alertRules(t))},
		"scrape_configs": []any{scrape("all", system.operator.MetricsURL), protected},
	})
	check(t, err)
	p, err := devcluster.StartPrometheus(t.Context(), devcluster.PrometheusOptions{Dir: dir, ConfigFile: write("prometheus.yaml", config), Log: t.Output()})
	check(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			showLog(p.LogPath)
		}
		_ = p.Stop()
	})
	return prometheus{p}
}

// alertRules is the spec of the PrometheusRule, which is what Prometheus reads.
func alertRules(t *testing.T) []byte {
	t.Helper()
	var rule struct{ Spec json.RawMessage }
	check(t, yaml.Unmarshal(monitoringFile(t, "prometheus_rule.yaml"), &rule))
	return rule.Spec
}

func monitoringFile(t *testing.T, name string) []byte {
	t.Helper()
	root, err := devcluster.ModuleRoot()
	check(t, err)
	data, err := os.ReadFile(filepath.Join(root, "config", "components", "monitoring", name))
	check(t, err)
	return data
}

// get asks Prometheus' API and decodes the data of its answer.
func (p prometheus) get(ctx context.Context, path string, parameters url.Values, data any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL+"/api/v1/"+path+"?"+parameters.Encode(), nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	var answer struct {
		Status, Error string
		Data          json.RawMessage
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Status != "success" {
		return fmt.Errorf("%s %v: %d %s %w", path, parameters, res.StatusCode, answer.Error, err)
	}
	return json.Unmarshal(answer.Data, data)
}

// query says how many series a query gives now.
func (p prometheus) query(ctx context.Context, expression string) (int, error) {
	var data struct{ Result []json.RawMessage }
	err := p.get(ctx, "query", url.Values{"query": {expression}}, &data)
	return len(data.Result), err
}

// selectors are the series that a query is made of, each written as a query of its own.
func (p prometheus) selectors(ctx context.Context, expression string) ([]string, error) {
	var tree any
	if err := p.get(ctx, "parse_query", url.Values{"query": {expression}}, &tree); err != nil {
		return nil, err
	}
	return selectorsOf(tree), nil
}

func selectorsOf(node any) (found []string) {
	switch n := node.(type) {
	case []any:
		for _, child := range n {
			found = append(found, selectorsOf(child)...)
		}
	case map[string]any:
		if kind := n["type"]; kind == "vectorSelector" || kind == "matrixSelector" {
			var matchers []string
			for _, m := range n["matchers"].([]any) {
				matcher := m.(map[string]any)
				matchers = append(matchers, fmt.Sprintf("%s%s%q", matcher["name"], matcher["type"], matcher["value"]))
			}
			return []string{"{" + strings.Join(matchers, ",") + "}"}
		}
		for _, child := range n {
			found = append(found, selectorsOf(child)...)
		}
	}
	return found
}
