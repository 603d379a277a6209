package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// run does everything, and gathers what is to be known of the cluster if it fails.
func (s *suite) run(ctx context.Context) error {
	err := s.runAll(ctx)
	if s.load != nil {
		s.load.stop()
	}
	if err != nil {
		s.gather(ctx)
		if cause := context.Cause(ctx); cause != nil {
			err = errors.Join(err, cause)
		}
	}
	return err
}

func (s *suite) runAll(ctx context.Context) error {
	if err := s.prepare(ctx); err != nil {
		return err
	}
	for _, way := range []way{s.manifests(), s.helm()} {
		if err := s.live(ctx, way); err != nil {
			return err
		}
	}
	return nil
}

// prepare makes what is there before the operator is: names, a store with a bucket, teams.
func (s *suite) prepare(ctx context.Context) error {
	steps := []struct {
		name string
		do   func() (string, error)
	}{
		{"names in the cluster", func() (string, error) { return s.names(ctx) }},
		{"object store", func() (string, error) {
			if err := s.apply(ctx, "store.yaml"); err != nil {
				return "", err
			}
			if _, err := s.kubectl(ctx, "", "wait", "--namespace="+storeNamespace, "--for=condition=Ready", "pod/store", "--timeout=180s"); err != nil {
				return "", err
			}
			_, err := s.probe(ctx, storeNamespace, "bucket", bucketName)
			return "versitygw in a pod, bucket " + bucketName, err
		}},
		{"teams", func() (string, error) {
			if err := s.apply(ctx, "tenants.yaml"); err != nil {
				return "", err
			}
			return "an application with a service account and the role iotfile-editor", s.makeCertificate(ctx)
		}},
		{"inventory", func() (string, error) {
			err := s.takeInventoryBefore(ctx)
			return fmt.Sprintf("%d objects before anything is installed", len(s.before)), err
		}},
	}
	for _, step := range steps {
		if err := s.step(step.name, step.do); err != nil {
			return err
		}
	}
	return nil
}

// names installs CoreDNS where the cluster has no DNS of its own.
func (s *suite) names(ctx context.Context) (string, error) {
	if _, err := s.client.CoreV1().Services("kube-system").Get(ctx, "kube-dns", metav1.GetOptions{}); err == nil {
		return "the cluster has its own DNS", nil
	}
	if err := s.apply(ctx, "coredns.yaml"); err != nil {
		return "", err
	}
	_, err := s.kubectl(ctx, "", "rollout", "status", "--namespace=kube-system", "deployment/coredns", "--timeout=180s")
	return "CoreDNS in a pod", err
}

// makeCertificate makes the certificate of the REST API, and gives the team its authority.
func (s *suite) makeCertificate(ctx context.Context) error {
	if err := devcluster.WriteServingCertificate(s.certificates(), "iotfile."+operatorNamespace+".svc", "iotfile-operator-metrics."+operatorNamespace+".svc"); err != nil {
		return err
	}
	authority, err := os.ReadFile(filepath.Join(s.certificates(), devcluster.ServingCAFile))
	if err != nil {
		return err
	}
	trusted := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "iotfile-ca"}, Data: map[string]string{"ca.crt": string(authority)}}
	_, err = s.client.CoreV1().ConfigMaps(teamNamespace).Create(ctx, trusted, metav1.CreateOptions{})
	return err
}
