package devcluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// NodeIdentity is what a control plane's only node is called, and the IP address that it and the
// API server have.
type NodeIdentity struct {
	Name, Address string
}

// NodeOptions says what StartNode starts. All fields but Log are required.
type NodeOptions struct {
	// Plane is a running control plane that was started for a node.
	Plane *ControlPlane
	// Dir keeps configuration and logs. Whoever made it removes it.
	Dir string
	// SandboxImage is the image, one of Images, whose process holds the namespaces of each pod.
	SandboxImage string
	// Images are OCI archives. Nothing is ever pulled: a pod whose image is not among them must not
	// be made.
	Images []string
	// CgroupRoot is an existing cgroup, as an absolute path in each hierarchy, below which all pods
	// are.
	CgroupRoot string
	// CNIPlugins is the directory that has ptp, host-local and loopback.
	CNIPlugins string
	// Log is told about downloads and builds; nil for silence.
	Log io.Writer
}

// Node is a kubelet with containerd below it, kube-proxy, and the kube-scheduler that gives it
// pods.
type Node struct {
	opts      NodeOptions
	processes []*process // in the order started
}

// nodeTimeout bounds each wait of a start. A node is usually ready within ten seconds; the rest is
// for machines that do other things, too.
const nodeTimeout = 3 * time.Minute

// StartNode starts containerd, which has to be installed with runc and iptables, imports the
// images, starts kube-scheduler, kube-proxy and kubelet, and returns when the node is ready for
// pods. The caller is root, in network, mount and PID namespaces that are its alone, in which the
// node's address exists, ServiceRange has a route and forwarding is on: containerd, kubelet and the
// plugins write to /run, /var/lib and /var/log, to routes, iptables and sysctls. Stop must be
// called; the pods' own processes end with the PID namespace only. ctx bounds the start.
func StartNode(ctx context.Context, opts NodeOptions) (*Node, error) {
	if opts.Plane == nil || opts.Plane.node == nil {
		return nil, errors.New("node: the control plane was not started for one")
	}
	programs, err := FindTools(ctx, opts.Log, KubeScheduler, KubeProxy, Kubelet)
	if err != nil {
		return nil, err
	}
	n := &Node{opts: opts}
	if err := n.start(ctx, programs); err != nil {
		return nil, errors.Join(err, n.Stop())
	}
	return n, nil
}

func (n *Node) start(ctx context.Context, programs []string) error {
	if err := n.startContainerd(ctx); err != nil {
		return err
	}
	for _, image := range n.opts.Images {
		if err := n.Import(ctx, image); err != nil {
			return err
		}
	}
	if err := n.startScheduler(programs[0]); err != nil {
		return err
	}
	// First, because kube-proxy ends when the addresses of the node that it runs on change, and
	// waits for half a minute if there is no node.
	if err := n.startKubelet(ctx, programs[2]); err != nil {
		return err
	}
	return n.startProxy(ctx, programs[1])
}

// run starts a process of the node, whose arguments are flags.
func (n *Node) run(name, program string, args ...string) (*process, error) {
	p, err := startProcess(processSpec{
		name: name, path: program, args: args, dir: n.opts.Dir, logPath: filepath.Join(n.opts.Dir, "logs", name+".log"),
	})
	if err != nil {
		return nil, err
	}
	n.processes = append(n.processes, p)
	return p, nil
}

// kubeconfig writes a kubeconfig with a certificate of the control plane's and returns its path.
func (n *Node) kubeconfig(name, certFile, keyFile string) (string, error) {
	config, err := clientConfig(n.opts.Plane.URL, n.pki(""), certFile, keyFile)
	if err != nil {
		return "", err
	}
	path := filepath.Join(n.opts.Dir, name+".kubeconfig")
	return path, writeKubeconfig(path, name, config)
}

// pki is a file of the control plane's key material.
func (n *Node) pki(file string) string { return filepath.Join(n.opts.Plane.dir, "pki", file) }

func (n *Node) startScheduler(program string) error {
	kubeconfig, err := n.kubeconfig("kube-scheduler", schedulerCert, schedulerKey)
	if err != nil {
		return err
	}
	_, err = n.run("kube-scheduler", program, "--kubeconfig="+kubeconfig, "--leader-elect=false", "--secure-port=0")
	return err
}

func (n *Node) startProxy(ctx context.Context, program string) error {
	kubeconfig, err := n.kubeconfig("kube-proxy", proxyCert, proxyKey)
	if err != nil {
		return err
	}
	config, err := n.writeConfig("kube-proxy.yaml", fmt.Sprintf(proxyConfig, kubeconfig, n.opts.Plane.node.Name, podRange))
	if err != nil {
		return err
	}
	p, err := n.run("kube-proxy", program, "--config="+config)
	if err != nil {
		return err
	}
	return p.waitReady(ctx, nodeTimeout, func(ctx context.Context) error {
		return getOK(ctx, http.DefaultClient, "http://"+proxyHealth+"/livez")
	})
}

func (n *Node) startKubelet(ctx context.Context, program string) error {
	kubeconfig, err := n.kubeconfig("kubelet", kubeletCert, kubeletKey)
	if err != nil {
		return err
	}
	node := n.opts.Plane.node
	config, err := n.writeConfig("kubelet.yaml", fmt.Sprintf(kubeletConfig, node.Address, n.pki(caCert), n.pki(kubeletServingCert), n.pki(kubeletServingKey),
		n.opts.CgroupRoot, filepath.Join(n.opts.Dir, "volume-plugins"), ClusterDNS))
	if err != nil {
		return err
	}
	p, err := n.run("kubelet", program, "--config="+config, "--kubeconfig="+kubeconfig, "--hostname-override="+node.Name, "--node-ip="+node.Address)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(n.opts.Plane.config)
	if err != nil {
		return err
	}
	return p.waitReady(ctx, nodeTimeout, func(ctx context.Context) error { return nodeReady(ctx, client, node.Name) })
}

// nodeReady returns nil when pods may be given to the node.
func nodeReady(ctx context.Context, client kubernetes.Interface, name string) error {
	node, err := client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if len(node.Spec.Taints) > 0 {
		return fmt.Errorf("the node has the taints %v", node.Spec.Taints)
	}
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue {
			return nil
		}
	}
	return errors.New("the node is not ready")
}

// writeConfig writes a file into the node's directory and returns its path.
func (n *Node) writeConfig(name, content string) (string, error) {
	path := filepath.Join(n.opts.Dir, name)
	return path, writeFile(path, []byte(content))
}

// Import makes the images in an OCI archive known to the node.
func (n *Node) Import(ctx context.Context, archive string) error {
	_, err := n.Ctr(ctx, "images", "import", archive)
	return err
}

// Ctr runs containerd's command line on the images and containers of pods, and returns what it
// prints.
func (n *Node) Ctr(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "ctr", append([]string{"--address=" + containerdSocket, "--namespace=k8s.io"}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("ctr %v: %w\n%s", args, err, out)
	}
	return string(out), nil
}

// Wait returns nil when ctx is done. When one of the node's processes ends by itself before that,
// it returns an error that says which.
func (n *Node) Wait(ctx context.Context) error { return watch(ctx, n.processes...) }

// Stop ends the node's processes in reverse order, and returns when they are gone. It is
// idempotent.
func (n *Node) Stop() error {
	var errs []error
	for len(n.processes) > 0 {
		last := len(n.processes) - 1
		errs = append(errs, n.processes[last].stop(10*time.Second))
		n.processes = n.processes[:last]
	}
	return errors.Join(errs...)
}
