package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

const (
	// scaleNamespaces share the uploads evenly.
	scaleNamespaces = 10
	// scaleStore is the FileStore of all of them.
	scaleStore = "scale"
)

// scale is a run of measureScale.
type scale struct {
	testbed  *testbed
	admin    client.Client
	tenants  []*tenant
	options  [2]devcluster.OperatorOptions
	operator *devcluster.Operator
	settings settings
}

// measureScale fills a control plane with open and with finished uploads, and measures what they
// cost an operator.
func measureScale(ctx context.Context, b *testbed, s settings) (err error) {
	c, err := newScale(ctx, b, s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.halt()) }()
	fmt.Printf("\n%s; load average %s. Up to %d open and %d finished uploads in %d namespaces, the open ones with an upload in versitygw each and started over the last day.\n",
		machine(), loadAverage(), s.open, s.finished, scaleNamespaces)
	if err := c.measureRest(ctx); err != nil {
		return err
	}
	for _, measure := range []func(context.Context) error{c.lookUp, c.progress, c.expire, c.takeOver} {
		if err := measure(ctx); err != nil {
			return err
		}
	}
	return nil
}

// newScale makes the store and the namespaces, and ends the operator that the testbed came with.
func newScale(ctx context.Context, b *testbed, s settings) (*scale, error) {
	c := &scale{testbed: b, settings: s}
	var err error
	if c.admin, err = client.New(b.system.ControlPlane.RESTConfig(), client.Options{Scheme: b.scheme}); err != nil {
		return nil, err
	}
	const long = 48 * time.Hour
	if _, err := b.tenantOn(ctx, c.admin, scaleStore, 1, long, long); err != nil {
		return nil, err
	}
	for i := range scaleNamespaces {
		t, err := b.tenantOf(ctx, c.admin, &store{name: scaleStore}, scaleNamespace(i), progressClients)
		if err != nil {
			return nil, err
		}
		c.tenants = append(c.tenants, t)
	}
	if err := b.system.Operator.Stop(); err != nil { // it reconciles without a lease
		return nil, err
	}
	for _, hooks := range []client.Object{&admissionv1.ValidatingWebhookConfiguration{}, &admissionv1.MutatingWebhookConfiguration{}} {
		if err := c.admin.DeleteAllOf(ctx, hooks); err != nil { // nobody serves them any more
			return nil, err
		}
	}
	kubeconfig, err := b.system.ControlPlane.OperatorKubeconfig(ctx)
	if err != nil {
		return nil, err
	}
	for i := range c.options {
		c.options[i] = devcluster.OperatorOptions{
			Binary: filepath.Join(b.dir, "system", "bin", "operator"), Dir: filepath.Join(b.dir, "pair"), Name: fmt.Sprintf("operator-%d", i),
			Kubeconfig: kubeconfig, LeaderElect: true, Args: strings.Fields(failoverLease + " " + s.operator),
		}
	}
	return c, nil
}

func scaleNamespace(i int) string { return fmt.Sprintf("scale-%d", i%scaleNamespaces) }

// measureRest starts the operator with nothing, with the open uploads, and with the finished ones
// besides. The last one goes on.
func (c *scale) measureRest(ctx context.Context) error {
	fmt.Printf("\n| records | ready after | all reconciled after | peak RSS, MiB | RSS at rest, MiB | live heap, MiB | calls to the API server | calls to object storage | CPU-s | etcd, MiB |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n")
	empty, err := c.restart(ctx, "none", 0)
	if err != nil {
		return err
	}
	if err := c.fill(ctx, c.settings.open, c.openUpload); err != nil {
		return fmt.Errorf("open uploads: %w", err)
	}
	withOpen, err := c.restart(ctx, fmt.Sprintf("%d open", c.settings.open), c.settings.open)
	if err != nil {
		return err
	}
	if err := c.fill(ctx, c.settings.finished, c.finishedUpload); err != nil {
		return fmt.Errorf("finished uploads: %w", err)
	}
	withAll, err := c.restart(ctx, fmt.Sprintf("%d open, %d finished", c.settings.open, c.settings.finished), c.settings.open+c.settings.finished)
	if err != nil {
		return err
	}
	each := func(more, less float64, count int) float64 { return (more - less) * (1 << 20) / float64(max(count, 1)) }
	fmt.Printf("\n| bytes for each record | of RSS | of live heap |\n|---|--:|--:|\n")
	fmt.Printf("| open | %.0f | %.0f |\n", each(withOpen.rss, empty.rss, c.settings.open), each(withOpen.heap, empty.heap, c.settings.open))
	fmt.Printf("| finished | %.0f | %.0f |\n", each(withAll.rss, withOpen.rss, c.settings.finished), each(withAll.heap, withOpen.heap, c.settings.finished))
	return c.sweepCost(ctx)
}

// say tells on the way what is being done.
func say(format string, args ...any) { fmt.Fprintf(os.Stderr, "  "+format+"\n", args...) }
