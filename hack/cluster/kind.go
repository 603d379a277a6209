package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"k8s.io/client-go/tools/clientcmd"
)

// kindName is the cluster that kind makes, and kindNode the container that is its node.
const (
	kindName = "iotfile-e2e"
	kindNode = kindName + "-control-plane"
)

// runOnKind has the suite run on a cluster that kind makes for it. Another one of the same name is
// not touched: kind refuses to make it.
func runOnKind(ctx context.Context, r *report, scratch string) (err error) {
	a, err := readArtifacts(scratch)
	if err != nil {
		return err
	}
	defer r.tables()
	kubeconfig := filepath.Join(scratch, "kubeconfig")
	kind := func(ctx context.Context, args ...string) error {
		cmd := exec.CommandContext(ctx, a.Kind, args...)
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("kind %v: %w", args, err)
		}
		return nil
	}
	err = r.step("kind", func() (string, error) {
		return "cluster " + kindName, kind(ctx, "create", "cluster", "--name="+kindName, "--kubeconfig="+kubeconfig, "--wait=180s")
	})
	if err != nil {
		return err
	}
	defer func() {
		// Also after an interrupt.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Minute)
		defer cancel()
		if err != nil {
			err = errors.Join(err, kind(ctx, "export", "logs", "--name="+kindName, filepath.Join(scratch, logsDir, "kind")))
		}
		err = errors.Join(err, kind(ctx, "delete", "cluster", "--name="+kindName, "--kubeconfig="+kubeconfig))
	}()
	for _, image := range a.Images {
		if err := kind(ctx, "load", "image-archive", "--name="+kindName, image); err != nil {
			return err
		}
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	suite, err := newSuite(r, a, &cluster{kubeconfig: kubeconfig, config: config, ctr: kindCtr}, scratch)
	if err != nil {
		return err
	}
	return suite.run(ctx)
}

// kindCtr runs containerd's command line on kind's node.
func kindCtr(ctx context.Context, args ...string) (string, error) {
	engine := "docker"
	if _, err := exec.LookPath(engine); err != nil {
		engine = "podman"
	}
	out, err := exec.CommandContext(ctx, engine, append([]string{"exec", kindNode, "ctr", "--namespace=k8s.io"}, args...)...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("ctr %v: %w\n%s", args, err, out)
	}
	return string(out), nil
}
