package devcluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// operatorServiceAccount is who the operator is to the API server.
const operatorServiceAccount = "iotfile-operator"

// operatorRoles is the file of roles that the operator runs under, generated from the markers in its code.
var operatorRoles = filepath.Join("config", "rbac", "role.yaml")

// OperatorKubeconfig gives the operator its own identity: its service account, bound to the roles that it is deployed with and to
// nothing else, so that a permission missing there is missing here too. It returns the path of the kubeconfig and is idempotent.
func (c *ControlPlane) OperatorKubeconfig(ctx context.Context) (string, error) {
	root, err := ModuleRoot()
	if err != nil {
		return "", err
	}
	roles, err := readManifests(filepath.Join(root, operatorRoles))
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%w; `make manifests` writes it", err)
	}
	if err != nil {
		return "", err
	}
	// First, because it makes the namespace.
	path, err := c.ServiceAccountKubeconfig(ctx, OperatorNamespace, operatorServiceAccount)
	if err != nil {
		return "", err
	}
	client, err := newClient(c.config)
	if err != nil {
		return "", err
	}
	for _, role := range roles {
		if err := apply(ctx, client, role, bindingTo(role)); err != nil {
			return "", err
		}
	}
	return path, nil
}

// bindingTo binds a Role or ClusterRole to the operator's service account.
func bindingTo(role *unstructured.Unstructured) *unstructured.Unstructured {
	metadata := map[string]any{"name": role.GetName()}
	if role.GetNamespace() != "" {
		metadata["namespace"] = role.GetNamespace()
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "rbac.authorization.k8s.io/v1",
		"kind":       role.GetKind() + "Binding",
		"metadata":   metadata,
		"roleRef":    map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": role.GetKind(), "name": role.GetName()},
		"subjects": []any{
			map[string]any{"kind": "ServiceAccount", "namespace": OperatorNamespace, "name": operatorServiceAccount},
		},
	}}
}
