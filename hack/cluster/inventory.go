package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/metadata"
)

// inventory are all objects of a cluster, of whatever kind.
type inventory map[string]bool

// passing are kinds that come and go by themselves.
var passing = map[string]bool{"events": true, "componentstatuses": true}

// takeInventory lists every object of every kind that the API server can list.
func (s *suite) takeInventory(ctx context.Context) (inventory, error) {
	lists, err := s.client.Discovery().ServerPreferredResources()
	if err != nil {
		return nil, err
	}
	client, err := metadata.NewForConfig(s.config)
	if err != nil {
		return nil, err
	}
	all := inventory{}
	for _, list := range lists {
		group, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			return nil, err
		}
		for _, kind := range list.APIResources {
			if passing[kind.Name] || !slices.Contains(kind.Verbs, "list") {
				continue
			}
			if err := all.add(ctx, client, group.WithResource(kind.Name)); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// atRest is how long a cluster makes nothing more by itself before its inventory is believed.
const atRest = 5 * time.Second

// takeInventoryBefore waits until the cluster has made what it makes for itself, since that would
// look left over later.
func (s *suite) takeInventoryBefore(ctx context.Context) error {
	return eventually(ctx, "the cluster is at rest", func(ctx context.Context) error {
		first, err := s.takeInventory(ctx)
		if err != nil {
			return err
		}
		select {
		case <-time.After(atRest):
		case <-ctx.Done():
			return ctx.Err()
		}
		s.before, err = s.takeInventory(ctx)
		if err == nil && !maps.Equal(first, s.before) {
			err = fmt.Errorf("it had %d objects, and has %d after %s", len(first), len(s.before), atRest)
		}
		return err
	})
}

// add lists the objects of a kind.
func (i inventory) add(ctx context.Context, client metadata.Interface, kind schema.GroupVersionResource) error {
	objects, err := client.Resource(kind).List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("list %s: %w", kind.Resource, err)
	}
	for _, object := range objects.Items {
		if object.Namespace == corev1.NamespaceNodeLease {
			continue // kubelets make theirs when they come to it, some time after their node is ready
		}
		i[strings.TrimPrefix(kind.Resource+"."+kind.Group+" "+object.Namespace+"/"+object.Name, " ")] = true
	}
	return nil
}

// compareInventory fails when anything is there that was not there before the installation.
func (s *suite) compareInventory(ctx context.Context) (string, error) {
	err := eventually(ctx, "nothing is left", func(ctx context.Context) error {
		now, err := s.takeInventory(ctx)
		if err != nil {
			return err
		}
		maps.DeleteFunc(now, func(name string, _ bool) bool { return s.before[name] })
		if len(now) > 0 {
			return fmt.Errorf("there is:\n%s", strings.Join(slices.Sorted(maps.Keys(now)), "\n"))
		}
		return nil
	})
	return fmt.Sprintf("nothing: the same %d objects", len(s.before)), err
}

// gather writes down, beside the logs of the servers, what explains a failure. It does so also
// after an interrupt, and does not hold that up for long.
func (s *suite) gather(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
	defer cancel()
	dir := filepath.Join(s.scratch, logsDir, "cluster")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		fmt.Fprintln(s.out, "cannot gather:", err)
		return
	}
	for name, args := range map[string][]string{
		"objects.txt":         {"get", "all,endpointslices,leases,multipartuploads,filestores", "--all-namespaces", "-o", "wide"},
		"pods.txt":            {"describe", "pods", "--all-namespaces"},
		"events.txt":          {"get", "events", "--all-namespaces", "--sort-by=.lastTimestamp"},
		"operator.log":        {"logs", "--namespace=" + operatorNamespace, "--selector=app.kubernetes.io/component=operator", "--prefix", "--tail=-1"},
		"operator-before.log": {"logs", "--namespace=" + operatorNamespace, "--selector=app.kubernetes.io/component=operator", "--prefix", "--previous", "--tail=-1"},
	} {
		out, err := s.kubectl(ctx, "", args...)
		if err != nil {
			out = errors.Join(errors.New(out), err).Error()
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(out), 0o600); err != nil {
			fmt.Fprintln(s.out, "cannot gather:", err)
		}
	}
}
