package cli

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
	"github.com/iotfile-operator/iotfile-operator/internal/tcpfault"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

// kubeletOf is the port-forward of a kubelet: the API server comes to it as to any, over SPDY. Its
// pods are addresses on this machine. What is behind a real one is tested in hack/cluster.
type kubeletOf struct {
	node string

	mu      sync.Mutex
	pods    map[string]string // where their port leads
	opened  map[string]int
	streams map[string][]httpstream.Connection
}

// newKubelet makes a node of the control plane.
func newKubelet(t *testing.T, kube kubernetes.Interface, node string) *kubeletOf {
	t.Helper()
	k := &kubeletOf{node: node, pods: map[string]string{}, opened: map[string]int{}, streams: map[string][]httpstream.Connection{}}
	server := httptest.NewTLSServer(http.HandlerFunc(k.serve))
	t.Cleanup(server.Close)
	t.Cleanup(func() { k.lose("") })
	made, err := kube.CoreV1().Nodes().Create(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node}}, metav1.CreateOptions{})
	check(t, err)
	t.Cleanup(func() {
		_ = kube.CoreV1().Nodes().Delete(context.WithoutCancel(t.Context()), node, metav1.DeleteOptions{})
	})
	made.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "127.0.0.1"}}
	made.Status.DaemonEndpoints.KubeletEndpoint.Port = int32(server.Listener.Addr().(*net.TCPAddr).Port)
	_, err = kube.CoreV1().Nodes().UpdateStatus(t.Context(), made, metav1.UpdateOptions{})
	check(t, err)
	return k
}

// serve is /portForward/NAMESPACE/POD.
func (k *kubeletOf) serve(w http.ResponseWriter, r *http.Request) {
	segments := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if len(segments) < 3 || segments[0] != "portForward" {
		http.NotFound(w, r)
		return
	}
	name := segments[2]
	k.mu.Lock()
	to, there := k.pods[name]
	k.mu.Unlock()
	if !there {
		http.Error(w, "unable to upgrade connection: pod does not exist", http.StatusNotFound)
		return
	}
	if _, err := httpstream.Handshake(r, w, []string{portforward.PortForwardProtocolV1Name}); err != nil {
		return
	}
	arrived := make(chan httpstream.Stream, 2)
	connection := spdy.NewResponseUpgrader().UpgradeResponse(w, r, func(s httpstream.Stream, _ <-chan struct{}) error {
		arrived <- s
		return nil
	})
	if connection == nil {
		return
	}
	k.mu.Lock()
	k.opened[name]++
	k.streams[name] = append(k.streams[name], connection)
	k.mu.Unlock()
	defer func() { _ = connection.Close() }()
	var faults, data httpstream.Stream
	for data == nil || faults == nil {
		select {
		case s := <-arrived:
			if s.Headers().Get(corev1.StreamType) == corev1.StreamTypeError {
				faults = s
			} else {
				data = s
			}
		case <-connection.CloseChan():
			return
		}
	}
	carryTo(to, faults, data)
}

// carryTo carries the bytes of a stream to an address and back.
func carryTo(to string, faults, data httpstream.Stream) {
	conn, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", to)
	if err != nil {
		_, _ = io.WriteString(faults, "an error occurred forwarding: "+err.Error())
		_ = faults.Close()
		_ = data.Close()
		return
	}
	_ = faults.Close()
	var group sync.WaitGroup
	group.Go(func() {
		_, _ = io.Copy(conn, data)
		_ = conn.Close()
	})
	_, _ = io.Copy(data, conn)
	_ = data.Close()
	_ = conn.Close()
	_ = data.Reset()
	group.Wait()
}

// lose cuts all connections to a pod, to all pods for "".
func (k *kubeletOf) lose(name string) {
	k.mu.Lock()
	var cut []httpstream.Connection
	for pod, connections := range k.streams {
		if name == "" || pod == name {
			cut = append(cut, connections...)
			delete(k.streams, pod)
		}
	}
	k.mu.Unlock()
	for _, connection := range cut {
		_ = connection.Close()
	}
}

// connections is how many there were to a pod.
func (k *kubeletOf) connections(name string) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.opened[name]
}

// installed is an installation of the operator in a namespace, as the API server and the kubelet
// show it.
type installed struct {
	*kubeletOf
	kube      kubernetes.Interface
	namespace string
	scheme    string
	ways      map[string]*tcpfault.Proxy // to the pods of newForwarded
}

