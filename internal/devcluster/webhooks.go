package devcluster

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// webhookSecret is where the operator keeps the certificate of its webhooks.
const webhookSecret = "iotfile-operator-webhook-certificate"

// webhookKinds are the kinds of webhook configurations.
var webhookKinds = map[string]bool{"MutatingWebhookConfiguration": true, "ValidatingWebhookConfiguration": true}

// webhookTimeout bounds the wait for the operator to make its webhooks trusted, usually well under
// a second.
const webhookTimeout = time.Minute

// PrepareWebhooks makes the Secret that an operator keeps the certificate of its webhooks in, and
// takes away the configurations of an earlier start, whose webhooks nobody serves now. It is
// idempotent.
func (c *ControlPlane) PrepareWebhooks(ctx context.Context) error {
	client, err := newClient(c.config)
	if err != nil {
		return err
	}
	configurations, err := webhookConfigurations("")
	if err != nil {
		return err
	}
	for _, object := range configurations {
		if err := client.Delete(ctx, object); err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("delete %s: %w", object.GetKind(), err)
		}
	}
	namespace := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": OperatorNamespace},
	}}
	secret := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"namespace": OperatorNamespace, "name": webhookSecret},
	}}
	return apply(ctx, client, namespace, secret)
}

// InstallWebhooks has the API server call the webhooks that an operator serves at url, and returns
// when the operator has made itself trusted.
func (c *ControlPlane) InstallWebhooks(ctx context.Context, url string) error {
	client, err := newClient(c.config)
	if err != nil {
		return err
	}
	configurations, err := webhookConfigurations(url)
	if err != nil {
		return err
	}
	if err := apply(ctx, client, configurations...); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, webhookTimeout)
	defer cancel()
	for _, object := range configurations {
		for !trusted(ctx, client, object) {
			if err := sleep(ctx, 20*time.Millisecond); err != nil {
				return fmt.Errorf("the operator has not put its certificate into the %s: %w", object.GetKind(), err)
			}
		}
	}
	return nil
}

// trusted reports whether all webhooks of a configuration say whom to trust.
func trusted(ctx context.Context, c client.Client, configuration *unstructured.Unstructured) bool {
	now := &unstructured.Unstructured{}
	now.SetGroupVersionKind(configuration.GroupVersionKind())
	if c.Get(ctx, client.ObjectKeyFromObject(configuration), now) != nil {
		return false
	}
	return eachWebhook(now, func(clientConfig map[string]any) error {
		if clientConfig["caBundle"] == nil {
			return errors.New("nobody is trusted")
		}
		return nil
	}) == nil
}

// webhookConfigurations reads the manifests, and, as there is no network of Services here, replaces
// the Service by a URL.
func webhookConfigurations(url string) ([]*unstructured.Unstructured, error) {
	root, err := ModuleRoot()
	if err != nil {
		return nil, err
	}
	objects, err := readManifests(filepath.Join(root, "config", "webhook", "manifests.yaml"))
	if err != nil {
		return nil, fmt.Errorf("%w; `make manifests` writes it", err)
	}
	for _, object := range objects {
		if !webhookKinds[object.GetKind()] {
			return nil, fmt.Errorf("%s is no webhook configuration", object.GetKind())
		}
		err := eachWebhook(object, func(clientConfig map[string]any) error {
			path, _, err := unstructured.NestedString(clientConfig, "service", "path")
			delete(clientConfig, "service")
			clientConfig["url"] = url + path
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return objects, nil
}

// eachWebhook calls do with the clientConfig of every webhook, which it may change.
func eachWebhook(configuration *unstructured.Unstructured, do func(clientConfig map[string]any) error) error {
	webhooks, ok := configuration.Object["webhooks"].([]any)
	if !ok {
		return fmt.Errorf("%s %s has no webhooks", configuration.GetKind(), configuration.GetName())
	}
	for _, webhook := range webhooks {
		fields, _ := webhook.(map[string]any)
		clientConfig, ok := fields["clientConfig"].(map[string]any)
		if !ok {
			return fmt.Errorf("a webhook of %s has no clientConfig", configuration.GetName())
		}
		if err := do(clientConfig); err != nil {
			return err
		}
	}
	return nil
}
