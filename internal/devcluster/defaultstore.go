package devcluster

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// The objects that offer the embedded object store to all namespaces. They are written down here
// and not taken from the API's package: this one must compile while that one does not, because it
// also gets the tool that generates code there. TestNames compares them.
const (
	apiVersion             = "iotfile.dev/v1alpha1"
	defaultStoreAnnotation = "iotfile.dev/is-default-store"
	storesAnnotation       = "iotfile.dev/stores"
	defaultStoreName       = "default"
	defaultStoreSecret     = "default-store"
	partsNotReplaced       = "PartsNotReplaced"
	integrityUnsupported   = "IntegrityUnsupported"
)

// reasonsForGood are those for which the operator will never take this object store.
var reasonsForGood = []string{partsNotReplaced, integrityUnsupported}

// createDefaultStore applies the default FileStore and the Secret with its credentials, as a
// platform team would. An upload's objects lie directly under the bucket: no prefix is set.
func (s *System) createDefaultStore(ctx context.Context) error {
	c, err := newClient(s.ControlPlane.config)
	if err != nil {
		return err
	}
	namespace := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": OperatorNamespace},
	}}
	secret := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Secret",
		"metadata": map[string]any{
			"namespace": OperatorNamespace, "name": defaultStoreSecret,
			"annotations": map[string]any{storesAnnotation: defaultStoreName},
		},
		"data": map[string]any{
			"accessKeyID":     base64.StdEncoding.EncodeToString([]byte(s.ObjectStore.AccessKey)),
			"secretAccessKey": base64.StdEncoding.EncodeToString([]byte(s.ObjectStore.SecretKey)),
		},
	}}
	spec := map[string]any{
		"endpoint":    s.ObjectStore.Endpoint,
		"region":      s.ObjectStore.Region,
		"bucket":      s.bucket,
		"credentials": map[string]any{"secretRef": map[string]any{"name": defaultStoreSecret}},
	}
	if s.prefix != "" {
		spec["prefix"] = s.prefix
	}
	store := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": apiVersion, "kind": "FileStore",
		"metadata": map[string]any{
			"name":        defaultStoreName,
			"annotations": map[string]any{defaultStoreAnnotation: "true"},
		},
		"spec": spec,
	}}
	return apply(ctx, c, namespace, secret, store)
}

// waitDefaultStore waits until the operator says that the default FileStore, as it is now, is
// ready. It does not wait where the store itself cannot be used.
func (s *System) waitDefaultStore(ctx context.Context) error {
	c, err := newClient(s.ControlPlane.config)
	if err != nil {
		return err
	}
	return s.Operator.process.waitReady(ctx, 2*time.Minute, func(ctx context.Context) error {
		object := &unstructured.Unstructured{}
		object.SetAPIVersion(apiVersion)
		object.SetKind("FileStore")
		if err := c.Get(ctx, client.ObjectKey{Name: defaultStoreName}, object); err != nil {
			return err
		}
		ready, err := condition(object, "Ready")
		if err != nil {
			return err
		}
		switch {
		case ready == nil || ready.ObservedGeneration != object.GetGeneration():
			return fmt.Errorf("the FileStore %s has not been looked at yet", defaultStoreName)
		case ready.Status != metav1.ConditionTrue:
			err := fmt.Errorf("the FileStore %s is not ready: %s: %s", defaultStoreName, ready.Reason, ready.Message)
			if slices.Contains(reasonsForGood, ready.Reason) {
				return neverReady{fmt.Errorf("this object store cannot be used: %w", err)}
			}
			return err
		}
		return nil
	})
}

// condition returns a condition of the object's status, or nil when it is not there.
func condition(object *unstructured.Unstructured, kind string) (*metav1.Condition, error) {
	var with struct {
		Status struct {
			Conditions []metav1.Condition `json:"conditions"`
		} `json:"status"`
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &with); err != nil {
		return nil, err
	}
	return meta.FindStatusCondition(with.Status.Conditions, kind), nil
}
