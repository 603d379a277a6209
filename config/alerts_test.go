package config_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

const (
	alertsFile = "components/monitoring/prometheus_rule.yaml"
	runbooks   = "../docs/operations/runbooks.md"
)

// alert is one of the PrometheusRule.
type alert struct {
	Alert               string
	Expr                string
	Labels, Annotations map[string]string
}

// alertGroups reads the PrometheusRule's spec, as Prometheus has it, and the alerts in it.
func alertGroups(t *testing.T) (spec []byte, alerts []alert) {
	t.Helper()
	data, err := os.ReadFile(alertsFile)
	if err != nil {
		t.Fatal(err)
	}
	var rule struct{ Spec json.RawMessage }
	var groups struct{ Groups []struct{ Rules []alert } }
	if err := yaml.Unmarshal(data, &rule); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(rule.Spec, &groups); err != nil {
		t.Fatal(err)
	}
	for _, group := range groups.Groups {
		alerts = append(alerts, group.Rules...)
	}
	if len(alerts) == 0 {
		t.Fatal("there are no alerts")
	}
	return rule.Spec, alerts
}

// TestAlerts has promtool read the alerts, and run their unit tests: each alert has at least one in
// which it fires, and one in which it does not.
func TestAlerts(t *testing.T) {
	if testing.Short() {
		t.Skip("needs promtool, which is built")
	}
	spec, alerts := alertGroups(t)
	tests, err := os.ReadFile("testdata/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, data := range map[string][]byte{"rules.yaml": spec, "tests.yaml": tests} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	promtool, err := devcluster.FindTool(t.Context(), t.Output(), devcluster.Promtool)
	if err != nil {
		t.Fatal(err)
	}
	for _, arguments := range [][]string{{"check", "rules", "--lint=all", "--lint-fatal", "rules.yaml"}, {"test", "rules", "tests.yaml"}} {
		cmd := exec.CommandContext(t.Context(), promtool, arguments...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %q: %v\n%s", arguments, err, out)
		}
	}
	var units struct {
		Tests []struct {
			Rules []struct {
				Name   string `json:"alertname"`
				Alerts []any  `json:"exp_alerts"`
			} `json:"alert_rule_test"`
		}
	}
	if err := yaml.Unmarshal(tests, &units); err != nil {
		t.Fatal(err)
	}
	fires, silent := map[string]bool{}, map[string]bool{}
	for _, test := range units.Tests {
		for _, rule := range test.Rules {
			fires[rule.Name] = fires[rule.Name] || len(rule.Alerts) > 0
			silent[rule.Name] = silent[rule.Name] || len(rule.Alerts) == 0
		}
	}
	for _, a := range alerts {
		if !fires[a.Alert] || !silent[a.Alert] {
			t.Errorf("%s: a test in which it fires: %t, one in which it is silent: %t", a.Alert, fires[a.Alert], silent[a.Alert])
		}
	}
}

// TestAlertsLeadSomewhere: each alert says what is wrong, how bad that is and where to read on, and
// there is a section there; and no section is of an alert that is gone.
func TestAlertsLeadSomewhere(t *testing.T) {
	page, err := os.ReadFile(runbooks)
	if err != nil {
		t.Fatal(err)
	}
	var sections []string
	for _, heading := range regexp.MustCompile(`(?m)^## (Iotfile\w+)$`).FindAllStringSubmatch(string(page), -1) {
		sections = append(sections, heading[1])
	}
	_, alerts := alertGroups(t)
	names := make([]string, 0, len(alerts))
	for _, a := range alerts {
		names = append(names, a.Alert)
		if a.Annotations["summary"] == "" || a.Annotations["description"] == "" {
			t.Errorf("%s: %v", a.Alert, a.Annotations)
		}
		if severity := a.Labels["severity"]; !slices.Contains([]string{"critical", "warning", "info"}, severity) {
			t.Errorf("%s has the severity %q", a.Alert, severity)
		}
		if want := "/docs/operations/runbooks.md#" + strings.ToLower(a.Alert); !strings.HasSuffix(a.Annotations["runbook_url"], want) {
			t.Errorf("%s leads to %s, not to …%s", a.Alert, a.Annotations["runbook_url"], want)
		}
	}
	if slices.Sort(names); !slices.Equal(names, slices.Sorted(slices.Values(sections))) {
		t.Errorf("the alerts are %q, and %s has %q", names, runbooks, sections)
	}
}
