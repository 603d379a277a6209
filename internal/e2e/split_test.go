package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// TestSplitRoles: reconcilers and data plane in processes of their own, each under its own account
// with the roles that are shipped for it, do what one process does. The data plane's account may
// change nothing of what the reconcilers alone need.
func TestSplitRoles(t *testing.T) {
	splitRoles(t)
	onEachStore(t, func(t *testing.T, tn *tenant) {
		f := tn.newFile("split/a.bin")
		f.must(t, 201, http.MethodPut, "?upload=start", nil)
		f.must(t, 201, http.MethodPut, "?part=1", random(partSize))
		eventually(t, "progress is recorded", func() error {
			if list := tn.kubectl(t, "", "get", "mpu"); !strings.Contains(list, "8 MiB") {
				return fmt.Errorf("kubectl get mpu prints:\n%s", list)
			}
			return nil
		})
		f.must(t, 204, http.MethodPut, "?upload=abort", nil)

		content := random(partSize + mib)
		f.must(t, 201, http.MethodPut, "?upload=start", nil)
		f.must(t, 201, http.MethodPut, "?part=1", content[:partSize])
		f.must(t, 201, http.MethodPut, "?upload=complete", content[partSize:])
		f.checkContent(t, content)
		f.must(t, 204, http.MethodPut, "", content[:mib], "If-Match", "0")
		f.checkContent(t, content[:mib])
		f.must(t, 204, http.MethodDelete, "", nil)
	})
	const dataPlane = devcluster.OperatorUser + "-data-plane"
	for _, right := range []string{
		"patch filestores.iotfile.dev", "patch filestores.iotfile.dev/status", "patch validatingwebhookconfigurations/iotfile-operator",
		"update leases.coordination.k8s.io", "update secrets/iotfile-operator-webhook-certificate", "create configmaps",
	} {
		verb, resource, _ := strings.Cut(right, " ")
		operator := &tenant{namespace: devcluster.OperatorNamespace}
		if out, err := operator.tryKubectl(t, "", "auth", "can-i", verb, resource, "--as", devcluster.OperatorUser); err != nil {
			t.Errorf("the reconcilers may not %s, and nothing is proved: %s", right, out)
		}
		if out, err := operator.tryKubectl(t, "", "auth", "can-i", verb, resource, "--as", dataPlane); err == nil {
			t.Errorf("the data plane may %s: %s", right, out)
		}
	}
}

// splitRoles has two processes take the place of the system's operator until the test ends.
func splitRoles(t *testing.T) {
	t.Helper()
	before := system.options
	if err := system.operator.Stop(); err != nil {
		t.Fatal(err)
	}
	var parts []*devcluster.Operator
	t.Cleanup(func() {
		for _, o := range parts {
			if t.Failed() {
				showLog(o.LogPath)
			}
			_ = o.Stop()
		}
		httpClient.CloseIdleConnections()
		ctx := context.WithoutCancel(t.Context())
		if _, err := system.plane.OperatorKubeconfig(ctx); err != nil {
			t.Error(err)
		}
		var err error
		if system.operator, err = devcluster.StartOperator(ctx, before); err != nil {
			t.Fatal(err)
		}
	})
	controller, dataPlane, err := system.plane.SplitKubeconfigs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for role, kubeconfig := range map[string]string{"controller": controller, "data-plane": dataPlane} {
		options := before
		options.Name, options.Roles, options.Kubeconfig, options.LeaderElect = role, role, kubeconfig, role == "controller"
		o, err := devcluster.StartOperator(context.WithoutCancel(t.Context()), options)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, o)
		if role == "data-plane" {
			system.operator = o
		}
	}
	httpClient.CloseIdleConnections()
}
