package devcluster

import (
	"context"
	"fmt"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// crdTimeout bounds the wait for the API server to serve a new kind, usually well under a second.
const crdTimeout = time.Minute

// InstallCRDs applies every CustomResourceDefinition in the YAML files of dirs, and returns when
// each of their served versions can be listed. It is idempotent and updates CRDs that have changed.
func InstallCRDs(ctx context.Context, config *rest.Config, dirs ...string) error {
	var crds []*unstructured.Unstructured
	for _, dir := range dirs {
		objects, err := readManifests(dir)
		if err != nil {
			return err
		}
		for _, object := range objects {
			if object.GetKind() == "CustomResourceDefinition" {
				crds = append(crds, object)
			}
		}
	}
	if len(crds) == 0 {
		return nil
	}
	c, err := newClient(config)
	if err != nil {
		return err
	}
	if err := apply(ctx, c, crds...); err != nil {
		return err
	}
	for _, crd := range crds {
		if err := waitServed(ctx, c, crd); err != nil {
			return fmt.Errorf("wait for %s: %w", crd.GetName(), err)
		}
	}
	return nil
}

// waitServed waits until objects of the CRD's kinds can be listed, which is a moment later than the
// condition Established.
func waitServed(ctx context.Context, c client.Client, object *unstructured.Unstructured) error {
	var crd apiextensionsv1.CustomResourceDefinition
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &crd); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, crdTimeout)
	defer cancel()
	for _, version := range crd.Spec.Versions {
		if !version.Served {
			continue
		}
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(schema.GroupVersionKind{
			Group: crd.Spec.Group, Version: version.Name, Kind: crd.Spec.Names.ListKind,
		})
		for {
			err := c.List(ctx, list, client.Limit(1))
			if err == nil {
				break
			}
			if sleep(ctx, 50*time.Millisecond) != nil {
				return err
			}
		}
	}
	return nil
}
