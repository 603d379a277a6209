package devcluster

import (
	"context"
	"net/http"
	"path/filepath"
	"strconv"
	"time"

	"k8s.io/client-go/rest"
)

// anonymousHealthOnly lets anyone on the machine ask whether the API server is up, and nothing else without credentials.
const anonymousHealthOnly = `apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
anonymous:
  enabled: true
  conditions:
  - path: /livez
  - path: /readyz
  - path: /healthz
`

// serviceAccountIssuer names the signer of service-account tokens. It holds no port, so that tokens outlive a change of it.
const serviceAccountIssuer = "https://kubernetes.default.svc.cluster.local"

type apiServerSpec struct {
	program string
	dir     string
	pki     string
	etcd    string
	port    int

	auditUsers []string // whose requests are logged
}

// startAPIServer starts kube-apiserver and returns when it is ready, its built-in roles and namespaces included.
func startAPIServer(ctx context.Context, spec apiServerSpec) (*process, []*port, error) {
	authentication := filepath.Join(spec.dir, "authentication.yaml")
	if err := writeFile(authentication, []byte(anonymousHealthOnly)); err != nil {
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
			config, err := adminConfig("https://"+address(ports[0]), spec.pki)
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
	return []string{
		"--etcd-servers=" + s.etcd,
		"--bind-address=127.0.0.1",
		"--secure-port=" + strconv.Itoa(port),
		// Both are needed on a machine without a default route, where the server finds no address to advertise.
		"--advertise-address=127.0.0.1",
		"--endpoint-reconciler-type=none",
		"--tls-cert-file=" + pki(servingCert),
		"--tls-private-key-file=" + pki(servingKey),
		"--client-ca-file=" + pki(caCert),
		"--authentication-config=" + authentication,
		"--authorization-mode=RBAC",
		"--service-account-issuer=" + serviceAccountIssuer,
		"--service-account-signing-key-file=" + pki(serviceAccountKey),
		"--service-account-key-file=" + pki(serviceAccountPub),
		"--service-cluster-ip-range=10.0.0.0/24",
		"--profiling=false",
	}
}
