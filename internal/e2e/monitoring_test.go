package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

// TestMonitoring has a real Prometheus scrape real operators while they work, and evaluates every
// query of the dashboard and of the alerts: a name, a label or a value that no operator exposes is
// found here.
func TestMonitoring(t *testing.T) {
	useOperator(t, func(o *devcluster.OperatorOptions) { o.Env = append(slices.Clone(o.Env), "GOMEMLIMIT=900MiB") }) // as in the manifests
	certs := newCertificates(t)
	secure := startSecure(t, certs)
	p := startPrometheus(t, secure, certs)
	tn := system.tenants[0]
	tn.waitReady(t)
	failing := breakThings(t, tn)
	eventually(t, "all is to be seen in Prometheus", func() error {
		work(t, tn, failing)
		return errors.Join(p.checkQueries(t.Context(), dashboardQueries(t), true), p.checkQueries(t.Context(), alertQueries(t), false))
	})
	eventually(t, "the alerts are evaluated", func() error {
		work(t, tn, failing)
		return p.checkAlerts(t.Context(), map[string]string{"IotfileDown": "inactive", "IotfileNoLeader": "inactive", "IotfileErrors": "pending", "IotfileStoreDown": "pending", "IotfileUploadsStalled": "pending"})
	})
	t.Run("Reference", testMetricsReference)
}

// breakThings makes a FileStore that cannot be reached, and uploads that are stalled; it returns a
// tenant of that store.
func breakThings(t *testing.T, tn *tenant) *tenant {
	t.Helper()
	broken := testkit.Store("broken")
	broken.ResourceVersion, broken.Generation, broken.CreationTimestamp = "", 0, metav1.Time{}
	check(t, createNamespace(t.Context(), "on-broken", map[string]string{v1alpha1.AnnotationNamespaceStore: broken.Name}))
	token, err := system.plane.ApplicationToken(t.Context(), "on-broken", "app", time.Hour)
	check(t, err)
	objects := []client.Object{broken}
	for name, change := range map[string]func(*v1alpha1.MultipartUploadSpec){
		"without-store":   func(s *v1alpha1.MultipartUploadSpec) { s.StoreName = "nowhere" },
		"of-no-such-file": func(s *v1alpha1.MultipartUploadSpec) { s.IfMatch = new(int64(7)) },
	} {
		u := testkit.Upload(testkit.Named(tn.namespace, name), testkit.ForFile(tn.newFile("x").entity, "x"))
		u.UID, u.Generation, u.CreationTimestamp = "", 0, metav1.Time{}
		change(&u.Spec)
		objects = append(objects, u)
	}
	for _, object := range objects {
		check(t, system.kube.Create(t.Context(), object))
		t.Cleanup(func() { _ = system.kube.Delete(context.WithoutCancel(t.Context()), object) })
	}
	return &tenant{namespace: "on-broken", store: tn.store, s3: tn.s3, token: token}
}

// work does once all that clients do, and what they do wrong.
func work(t *testing.T, tn, failing *tenant) {
	t.Helper()
	f := tn.newFile("monitored.bin")
	part := random(6 * mib)
	f.must(t, 201, http.MethodPut, "?upload=start", nil)
	f.must(t, 201, http.MethodPut, "?part=1", part)
	f.must(t, 201, http.MethodPut, "?upload=complete", part[:10])
	f.must(t, 200, http.MethodGet, "", nil)
	f.mustAt(t, 200, http.MethodGet, strings.TrimSuffix(f.url("files", ""), "/"+f.path), nil)
	f.must(t, 400, http.MethodPut, "?part=0", part)
	f.must(t, 204, http.MethodDelete, "", nil)
	if a, err := failing.newFile("x").do(t.Context(), http.MethodPut, failing.newFile("x").url("files", "?upload=start"), nil); err != nil || a.status != 503 {
		t.Errorf("a start in a store that is down: %v %v", a, err)
	}
}

// namedQuery is one, and where it stands.
type namedQuery struct{ where, expression string }

// dashboardQueries are those of all panels, as Grafana sends them.
func dashboardQueries(t *testing.T) []namedQuery {
	t.Helper()
	var dashboard struct {
		Panels []struct {
			Title, Type string
			Targets     []struct{ Expr string }
		}
		Templating struct{ List []struct{ Name string } }
	}
	check(t, json.Unmarshal(monitoringFile(t, "dashboard.json"), &dashboard))
	grafana := strings.NewReplacer("$__rate_interval", "30s", "$job", metricsJob, "$store", ".+")
	var found []namedQuery
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			q := namedQuery{"the panel " + panel.Title, grafana.Replace(target.Expr)}
			if strings.Contains(q.expression, "$") {
				t.Errorf("%s uses a variable that the dashboard does not have: %s", q.where, q.expression)
			}
			found = append(found, q)
		}
		if panel.Type != "row" && len(panel.Targets) == 0 {
			t.Errorf("the panel %s shows nothing", panel.Title)
		}
	}
	return found
}

