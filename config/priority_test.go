package config_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
)

// testOperatorHasItsShare asks the API server, as the operator and as others, which priority level
// it serves them at.
func (c *cluster) testOperatorHasItsShare(t *testing.T) {
	for name, in := range map[string]string{"iotfile-operator": "default", "iotfile-operator-data-plane": namespace} {
		other := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if _, err := c.client.CoreV1().ServiceAccounts(in).Create(t.Context(), other, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct{ account, path, schema, level string }{
		{namespace + "/iotfile-operator", "/apis/iotfile.dev/v1alpha1/namespaces/default/multipartuploads", "iotfile-operator", "iotfile-operator"},
		{namespace + "/iotfile-operator", "/apis/iotfile.dev/v1alpha1/filestores", "iotfile-operator", "iotfile-operator"},
		{namespace + "/iotfile-operator", "/version", "iotfile-operator", "iotfile-operator"},
		{namespace + "/iotfile-operator", "/apis/coordination.k8s.io/v1/namespaces/" + namespace + "/leases/iotfile-operator", "iotfile-operator-lease", "leader-election"},
		{namespace + "/iotfile-operator-data-plane", "/apis/iotfile.dev/v1alpha1/filestores", "iotfile-operator", "iotfile-operator"},
		{"default/iotfile-operator", "/apis/iotfile.dev/v1alpha1/filestores", "service-accounts", "workload-low"}, // of the same name, in another namespace
	} {
		err := wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
			schema, level, err := c.servedAt(ctx, tt.account, tt.path)
			return schema == tt.schema && level == tt.level, err
		})
		if err != nil {
			schema, level, _ := c.servedAt(t.Context(), tt.account, tt.path)
			t.Errorf("%s of %s is served by schema %s at level %s, want %s and %s: %v", tt.path, tt.account, schema, level, tt.schema, tt.level, err)
		}
	}
}

// servedAt asks for a path as a service account, NAMESPACE/NAME, and gives the names of the
// FlowSchema and the priority level that the answer names by their UIDs.
func (c *cluster) servedAt(ctx context.Context, account, path string) (schema, level string, err error) {
	in, name, _ := strings.Cut(account, "/")
	token, err := c.client.CoreV1().ServiceAccounts(in).CreateToken(ctx, name, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		return "", "", err
	}
	config := rest.AnonymousClientConfig(c.plane.RESTConfig())
	config.BearerToken = token.Status.Token
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return "", "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(config.Host, "/")+path, nil)
	if err != nil {
		return "", "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", "", err
	}
	defer func() { _ = resp.Body.Close() }()
	schemas, err := c.client.FlowcontrolV1().FlowSchemas().List(ctx, metav1.ListOptions{})
	if err != nil {
		return "", "", fmt.Errorf("list FlowSchemas: %w", err)
	}
	levels, err := c.client.FlowcontrolV1().PriorityLevelConfigurations().List(ctx, metav1.ListOptions{})
	if err != nil {
		return "", "", fmt.Errorf("list priority levels: %w", err)
	}
	for i := range schemas.Items {
		if string(schemas.Items[i].UID) == resp.Header.Get("X-Kubernetes-PF-FlowSchema-UID") {
			schema = schemas.Items[i].Name
		}
	}
	for i := range levels.Items {
		if string(levels.Items[i].UID) == resp.Header.Get("X-Kubernetes-PF-PriorityLevel-UID") {
			level = levels.Items[i].Name
		}
	}
	return schema, level, nil
}
