package config_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// testOutlivesAPod: there is always a replica that serves, a pod that ends is given the time that the operator takes, and goes on until Services have noticed.
func (c *cluster) testOutlivesAPod(t *testing.T) {
	for _, dir := range []string{"default", "overlays/plain-http", "overlays/cert-manager"} {
		deployment := c.deployment(t, dir)
		spec := deployment.Spec
		if spec.Replicas == nil || *spec.Replicas < 2 || spec.Strategy.RollingUpdate == nil || spec.Strategy.RollingUpdate.MaxUnavailable.String() != "0" {
			t.Errorf("%s: %v replicas, strategy %+v", dir, spec.Replicas, spec.Strategy)
		}
		flags := args(t, dir, c)
		drain, grace := duration(t, flags, "--drain-delay="), duration(t, flags, "--grace-period=")
		total := time.Duration(*spec.Template.Spec.TerminationGracePeriodSeconds) * time.Second
		if drain <= 0 || total <= drain+grace+10*time.Second {
			t.Errorf("%s: a pod has %s to end in, of which it drains for %s and %s", dir, total, drain, grace)
		}
		if !slices.Contains(flags, "--leader-elect") {
			t.Errorf("%s: all replicas reconcile at once", dir)
		}
		budget := &policyv1.PodDisruptionBudget{}
		convert(t, find(t, c.render(t, dir), "PodDisruptionBudget", deployment.Name), budget)
		selector, err := metav1.LabelSelectorAsSelector(budget.Spec.Selector)
		if err != nil || !selector.Matches(labels.Set(spec.Template.Labels)) || budget.Spec.MaxUnavailable.String() != "1" {
			t.Errorf("%s: the budget is %+v (%v)", dir, budget.Spec, err)
		}
		for _, topology := range []string{"kubernetes.io/hostname", "topology.kubernetes.io/zone"} {
			spread := false
			for _, constraint := range spec.Template.Spec.TopologySpreadConstraints {
				selector, err := metav1.LabelSelectorAsSelector(constraint.LabelSelector)
				spread = spread || (err == nil && constraint.TopologyKey == topology && selector.Matches(labels.Set(spec.Template.Labels)))
			}
			if !spread {
				t.Errorf("%s: the pods are not spread over %s", dir, topology)
			}
		}
	}
}

// duration is the value of the flag.
func duration(t *testing.T, flags []string, flag string) time.Duration {
	t.Helper()
	for _, f := range flags {
		if value, ok := strings.CutPrefix(f, flag); ok {
			d, err := time.ParseDuration(value)
			if err != nil {
				t.Fatal(err)
			}
			return d
		}
	}
	t.Fatalf("there is no %s in %v", flag, flags)
	return 0
}