// newInstallation makes the Service, without pods.
func newInstallation(t *testing.T, c *shellOf, namespace, scheme string) *installed {
	t.Helper()
	kube, err := kubernetes.NewForConfig(c.ControlPlane.RESTConfig())
	check(t, err)
	in := &installed{newKubelet(t, kube, "node-of-"+namespace), kube, namespace, scheme, map[string]*tcpfault.Proxy{}}
	_, err = kube.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{})
	if !apierrors.IsAlreadyExists(err) {
		check(t, err)
	}
	_, err = kube.CoreV1().Services(namespace).Create(t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "iotfile", Labels: map[string]string{"app.kubernetes.io/name": "iotfile-operator", "app.kubernetes.io/component": "data-plane"}},
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: scheme, Port: 443}}},
	}, metav1.CreateOptions{})
	check(t, err)
	_, err = kube.DiscoveryV1().EndpointSlices(namespace).Create(t.Context(), &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Name: "iotfile-1", Labels: map[string]string{discoveryv1.LabelServiceName: "iotfile"}},
		AddressType: discoveryv1.AddressTypeIPv4, Ports: []discoveryv1.EndpointPort{{Name: &scheme, Port: ptr.To(int32(8443)), Protocol: ptr.To(corev1.ProtocolTCP)}},
	}, metav1.CreateOptions{})
	check(t, err)
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		_ = kube.CoreV1().Services(namespace).Delete(ctx, "iotfile", metav1.DeleteOptions{})
		_ = kube.DiscoveryV1().EndpointSlices(namespace).Delete(ctx, "iotfile-1", metav1.DeleteOptions{})
	})
	return in
}

// pod makes one on the node, whose port leads to an address.
func (in *installed) pod(t *testing.T, name, address string) {
	t.Helper()
	in.mu.Lock()
	in.pods[name] = address
	in.mu.Unlock()
	pods := in.kube.CoreV1().Pods(in.namespace)
	made, err := pods.Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PodSpec{
			NodeName: in.node, AutomountServiceAccountToken: ptr.To(false), TerminationGracePeriodSeconds: ptr.To(int64(0)),
			Containers: []corev1.Container{{Name: "operator", Image: "operator"}},
		},
	}, metav1.CreateOptions{})
	check(t, err)
	made.Status.Phase = corev1.PodRunning
	_, err = pods.UpdateStatus(t.Context(), made, metav1.UpdateOptions{})
	check(t, err)
	t.Cleanup(func() { in.gone(t, name) })
}

// gone takes a pod away with all its connections.
func (in *installed) gone(t *testing.T, name string) {
	t.Helper()
	in.mu.Lock()
	delete(in.pods, name)
	in.mu.Unlock()
	in.lose(name)
	_ = in.kube.CoreV1().Pods(in.namespace).Delete(context.WithoutCancel(t.Context()), name, metav1.DeleteOptions{GracePeriodSeconds: ptr.To(int64(0))})
}

// ready says which pods are.
func (in *installed) ready(t *testing.T, names ...string) {
	t.Helper()
	slices := in.kube.DiscoveryV1().EndpointSlices(in.namespace)
	slice, err := slices.Get(t.Context(), "iotfile-1", metav1.GetOptions{})
	check(t, err)
	slice.Endpoints = nil
	for i, name := range names {
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{
			Addresses: []string{"192.0.2." + string(rune('1'+i))}, Conditions: discoveryv1.EndpointConditions{Ready: ptr.To(true)},
			TargetRef: &corev1.ObjectReference{Kind: "Pod", Namespace: in.namespace, Name: name},
		})
	}
	_, err = slices.Update(t.Context(), slice, metav1.UpdateOptions{})
	check(t, err)
}

// trust has the ConfigMap say an authority.
func (in *installed) trust(t *testing.T, pem []byte) {
	t.Helper()
	maps := in.kube.CoreV1().ConfigMaps(in.namespace)
	wanted := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "iotfile-ca"}, Data: map[string]string{"ca.crt": string(pem)}}
	_, err := maps.Create(t.Context(), wanted, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		_, err = maps.Update(t.Context(), wanted, metav1.UpdateOptions{})
	}
	check(t, err)
}

// applyRoles applies a file of config/rbac, and takes its roles away after the test.
func (in *installed) applyRoles(t *testing.T, file string) {
	t.Helper()
	root, err := devcluster.ModuleRoot()
	check(t, err)
	text, err := os.ReadFile(filepath.Join(root, "config", "rbac", file))
	check(t, err)
	roles, bindings := in.kube.RbacV1().Roles(in.namespace), in.kube.RbacV1().RoleBindings(in.namespace)
	for document := range strings.SplitSeq(string(text), "\n---\n") {
		role, binding := &rbacv1.Role{}, &rbacv1.RoleBinding{}
		check(t, yaml.Unmarshal([]byte(document), role))
		check(t, yaml.Unmarshal([]byte(document), binding))
		if role.Kind == "Role" {
			_, err = roles.Create(t.Context(), role, metav1.CreateOptions{})
		} else {
			_, err = bindings.Create(t.Context(), binding, metav1.CreateOptions{})
		}
		check(t, err)
		t.Cleanup(func() {
			ctx := context.WithoutCancel(t.Context())
			_ = roles.Delete(ctx, role.Name, metav1.DeleteOptions{})
			_ = bindings.Delete(ctx, binding.Name, metav1.DeleteOptions{})
		})
	}
}

// secured serves what is at an address with TLS, and returns its own.
func secured(t *testing.T, pair *tls.Certificate, to string) string {
	t.Helper()
	address, err := url.Parse(to)
	check(t, err)
	return testkit.TerminateTLS(t, *pair, address.Host)
}
