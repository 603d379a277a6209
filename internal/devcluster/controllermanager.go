package devcluster

import (
	"context"
	"path/filepath"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// controllers are those of kube-controller-manager that matter without nodes and pods.
var controllers = []string{
	"garbage-collector-controller",
	"namespace-controller",
	"serviceaccount-controller",
	"root-ca-certificate-publisher-controller",
	"clusterrole-aggregation-controller",
}

// nodeControllers are those that matter where pods run.
var nodeControllers = []string{
	"deployment-controller",
	"replicaset-controller",
	"endpointslice-controller",
	"job-controller",
	"disruption-controller",
	"node-lifecycle-controller",
	"pod-garbage-collector-controller",
}

// startControllerManager starts kube-controller-manager as its own user, each controller under its
// own service account, and returns once the default namespace has its service account.
func startControllerManager(ctx context.Context, program, dir, pki string, admin *rest.Config, names []string) (*process, error) {
	config, err := clientConfig(admin.Host, pki, managerCert, managerKey)
	if err != nil {
		return nil, err
	}
	kubeconfig := filepath.Join(dir, "controller-manager.kubeconfig")
	if err := writeKubeconfig(kubeconfig, "kube-controller-manager", config); err != nil {
		return nil, err
	}
	client, err := kubernetes.NewForConfig(admin)
	if err != nil {
		return nil, err
	}
	p, err := startProcess(processSpec{
		name: "kube-controller-manager", path: program, dir: dir,
		logPath: filepath.Join(dir, "logs", "kube-controller-manager.log"),
		args: []string{
			"--kubeconfig=" + kubeconfig,
			"--controllers=" + strings.Join(names, ","),
			"--use-service-account-credentials=true",
			"--root-ca-file=" + filepath.Join(pki, caCert),
			"--leader-elect=false",
			"--secure-port=0", // no server: nobody asks it anything
		},
	})
	if err != nil {
		return nil, err
	}
	ready := func(ctx context.Context) error {
		_, err := client.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{})
		return err
	}
	if err := p.waitReady(ctx, 2*time.Minute, ready); err != nil {
		_ = p.kill()
		return nil, err
	}
	return p, nil
}
