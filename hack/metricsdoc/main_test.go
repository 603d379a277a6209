package main

import (
	"strings"
	"testing"
)

const root = "../.."

// TestPageIsFresh fails when a metric was added, changed or removed, and the reference was not
// written anew.
func TestPageIsFresh(t *testing.T) {
	old, fresh, err := render(root)
	if err != nil {
		t.Fatal(err)
	}
	if old != fresh {
		t.Errorf("%s is stale: go run ./hack/metricsdoc", page)
	}
}

// TestMetricsAreOurs holds the rules of names: the prefix, base units, _total for counters alone.
func TestMetricsAreOurs(t *testing.T) {
	metrics, err := findMetrics(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(metrics) < 25 {
		t.Errorf("only %d metrics were found", len(metrics))
	}
	seen := map[string]bool{}
	for _, m := range metrics {
		if seen[m.name] {
			t.Errorf("%s is made twice", m.name)
		}
		seen[m.name] = true
		if !strings.HasPrefix(m.name, "iotfile_") || strings.HasSuffix(m.name, "_total") != (m.kind == "counter") {
			t.Errorf("%s is a %s", m.name, m.kind)
		}
		for _, unit := range []string{"_milliseconds", "_minutes", "_hours", "_ms", "_kib", "_mib", "_kilobytes", "_megabytes"} {
			if strings.Contains(m.name, unit) {
				t.Errorf("%s has no base unit", m.name)
			}
		}
		for _, label := range m.labels {
			switch label {
			case "namespace", "entity", "path", "user", "name", "upload", "key":
				t.Errorf("%s has the label %s, whose values a client or a tenant chooses", m.name, label)
			}
		}
	}
}
