package forward

import (
	"context"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What the manifests name. There is one operator in a cluster.
const (
	// DefaultNamespace is the one that the operator is installed in unless the platform says
	// otherwise.
	DefaultNamespace = "iotfile-system"

	serviceName     = "iotfile"
	serviceSelector = "app.kubernetes.io/name=iotfile-operator,app.kubernetes.io/component=data-plane"
)

// find finds the Service of the REST API: in the namespace that was named, else in the usual one,
// else wherever it is, which takes the right to list Services everywhere.
func (w *Way) find(ctx context.Context, named string) error {
	namespace := named
	if namespace == "" {
		namespace = DefaultNamespace
	}
	service, err := w.client.CoreV1().Services(namespace).Get(ctx, serviceName, metav1.GetOptions{})
	switch {
	case err == nil:
		return w.take(service)
	case !apierrors.IsNotFound(err) && !apierrors.IsForbidden(err):
		return &Error{"the Kubernetes API is not to be asked for the REST API's Service: " + oneLine(err.Error()), "check your kubeconfig, or " + otherwise, err}
	case named != "" && apierrors.IsNotFound(err):
		return &Error{"the namespace " + named + " has no Service " + serviceName, "give the operator's namespace by --operator-namespace, or " + otherwise, err}
	case named != "":
		return missingRight("read the Service "+serviceName, named, err)
	}
	return w.findAnywhere(ctx, err)
}

// findAnywhere looks for the Service in all namespaces. why is what was said of the usual one.
func (w *Way) findAnywhere(ctx context.Context, why error) error {
	list, err := w.client.CoreV1().Services(metav1.NamespaceAll).List(ctx, metav1.ListOptions{LabelSelector: serviceSelector})
	switch {
	case err != nil && apierrors.IsForbidden(why):
		return missingRight("read the Service "+serviceName, DefaultNamespace, why)
	case err != nil:
		return &Error{
			"no iotfile-operator is in the namespace " + DefaultNamespace + ", and you may not look for it in others",
			"give its namespace by --operator-namespace, or " + otherwise, err,
		}
	case len(list.Items) == 0:
		return &Error{"no iotfile-operator is in the cluster " + w.config.Host, "check --context, or " + otherwise, why}
	case len(list.Items) > 1:
		var namespaces []string
		for _, service := range list.Items {
			namespaces = append(namespaces, service.Namespace)
		}
		return &Error{"several namespaces have an iotfile-operator: " + strings.Join(namespaces, ", "), "name one by --operator-namespace", nil}
	}
	return w.take(&list.Items[0])
}

// take takes what is to be known of the Service.
func (w *Way) take(service *corev1.Service) error {
	w.namespace, w.service = service.Namespace, service.Name
	for _, port := range service.Spec.Ports {
		if port.Name == schemeHTTPS || port.Name == schemeHTTP {
			w.scheme = port.Name
			return nil
		}
	}
	return &Error{"the Service " + w.namespace + "/" + w.service + " has no port " + schemeHTTPS + " or " + schemeHTTP, otherwise, nil}
}
