package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// runOnNode has the suite run on a node of its own, in namespaces, and removes the one thing that
// does not end with them.
func runOnNode(ctx context.Context, scratch string) (err error) {
	cgroup, err := makeCgroup()
	defer func() { err = errors.Join(err, removeCgroup(cgroup)) }()
	if err != nil {
		return err
	}
	return enter(ctx, scratch, cgroup)
}

// runInside starts the cluster in the namespaces, and runs the suite on it.
func runInside(ctx context.Context, s settings) (err error) {
	a, err := readArtifacts(s.scratch)
	if err != nil {
		return err
	}
	r := newReport(os.Stdout)
	r.rows = a.Built
	defer r.tables()
	n := &ownNode{scratch: s.scratch, cgroup: s.cgroup, artifacts: a}
	defer func() { err = errors.Join(err, n.stop()) }()
	if err := n.start(ctx, r); err != nil {
		return err
	}
	c := &cluster{kubeconfig: n.plane.Kubeconfig, config: n.plane.RESTConfig(), ctr: n.node.Ctr}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		if fault := n.node.Wait(ctx); fault != nil {
			cancel(fault)
		}
	}()
	suite, err := newSuite(r, a, c, s.scratch)
	if err != nil {
		return err
	}
	return suite.run(ctx)
}

// ownNode is a cluster of one node.
type ownNode struct {
	scratch, cgroup string
	artifacts       *artifacts
	plane           *devcluster.ControlPlane
	node            *devcluster.Node
}

func (n *ownNode) start(ctx context.Context, r *report) error {
	identity := &devcluster.NodeIdentity{Name: nodeName, Address: nodeAddress}
	err := r.step("control plane", func() (string, error) {
		var err error
		n.plane, err = devcluster.StartControlPlane(ctx, devcluster.ControlPlaneOptions{
			Dir: filepath.Join(n.scratch, "plane"), Node: identity, UnsafeNoFsync: true, Log: r.out,
		})
		if err != nil {
			return "", err
		}
		return "kube-apiserver at " + n.plane.URL, nil
	})
	if err != nil {
		return err
	}
	err = r.step("registry", func() (string, error) {
		if err := n.startRegistry(ctx); err != nil {
			return "", err
		}
		return n.artifacts.Release.push(ctx)
	})
	if err != nil {
		return err
	}
	return r.step("node", func() (string, error) {
		began := time.Now()
		var err error
		n.node, err = devcluster.StartNode(ctx, devcluster.NodeOptions{
			Plane: n.plane, Dir: filepath.Join(n.scratch, "node"), SandboxImage: pauseImage, Images: n.artifacts.Images,
			CgroupRoot: n.cgroup, CNIPlugins: cniPlugins, Log: r.out,
		})
		return fmt.Sprintf("ready %.1f s after containerd was started", time.Since(began).Seconds()), err
	})
}

// stop ends the servers, and gathers their logs where they are looked for. Pods end with the
// namespaces.
func (n *ownNode) stop() error {
	var errs []error
	if n.node != nil {
		errs = append(errs, n.node.Stop())
	}
	if n.plane != nil {
		errs = append(errs, n.plane.Stop())
	}
	// Also of what did not start.
	for _, part := range []string{"plane", "registry", "node"} {
		from := filepath.Join(n.scratch, part, "logs")
		if _, err := os.Stat(from); err == nil {
			errs = append(errs, os.CopyFS(filepath.Join(n.scratch, logsDir, part), os.DirFS(from)))
		}
	}
	return errors.Join(errs...)
}
