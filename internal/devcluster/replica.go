package devcluster

import (
	"context"
	"fmt"
	"path/filepath"
)

// AddReplica starts one more operator beside the first one, which serves the REST API and
// reconciles nothing, with further flags args. Stop ends it. ctx bounds the start only.
func (s *System) AddReplica(ctx context.Context, args ...string) (*Operator, error) {
	operator, err := StartOperator(ctx, OperatorOptions{
		Binary: s.binary, Dir: filepath.Join(s.dir, "operator"), Name: fmt.Sprintf("replica-%d", len(s.replicas)+1), Kubeconfig: s.kubeconfig, Roles: "data-plane", Args: args,
	})
	if err != nil {
		return nil, err
	}
	s.replicas = append(s.replicas, operator)
	return operator, nil
}

// Kubectl is the path of a kubectl that fits the control plane.
func (s *System) Kubectl() string { return s.kubectl }
