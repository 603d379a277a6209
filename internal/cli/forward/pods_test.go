package forward

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/utils/ptr"
)

// TestServing chooses the pods as kube-proxy does.
func TestServing(t *testing.T) {
	endpoint := func(kind, name string, ready, serving *bool) discoveryv1.Endpoint {
		return discoveryv1.Endpoint{
			Conditions: discoveryv1.EndpointConditions{Ready: ready, Serving: serving}, TargetRef: &corev1.ObjectReference{Kind: kind, Name: name},
		}
	}
	slice := func(port string, number int32, endpoints ...discoveryv1.Endpoint) discoveryv1.EndpointSlice {
		return discoveryv1.EndpointSlice{Ports: []discoveryv1.EndpointPort{{Name: &port, Port: &number}}, Endpoints: endpoints}
	}
	yes, no := ptr.To(true), ptr.To(false)
	for name, tt := range map[string]struct {
		slices []discoveryv1.EndpointSlice
		want   []pod
	}{
		"none":                         {nil, nil},
		"ready":                        {[]discoveryv1.EndpointSlice{slice("https", 8443, endpoint("Pod", "a", yes, yes), endpoint("Pod", "b", yes, yes))}, []pod{{"a", 8443}, {"b", 8443}}},
		"says nothing, which is ready": {[]discoveryv1.EndpointSlice{slice("https", 8443, endpoint("Pod", "a", nil, nil))}, []pod{{"a", 8443}}},
		"one ends":                     {[]discoveryv1.EndpointSlice{slice("https", 8443, endpoint("Pod", "a", no, yes), endpoint("Pod", "b", yes, yes))}, []pod{{"b", 8443}}},
		"all end, and serve":           {[]discoveryv1.EndpointSlice{slice("https", 8443, endpoint("Pod", "a", no, yes), endpoint("Pod", "b", no, no))}, []pod{{"a", 8443}}},
		"two families":                 {[]discoveryv1.EndpointSlice{slice("https", 8443, endpoint("Pod", "a", yes, yes)), slice("https", 8443, endpoint("Pod", "a", yes, yes))}, []pod{{"a", 8443}}},
		"another port":                 {[]discoveryv1.EndpointSlice{slice("metrics", 8082, endpoint("Pod", "a", yes, yes))}, nil},
		"no pod":                       {[]discoveryv1.EndpointSlice{slice("https", 8443, endpoint("Node", "a", yes, yes), discoveryv1.Endpoint{})}, nil},
	} {
		if got := serving(tt.slices, "https"); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, not %v", name, got, tt.want)
		}
	}
}
