package config_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/iotfile-operator/iotfile-operator/internal/dataplane"
)

// testOutlivesAPod: there is always a replica that serves, a pod that ends is given the time that
// the operator takes, and goes on until Services have noticed.
func (c *cluster) testOutlivesAPod(t *testing.T) {
	for dir := range sameAs {
		for _, deployment := range c.deployments(t, dir) {
			c.outlivesAPod(t, dir, deployment)
		}
	}
}

func (c *cluster) outlivesAPod(t *testing.T, dir string, deployment *appsv1.Deployment) {
	t.Helper()
	spec, container := deployment.Spec, deployment.Spec.Template.Spec.Containers[0]
	roles := container.Args[slices.IndexFunc(container.Args, func(arg string) bool { return strings.HasPrefix(arg, "--roles=") })]
	if c.replicas(t, dir, deployment) < 2 || spec.Strategy.RollingUpdate == nil || spec.Strategy.RollingUpdate.MaxUnavailable.String() != "0" {
		t.Errorf("%s: %s has %v replicas, strategy %+v", dir, deployment.Name, spec.Replicas, spec.Strategy)
	}
	var drain, grace time.Duration
	if strings.Contains(roles, "data-plane") {
		drain, grace = duration(t, container.Args, "--drain-delay="), duration(t, container.Args, "--grace-period=")
		if grace != dataplane.DefaultGracePeriod {
			t.Errorf("%s: a pod of %s has a grace period of %s, and the flag's default is %s", dir, deployment.Name, grace, dataplane.DefaultGracePeriod)
		}
	} else if hook := container.Lifecycle; hook != nil {
		drain = time.Duration(hook.PreStop.Sleep.Seconds) * time.Second
	}
	total := time.Duration(*spec.Template.Spec.TerminationGracePeriodSeconds) * time.Second
	if drain <= 0 || total <= drain+grace+10*time.Second {
		t.Errorf("%s: a pod of %s has %s to end in, of which it drains for %s and %s", dir, deployment.Name, total, drain, grace)
	}
	if slices.Contains(container.Args, "--leader-elect") != strings.Contains(roles, "controller") {
		t.Errorf("%s: %s has the flags %q", dir, deployment.Name, container.Args)
	}
	budget := &policyv1.PodDisruptionBudget{}
	convert(t, find(t, c.render(t, dir), "PodDisruptionBudget", deployment.Name), budget)
	selector, err := metav1.LabelSelectorAsSelector(budget.Spec.Selector)
	if err != nil || !selector.Matches(labels.Set(spec.Template.Labels)) || budget.Spec.MaxUnavailable.String() != "1" {
		t.Errorf("%s: the budget of %s is %+v (%v)", dir, deployment.Name, budget.Spec, err)
	}
	for _, topology := range []string{"kubernetes.io/hostname", "topology.kubernetes.io/zone"} {
		spread := false
		for _, constraint := range spec.Template.Spec.TopologySpreadConstraints {
			selector, err := metav1.LabelSelectorAsSelector(constraint.LabelSelector)
			spread = spread || (err == nil && constraint.TopologyKey == topology && selector.Matches(labels.Set(spec.Template.Labels)))
		}
		if !spread {
			t.Errorf("%s: the pods of %s are not spread over %s", dir, deployment.Name, topology)
		}
	}
}

// replicas are those that a Deployment has at least: its own, or those of its autoscaler, whose
// number it must not say then.
func (c *cluster) replicas(t *testing.T, dir string, deployment *appsv1.Deployment) int32 {
	t.Helper()
	if deployment.Spec.Replicas != nil {
		return *deployment.Spec.Replicas
	}
	autoscaler := &autoscalingv2.HorizontalPodAutoscaler{}
	convert(t, find(t, c.render(t, dir), "HorizontalPodAutoscaler", deployment.Name), autoscaler)
	if autoscaler.Spec.ScaleTargetRef.Name != deployment.Name {
		t.Errorf("%s: the autoscaler scales %s", dir, autoscaler.Spec.ScaleTargetRef.Name)
	}
	return *autoscaler.Spec.MinReplicas
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
