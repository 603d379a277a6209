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

// manifests is `kubectl apply` of the release's install.yaml, which is made by kustomize.
func (s *suite) manifests() way {
	w := way{name: "manifests", install: s.applyManifests, uninstall: func(ctx context.Context) error {
		_, err := s.kubectl(ctx, "", "delete", "--ignore-not-found", "-f", s.Release.Manifests, "--timeout=180s")
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

// applyManifests applies those of the release, or of the earlier commit: as a platform team would
// that names an image of its own.
func (s *suite) applyManifests(ctx context.Context, tag string) error {
	if tag == newTag {
		_, err := s.kubectl(ctx, "", "apply", "--server-side", "-f", s.Release.Manifests)
		return err
	}
	dir := filepath.Join(s.scratch, "overlay")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	// Kustomize takes no absolute paths, and follows links before it counts directories.
	from, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return err
	}
	to, err := filepath.EvalSymlinks(filepath.Join(s.OldRoot, "config", "default"))
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

func (s *suite) installChart(ctx context.Context, _ string) error {
	// The namespace is not the chart's.
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: operatorNamespace, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}}}
	if _, err := s.client.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{}); err != nil {
		return err
	}
	return s.chart(ctx, "install")
}

func (s *suite) chart(ctx context.Context, command string, more ...string) error {
	args := append([]string{
		command, "iotfile-operator", s.Release.Chart, "--namespace", operatorNamespace,
	}, more...)
	if strings.HasPrefix(s.Release.Chart, "oci://") {
		args = append(args, "--plain-http")
	}
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
