package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// disruption is something that is done to the operator while it is used. It returns what it has
// seen.
type disruption struct {
	what string
	do   func(ctx context.Context) (string, error)
}

// live is the life of an installation, from the first apply to the last trace.
func (s *suite) live(ctx context.Context, w way) error {
	steps := []struct {
		name string
		do   func() (string, error)
	}{
		{"install", func() (string, error) { return s.installFirst(ctx, w) }},
		{"checks from a pod, through the Service", func() (string, error) { return s.checks(ctx) }},
		{"admission", func() (string, error) { return s.admission(ctx) }},
		{"load", func() (string, error) { return s.startLoad(ctx) }},
	}
	for _, t := range w.disruptions {
		steps = append(steps, struct {
			name string
			do   func() (string, error)
		}{t.what, func() (string, error) { return s.underLoad(ctx, w.name+": "+t.what, t.do) }})
	}
	steps = append(steps, []struct {
		name string
		do   func() (string, error)
	}{
		{"checks again", func() (string, error) { return s.checks(ctx) }},
		{"the load ends", func() (string, error) { return s.endLoad(ctx) }},
		{"a file from outside, its pods replaced", func() (string, error) { return s.forward(ctx) }},
		{"a Job and a sidecar upload their results", func() (string, error) { return s.uploadResults(ctx) }},
		{"uninstall", func() (string, error) { return s.uninstall(ctx, w) }},
		{"what is left", func() (string, error) { return s.compareInventory(ctx) }},
	}...)
	for _, step := range steps {
		if err := s.step(w.name+": "+step.name, step.do); err != nil {
			return err
		}
	}
	return nil
}

// installFirst installs the operator, the earlier one where an upgrade is to come, with what it
// waits for, and makes the store.
func (s *suite) installFirst(ctx context.Context, w way) (string, error) {
	tag, result := newTag, "this checkout's"
	if strings.HasPrefix(w.disruptions[0].what, "upgrade") {
		tag, result = oldTag, "that of "+s.OldRevision
	}
	if err := w.install(ctx, tag); err != nil {
		return "", err
	}
	// Pods wait for it.
	var args []string
	for _, key := range []string{devcluster.ServingCertFile, devcluster.ServingKeyFile, devcluster.ServingCAFile} {
		args = append(args, "--from-file="+filepath.Join(s.certificates(), key))
	}
	args = append([]string{"create", "secret", "generic", "iotfile-tls", "--namespace=" + operatorNamespace, "--type=kubernetes.io/tls"}, args...)
	if _, err := s.kubectl(ctx, "", args...); err != nil {
		return "", err
	}
	if err := s.rolledOut(ctx); err != nil {
		return "", err
	}
	// The API server learns whom to trust as the webhooks' server a moment after the pods are
	// ready.
	if err := eventually(ctx, "the store is admitted", func(ctx context.Context) error { return s.apply(ctx, "filestore.yaml") }); err != nil {
		return "", err
	}
	if tag == oldTag {
		if err := s.withoutConsent(ctx); err != nil {
			return "", err
		}
	}
	_, err := s.kubectl(ctx, "", "wait", "--for=condition=Ready", "filestore/main", "--timeout=180s")
	return result, err
}

// withoutConsent makes the Secret of the store one of before Secrets were asked, where the earlier
// operator is of then.
func (s *suite) withoutConsent(ctx context.Context) error {
	asks, err := s.kubectl(ctx, "", "get", "crd", "filestores.iotfile.dev", "-o", "jsonpath={.spec.versions[0].schema.openAPIV3Schema.properties.status.properties.secret.type}")
	if err != nil || asks != "" {
		return err
	}
	s.unasked = true
	return s.consent(ctx, "-")
}

// consent has the Secret of the store name the FileStores that may use it: "=NAMES", or "-" for as
// before Secrets were asked.
func (s *suite) consent(ctx context.Context, names string) error {
	_, err := s.kubectl(ctx, "", "annotate", "--overwrite", "--namespace="+operatorNamespace, "secret", "main-s3", v1alpha1.AnnotationStores+names)
	return err
}

