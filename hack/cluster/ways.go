package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

const (
	operatorNamespace = devcluster.OperatorNamespace
	deployment        = "iotfile-operator"
)

// way is one of the two ways of installation, as docs/install.md has them.
type way struct {
	name string
	// install installs or upgrades to the operator of that tag.
	install func(ctx context.Context, tag string) error
	// uninstall removes all that install has made. The records are gone already.
	uninstall func(ctx context.Context) error
	// disruptions are what is done while the load is on.
	disruptions []disruption
}

// kustomize is `kubectl apply -k`.
func (s *suite) kustomize() way {
	w := way{name: "kustomize", install: s.applyKustomization, uninstall: func(ctx context.Context) error {
		_, err := s.kubectl(ctx, "", "delete", "--ignore-not-found", "-k", s.overlay(newTag), "--timeout=180s")
		return err
	}}
	if s.OldRoot != "" {
		w.disruptions = append(w.disruptions, disruption{"upgrade from " + s.OldRevision, s.upgrade(w)})
	}
	w.disruptions = append(w.disruptions,
		disruption{"rolling update", s.rollOut},
		disruption{"eviction of each pod", s.evictAll},
		disruption{"death of the leader", s.killLeader},
		disruption{"the same manifests again", s.applyAgain},
	)
	return w
}

// overlay is the directory of the kustomization that names the image, as a platform team's would.
func (s *suite) overlay(tag string) string { return filepath.Join(s.scratch, "overlay-"+tag) }

func (s *suite) applyKustomization(ctx context.Context, tag string) error {
	root := s.Root
	if tag == oldTag {
		root = s.OldRoot
	}
	dir := s.overlay(tag)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	// Kustomize takes no absolute paths, and follows links before it counts directories.
	from, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return err
	}
	to, err := filepath.EvalSymlinks(filepath.Join(root, "config", "default"))
	if err != nil {
		return err
	}
	base, err := filepath.Rel(from, to)
	if err != nil {
		return err
	}
	text := fmt.Sprintf(`apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
- %s
images:
- name: iotfile-operator
  newName: %s
  newTag: %s
`, base, operatorImage, tag)
	if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text), 0o600); err != nil {
		return err
	}
	_, err = s.kubectl(ctx, "", "apply", "--server-side", "-k", dir)
	return err
}

// helm is `helm install`, and `helm upgrade` after it.
func (s *suite) helm() way {
	w := way{name: "helm", install: s.installChart, uninstall: s.uninstallChart}
	w.disruptions = []disruption{{"helm upgrade with another value", s.changeValue}}
	return w
}

func (s *suite) installChart(ctx context.Context, tag string) error {
	// The namespace is not the chart's.
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: operatorNamespace, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}}}
	if _, err := s.client.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{}); err != nil {
		return err
	}
	return s.chart(ctx, "install", tag)
}

func (s *suite) chart(ctx context.Context, command, tag string, more ...string) error {
	args := append([]string{
		command, "iotfile-operator", filepath.Join(s.Root, "charts", "iotfile-operator"), "--namespace", operatorNamespace,
		"--set", "image.repository=" + operatorImage, "--set", "image.tag=" + tag,
	}, more...)
	_, err := s.program(ctx, strings.NewReader(""), s.Helm, args...)
	return err
}

// uninstallChart removes the release, and what docs/install.md says that Helm leaves.
func (s *suite) uninstallChart(ctx context.Context) error {
	if _, err := s.program(ctx, strings.NewReader(""), s.Helm, "uninstall", "iotfile-operator", "--namespace", operatorNamespace, "--wait", "--timeout", "3m"); err != nil {
		return err
	}
	if _, err := s.kubectl(ctx, "", "delete", "crd", "multipartuploads.iotfile.dev", "filestores.iotfile.dev", "--timeout=180s"); err != nil {
		return err
	}
	_, err := s.kubectl(ctx, "", "delete", "namespace", operatorNamespace, "--timeout=180s")
	return err
}
