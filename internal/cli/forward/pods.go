package forward

import (
	"context"
	"slices"
	"strings"

	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// pod is one that serves the REST API.
type pod struct {
	name string
	port int32
}

// pods gives those that may be asked, in the order of turn: connections are spread over them.
func (w *Way) pods(ctx context.Context) ([]pod, error) {
	list, err := w.client.DiscoveryV1().EndpointSlices(w.namespace).List(ctx, metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=" + w.service})
	if apierrors.IsForbidden(err) {
		return nil, missingRight("list EndpointSlices", w.namespace, err)
	}
	if err != nil {
		return nil, err
	}
	found := serving(list.Items, w.scheme)
	if len(found) == 0 {
		return nil, &Error{
			"no pod of the Service " + w.namespace + "/" + w.service + " is ready",
			"look at them: kubectl -n " + w.namespace + " get pods -l app.kubernetes.io/name=iotfile-operator", nil,
		}
	}
	slices.SortFunc(found, func(a, b pod) int { return strings.Compare(a.name, b.name) })
	first := int(w.turn.Add(1)) % len(found)
	return append(found[first:], found[:first]...), nil
}

// serving gives the pods behind a port that are ready, or where none is those that end and serve
// meanwhile, as kube-proxy does.
func serving(list []discoveryv1.EndpointSlice, portName string) []pod {
	var ready, ending []pod
	for _, slice := range list {
		port, ok := portOf(slice, portName)
		if !ok {
			continue
		}
		for _, endpoint := range slice.Endpoints {
			if endpoint.TargetRef == nil || endpoint.TargetRef.Kind != "Pod" {
				continue
			}
			// A pod of two address families is in two slices.
			found := pod{endpoint.TargetRef.Name, port}
			switch {
			case ptr.Deref(endpoint.Conditions.Ready, true) && !slices.Contains(ready, found):
				ready = append(ready, found)
			case ptr.Deref(endpoint.Conditions.Serving, false) && !slices.Contains(ending, found):
				ending = append(ending, found)
			}
		}
	}
	if len(ready) > 0 {
		return ready
	}
	return ending
}

// portOf is the port of the pods that the Service's port of that name leads to.
func portOf(slice discoveryv1.EndpointSlice, name string) (int32, bool) {
	for _, port := range slice.Ports {
		if ptr.Deref(port.Name, "") == name && port.Port != nil {
			return *port.Port, true
		}
	}
	return 0, false
}
