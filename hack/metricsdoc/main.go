// Command metricsdoc writes the reference of metrics in docs/operations/metrics.md from the code.
// It is run in the root of the checkout; its test fails when the page is stale.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const page = "docs/operations/metrics.md"

// The reference is what stands between these lines.
const (
	begin = "<!-- Written by go run ./hack/metricsdoc: change the code instead. -->\n"
	end   = "<!-- End. -->\n"
)

func main() {
	if err := write("."); err != nil {
		fmt.Fprintln(os.Stderr, "metricsdoc:", err)
		os.Exit(1)
	}
}

func write(root string) error {
	old, fresh, err := render(root)
	if err != nil || old == fresh {
		return err
	}
	return os.WriteFile(filepath.Join(root, page), []byte(fresh), 0o600)
}

// render returns the page as it is, and as the code wants it.
func render(root string) (old, fresh string, err error) {
	data, err := os.ReadFile(filepath.Join(root, page))
	if err != nil {
		return "", "", err
	}
	metrics, err := findMetrics(root)
	if err != nil {
		return "", "", err
	}
	before, rest, found1 := strings.Cut(string(data), begin)
	_, after, found2 := strings.Cut(rest, end)
	if !found1 || !found2 {
		return "", "", fmt.Errorf("%s has no %q and %q", page, begin, end)
	}
	return string(data), before + begin + table(metrics) + end + after, nil
}

// table lists metrics by name.
func table(metrics []metric) string {
	slices.SortFunc(metrics, func(a, b metric) int { return strings.Compare(a.name, b.name) })
	var out strings.Builder
	out.WriteString("\n| metric | type | labels | meaning |\n|---|---|---|---|\n")
	for _, m := range metrics {
		labels := make([]string, len(m.labels))
		for i, label := range m.labels {
			labels[i] = "`" + label + "`"
		}
		fmt.Fprintf(&out, "| `%s` | %s | %s | %s |\n", m.name, m.kind, strings.Join(labels, ", "), strings.ReplaceAll(m.help, "|", `\|`))
	}
	out.WriteString("\n")
	return out.String()
}