// rolledOut waits until the Deployment has what it wants, and until the pods before are gone.
func (s *suite) rolledOut(ctx context.Context) error {
	if _, err := s.kubectl(ctx, "", "rollout", "status", "--namespace="+operatorNamespace, "deployment/"+deployment, "--timeout=180s"); err != nil {
		return err
	}
	return eventually(ctx, "the pods before go", func(ctx context.Context) error {
		pods, err := s.operatorPods(ctx)
		if err == nil && len(pods) != 2 {
			err = fmt.Errorf("there are %d pods", len(pods))
		}
		return err
	})
}

// operatorPods are those of the operator, those that end included.
func (s *suite) operatorPods(ctx context.Context) ([]corev1.Pod, error) {
	list, err := s.client.CoreV1().Pods(operatorNamespace).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/component=operator"})
	if err != nil {
		return nil, err
	}
	return list.Items, nil
}

// checks has the application use everything once.
func (s *suite) checks(ctx context.Context) (string, error) {
	out, err := s.probe(ctx, teamNamespace, "checks")
	if err != nil {
		return "", err
	}
	passed := 0
	for line := range strings.Lines(out) {
		var result struct{ Check, Error string }
		if err := json.Unmarshal([]byte(line), &result); err != nil || result.Error != "" {
			return "", errors.Join(fmt.Errorf("check: %s", line), err)
		}
		passed++
	}
	if passed == 0 {
		return "", errors.New("no check has run")
	}
	return fmt.Sprintf("%d passed", passed), nil
}

// admission has the API server refuse what only the webhooks can refuse: a second open upload of
// one file.
func (s *suite) admission(ctx context.Context) (string, error) {
	entity := newEntity()
	manifest := func(name string) string {
		return fmt.Sprintf("apiVersion: iotfile.dev/v1alpha1\nkind: MultipartUpload\nmetadata: {name: %s, namespace: %s}\nspec: {entityID: %s, path: by/manifest.bin}\n", name, teamNamespace, entity)
	}
	if _, err := s.kubectl(ctx, manifest("first"), "apply", "-f", "-"); err != nil {
		return "", err
	}
	if _, err := s.kubectl(ctx, "", "wait", "--namespace="+teamNamespace, "--for=condition=Initiated", "multipartupload/first", "--timeout=180s"); err != nil {
		return "", err
	}
	if out, err := s.kubectl(ctx, manifest("second"), "apply", "-f", "-"); err == nil || !strings.Contains(err.Error(), "admission webhook") {
		return "", errors.Join(errors.New("a second open upload of a file was not refused by the webhook: "+out), err)
	}
	if _, err := s.kubectl(ctx, "", "delete", "--namespace="+teamNamespace, "multipartupload/first", "--timeout=180s"); err != nil {
		return "", err
	}
	return "a second open upload of a file is refused", nil
}

func newEntity() string {
	id := make([]byte, 16)
	_, _ = rand.Read(id)
	return hex.EncodeToString(id)
}

// uninstall goes by docs/install.md, and looks into the bucket before the operator goes.
func (s *suite) uninstall(ctx context.Context, w way) (string, error) {
	for _, args := range [][]string{
		{"delete", "multipartuploads", "--all", "--all-namespaces", "--timeout=180s"},
		{"delete", "filestores", "--all", "--timeout=180s"},
	} {
		if _, err := s.kubectl(ctx, "", args...); err != nil {
			return "", err
		}
	}
	out, err := s.probe(ctx, storeNamespace, "leftovers", bucketName)
	if err != nil {
		return "", err
	}
	policies := "validatingadmissionpolicybindings,validatingadmissionpolicies"
	if _, err := s.kubectl(ctx, "", "delete", policies, "--selector=app.kubernetes.io/name=iotfile-operator", "--timeout=180s"); err != nil {
		return "", err
	}
	if _, err := s.kubectl(ctx, "", "delete", "deployments", "--all", "--namespace="+operatorNamespace, "--cascade=foreground", "--timeout=180s"); err != nil {
		return "", err
	}
	return "no open upload in the bucket; it has " + strings.TrimSpace(out), w.uninstall(ctx)
}

func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