func alertQueries(t *testing.T) []namedQuery {
	t.Helper()
	var rules struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	check(t, json.Unmarshal(alertRules(t), &rules))
	var found []namedQuery
	for _, rule := range rules.Groups[0].Rules {
		found = append(found, namedQuery{"the alert " + rule.Alert, rule.Expr})
	}
	return found
}

// checkQueries evaluates queries. Each selector in them must find series. With whole, the query
// itself must too: that of an alert finds nothing when all is well.
func (p prometheus) checkQueries(ctx context.Context, queries []namedQuery, whole bool) error {
	var errs []error
	for _, q := range queries {
		parts, err := p.selectors(ctx, q.expression)
		if err != nil || len(parts) == 0 {
			errs = append(errs, fmt.Errorf("%s: %s has %d selectors: %w", q.where, q.expression, len(parts), err))
		}
		for i := range parts {
			parts[i] = "last_over_time(" + parts[i] + "[1h])"
		}
		if whole {
			parts = append(parts, q.expression)
		}
		for _, part := range parts {
			if n, err := p.query(ctx, part); err != nil || n == 0 {
				errs = append(errs, fmt.Errorf("%s: %s finds %d series: %w", q.where, part, n, err))
			}
		}
	}
	return errors.Join(errs...)
}

// checkAlerts: Prometheus evaluates all of them, and those that are named are in the state that is
// given; with pending, firing is as good.
func (p prometheus) checkAlerts(ctx context.Context, states map[string]string) error {
	var data struct {
		Groups []struct {
			Rules []struct{ Name, State, Health, LastError string }
		}
	}
	if err := p.get(ctx, "rules", url.Values{}, &data); err != nil {
		return err
	}
	if len(data.Groups) != 1 || len(data.Groups[0].Rules) < len(states) {
		return fmt.Errorf("the rules are %+v", data.Groups)
	}
	var errs []error
	for _, rule := range data.Groups[0].Rules {
		if rule.Health != "ok" || rule.LastError != "" {
			errs = append(errs, fmt.Errorf("%s: %s %s", rule.Name, rule.Health, rule.LastError))
		}
		if want := states[rule.Name]; want != "" && rule.State != want && (want != "pending" || rule.State != "firing") {
			errs = append(errs, fmt.Errorf("%s is %s, not %s", rule.Name, rule.State, want))
		}
	}
	return errors.Join(errs...)
}

// testMetricsReference holds docs/operations/metrics.md against what the operator exposes, both
// ways.
func testMetricsReference(t *testing.T) {
	root, err := devcluster.ModuleRoot()
	check(t, err)
	page, err := os.ReadFile(filepath.Join(root, "docs", "operations", "metrics.md"))
	check(t, err)
	documented := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(iotfile_\\w+)` \\| (\\w+) \\| (.*?) \\| (.*) \\|$").FindAllStringSubmatch(string(page), -1) {
		documented[row[1]] = fmt.Sprintf("%s of %s: %s", row[2], strings.ReplaceAll(row[3], "`", ""), row[4])
	}
	text, err := fetchText(t.Context(), system.operator.MetricsURL+"/metrics")
	check(t, err)
	families, err := new(expfmt.NewTextParser(model.UTF8Validation)).TextToMetricFamilies(strings.NewReader(text))
	check(t, err)
	exposed := map[string]bool{}
	for name, family := range families {
		if !strings.HasPrefix(name, "iotfile_") {
			continue
		}
		exposed[name] = true
		var labels []string
		for _, label := range family.GetMetric()[0].GetLabel() {
			labels = append(labels, label.GetName())
			if label.GetValue() == "" && label.GetName() != "store" {
				t.Errorf("%s has the label %s without a value", name, label.GetName())
			}
		}
		kind, want, _ := strings.Cut(documented[name], " of ")
		wantLabels, help, _ := strings.Cut(want, ": ")
		order := strings.Split(wantLabels, ", ")
		slices.Sort(order)
		if kind != strings.ToLower(family.GetType().String()) || strings.Join(order, ", ") != strings.Join(labels, ", ") || strings.ReplaceAll(help, `\|`, "|") != family.GetHelp() {
			t.Errorf("%s is documented as %q, and exposed as %s of %v: %s", name, documented[name], family.GetType(), labels, family.GetHelp())
		}
	}
	elsewhere := []string{ // an operator without TLS, and without webhooks, has none of these
		"iotfile_certificate_expiry_timestamp_seconds", "iotfile_webhook_refused_total",
	}
	for name := range documented {
		if !exposed[name] && !slices.Contains(elsewhere, name) {
			t.Errorf("%s is documented and not exposed", name)
		}
	}
}
