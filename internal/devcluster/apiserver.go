package devcluster

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"time"

	"k8s.io/client-go/rest"
)

// anonymousHealthOnly lets anyone on the machine ask whether the API server is up, and nothing else
// without credentials. It wants the version of its kind.
const anonymousHealthOnly = `apiVersion: apiserver.config.k8s.io/%s
kind: AuthenticationConfiguration
anonymous:
  enabled: true
  conditions:
  - path: /livez
  - path: /readyz
  - path: /healthz
`

// serviceAccountIssuer names the signer of service-account tokens. It holds no port, so that tokens
// outlive a change of it.
const serviceAccountIssuer = "https://kubernetes.default.svc.cluster.local"

const (
	// ServiceRange is where Services have their addresses.
	ServiceRange = "10.0.0.0/24"
	// kubernetesServiceIP is the first of them, the API server's own.
	kubernetesServiceIP = "10.0.0.1"
	// ClusterDNS is the address of the Service that a node's pods ask for names.
	ClusterDNS = "10.0.0.10"
)

type apiServerSpec struct {
	program string
	dir     string
	pki     string
	etcd    string
	port    int
	node    *NodeIdentity

	auditUsers      []string // whose requests are logged
	admissionConfig string   // a file, or empty
}

// url is where the server is reached on that port.
func (s apiServerSpec) url(port int) string {
	if s.node != nil {
		return "https://" + net.JoinHostPort(s.node.Address, strconv.Itoa(port))
	}
	return "https://" + address(port)
}

// oldest reports whether the server is that of the lowest Kubernetes that is supported.
func (s apiServerSpec) oldest() bool { return filepath.Base(s.program) == string(OldestKubeAPIServer) }

// startAPIServer starts kube-apiserver and returns when it is ready, its built-in roles and
// namespaces included.
func startAPIServer(ctx context.Context, spec apiServerSpec) (*process, []*port, error) {
	authentication := filepath.Join(spec.dir, "authentication.yaml")
	version := "v1"
	if spec.oldest() {
		version = "v1beta1"
	}
	if err := writeFile(authentication, fmt.Appendf(nil, anonymousHealthOnly, version)); err != nil {
		return nil, nil, err
	}
	var audit []string
	if len(spec.auditUsers) > 0 {
		policy := filepath.Join(spec.dir, "audit.yaml")
		if err := writeAuditPolicy(policy, spec.auditUsers); err != nil {
			return nil, nil, err
		}
		audit = auditArgs(policy, auditLog(spec.dir))
	}
	server := server{
		wanted: []int{spec.port},
		memory: filepath.Join(spec.dir, "ports.json"),
		limit:  3 * time.Minute,
		start: func(ports []int) (*process, error) {
			return startProcess(processSpec{
				name: "kube-apiserver", path: spec.program, args: append(spec.args(ports[0], authentication), audit...), dir: spec.dir,
				logPath: filepath.Join(spec.dir, "logs", "kube-apiserver.log"),
			})
		},
		ready: func(ctx context.Context, ports []int) error {
			// Our own CA answers for it that the server on this port is ours.
			config, err := adminConfig(spec.url(ports[0]), spec.pki)
			if err != nil {
				return err
			}
			transport, err := rest.TransportFor(config)
			if err != nil {
				return err
			}
			return getOK(ctx, &http.Client{Transport: transport}, config.Host+"/readyz")
		},
	}
	return server.run(ctx)
}

func (s apiServerSpec) args(port int, authentication string) []string {
	pki := func(file string) string { return filepath.Join(s.pki, file) }
	args := []string{
		"--etcd-servers=" + s.etcd,
		"--secure-port=" + strconv.Itoa(port),
		"--tls-cert-file=" + pki(servingCert),
		"--tls-private-key-file=" + pki(servingKey),
		"--client-ca-file=" + pki(caCert),
		"--authentication-config=" + authentication,
		"--service-account-issuer=" + serviceAccountIssuer,
		"--service-account-signing-key-file=" + pki(serviceAccountKey),
		"--service-account-key-file=" + pki(serviceAccountPub),
		"--service-cluster-ip-range=" + ServiceRange,
		"--profiling=false",
	}
	if s.oldest() { // on by default since 1.32
		args = append(args, "--feature-gates=AnonymousAuthConfigurableEndpoints=true")
	}
	if s.admissionConfig != "" {
		args = append(args, "--admission-control-config-file="+s.admissionConfig)
	}
	if s.node == nil {
		return append(args,
			"--authorization-mode=RBAC",
			"--bind-address=127.0.0.1",
			// Both are needed on a machine without a default route, where the server finds no
			// address to advertise.
			"--advertise-address=127.0.0.1",
			"--endpoint-reconciler-type=none",
		)
	}
	return append(args,
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--bind-address="+s.node.Address,
		"--advertise-address="+s.node.Address,
		// For logs: to a kubelet whose certificate is from the same authority.
		"--kubelet-certificate-authority="+pki(caCert),
		"--kubelet-client-certificate="+pki(adminCert),
		"--kubelet-client-key="+pki(adminKey),
		"--kubelet-preferred-address-types=InternalIP",
	)
}
