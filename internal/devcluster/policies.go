package devcluster

import (
	"context"
	"fmt"
	"path/filepath"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// policyKinds are the kinds of admission policies.
var policyKinds = map[string]bool{"ValidatingAdmissionPolicy": true, "ValidatingAdmissionPolicyBinding": true}

// InstallPolicies has the API server refuse what tenants may not do to records although their roles
// allow it. It enforces them a moment later, within some seconds. It is idempotent.
func (c *ControlPlane) InstallPolicies(ctx context.Context) error {
	policies, err := policyManifests()
	if err != nil {
		return err
	}
	client, err := newClient(c.config)
	if err != nil {
		return err
	}
	return apply(ctx, client, policies...)
}

// policyManifests reads the policies and what binds them.
func policyManifests() ([]*unstructured.Unstructured, error) {
	root, err := ModuleRoot()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(root, "config", "policy")
	objects, err := readManifests(dir)
	if err != nil {
		return nil, err
	}
	var policies []*unstructured.Unstructured
	for _, object := range objects {
		if policyKinds[object.GetKind()] {
			policies = append(policies, object)
		}
	}
	if len(policies) == 0 {
		return nil, fmt.Errorf("%s has no policy", dir)
	}
	return policies, nil
}
