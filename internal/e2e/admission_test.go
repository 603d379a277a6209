package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// TestOwnRightsForAdmission has the operator do, with the rights that it is shipped with, what its
// webhooks need: issue itself a certificate, write it into its Secret, and make the API server
// trust it. What the webhooks say is tested where they are.
func TestOwnRightsForAdmission(t *testing.T) {
	tn := system.tenants[0]
	tn.waitReady(t)
	if err := system.plane.PrepareWebhooks(t.Context()); err != nil {
		t.Fatal(err)
	}
	useOperator(t, func(o *devcluster.OperatorOptions) { o.Webhooks = true })
	t.Cleanup(func() { // takes the configurations away, before the operator goes that answers them
		if err := system.plane.PrepareWebhooks(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	if err := system.plane.InstallWebhooks(t.Context(), system.operator.WebhookURL); err != nil {
		t.Fatal(err)
	}
	f := tn.newFile("refused.bin")
	manifest := fmt.Sprintf("apiVersion: iotfile.dev/v1alpha1\nkind: MultipartUpload\nmetadata:\n  name: refused\nspec:\n  entityID: %s\n  path: %s\n  storeName: none\n", f.entity, f.path)
	eventually(t, "the API server asks the operator", func() error { // it hears of the configurations by a watch
		out, err := tn.tryKubectl(t, manifest, "apply", "--dry-run=server", "-f", "-")
		if err == nil {
			return fmt.Errorf("an upload into a store that does not exist is taken: %s", out)
		}
		if !strings.Contains(out, `the FileStore "none" does not exist`) {
			return fmt.Errorf("an upload into a store that does not exist: %w %s", err, out)
		}
		return nil
	})
	tn.checkReplacement(t)
}
