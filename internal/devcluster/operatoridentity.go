package devcluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// operatorServiceAccount is who the operator is to the API server; dataPlaneServiceAccount is who
// its data plane is, where the two run apart.
const (
	operatorServiceAccount  = "iotfile-operator"
	dataPlaneServiceAccount = "iotfile-operator-data-plane"
)

// OperatorUser is the name that the API server knows an operator by that uses OperatorKubeconfig,
// or that the manifests have installed.
const OperatorUser = "system:serviceaccount:" + OperatorNamespace + ":" + operatorServiceAccount

// operatorRoles is the file of roles that the operator runs under, generated from the markers in
// its code, controllerRoles and dataPlaneRoles those of its parts where they run apart; userRoles
// is that of roles for everybody else.
var (
	operatorRoles   = filepath.Join("config", "rbac", "role.yaml")
	controllerRoles = filepath.Join("config", "components", "split-roles", "controller", "role.yaml")
	dataPlaneRoles  = filepath.Join("config", "components", "split-roles", "data-plane-rbac", "role.yaml")
	userRoles       = filepath.Join("config", "rbac", "user_roles.yaml")
)

// OperatorKubeconfig gives the operator its own identity: its service account, bound to the roles
// that it is deployed with and to nothing else, so that a permission missing there is missing here
// too. It returns the path of the kubeconfig. It also installs the roles that users are given, and
// the policies that know the operator by its role. It is idempotent.
func (c *ControlPlane) OperatorKubeconfig(ctx context.Context) (string, error) {
	path, err := c.accountKubeconfig(ctx, operatorServiceAccount, operatorRoles)
	if err != nil {
		return "", err
	}
	others, err := readRoles(userRoles)
	if err != nil {
		return "", err
	}
	client, err := newClient(c.config)
	if err != nil {
		return "", err
	}
	if err := apply(ctx, client, others...); err != nil {
		return "", err
	}
	return path, c.InstallPolicies(ctx)
}

// SplitKubeconfigs gives the reconcilers and the data plane the identities that they have where the
// two run apart, each bound to its own roles and to nothing else. The reconcilers keep the account
// of OperatorKubeconfig, whose roles they narrow, until that is called again. The results are the
// paths of the two kubeconfigs. It is idempotent.
func (c *ControlPlane) SplitKubeconfigs(ctx context.Context) (controller, dataPlane string, err error) {
	controller, err = c.accountKubeconfig(ctx, operatorServiceAccount, controllerRoles)
	if err == nil {
		dataPlane, err = c.accountKubeconfig(ctx, dataPlaneServiceAccount, dataPlaneRoles)
	}
	return controller, dataPlane, err
}

// accountKubeconfig makes a service account of the operator's namespace, and binds it to the roles
// of a file.
func (c *ControlPlane) accountKubeconfig(ctx context.Context, account, file string) (string, error) {
	roles, err := readRoles(file)
	if err != nil {
		return "", err
	}
	// First, because it makes the namespace.
	path, err := c.ServiceAccountKubeconfig(ctx, OperatorNamespace, account)
	if err != nil {
		return "", err
	}
	client, err := newClient(c.config)
	if err != nil {
		return "", err
	}
	for _, role := range roles {
		if err := apply(ctx, client, role, bindingTo(role, role.GetNamespace(), OperatorNamespace, account)); err != nil {
			return "", err
		}
	}
	return path, nil
}

// readRoles reads a file of roles of the checkout.
func readRoles(file string) ([]*unstructured.Unstructured, error) {
	root, err := ModuleRoot()
	if err != nil {
		return nil, err
	}
	roles, err := readManifests(filepath.Join(root, file))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w; `make manifests` writes it", err)
	}
	return roles, err
}

// Audience is what tokens of applications are for: the operator takes no others.
const Audience = "iotfile.dev"

// editorRole is the ClusterRole that lets an application read and write files.
const editorRole = "iotfile-editor"

// ApplicationToken gives a service account, which is created with its namespace when it is not
// there, the right to read and write all files of its namespace, and returns a token for the
// operator that lasts for lifetime. OperatorKubeconfig has installed the role.
func (c *ControlPlane) ApplicationToken(ctx context.Context, namespace, name string, lifetime time.Duration) (string, error) {
	token, err := c.ServiceAccountToken(ctx, namespace, name, lifetime, Audience)
	if err != nil {
		return "", err
	}
	client, err := newClient(c.config)
	if err != nil {
		return "", err
	}
	role := &unstructured.Unstructured{Object: map[string]any{"kind": "ClusterRole", "metadata": map[string]any{"name": editorRole}}}
	return token, apply(ctx, client, bindingTo(role, namespace, namespace, name))
}

// bindingTo binds a Role or ClusterRole to a service account, in a namespace or, where that is
// empty, in all.
func bindingTo(role *unstructured.Unstructured, namespace, accountNamespace, account string) *unstructured.Unstructured {
	kind, metadata := "ClusterRoleBinding", map[string]any{"name": role.GetName()}
	if namespace != "" {
		kind, metadata = "RoleBinding", map[string]any{"name": account + "-" + role.GetName(), "namespace": namespace}
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "rbac.authorization.k8s.io/v1",
		"kind":       kind,
		"metadata":   metadata,
		"roleRef":    map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": role.GetKind(), "name": role.GetName()},
		"subjects": []any{
			map[string]any{"kind": "ServiceAccount", "namespace": accountNamespace, "name": account},
		},
	}}
}
