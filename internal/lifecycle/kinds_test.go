package lifecycle

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// kindNames are the kinds by the names of their files, firstKinds the files of the first ones.
var (
	kindNames  = []string{"filestores", "multipartuploads"}
	firstKinds = filepath.Join("testdata", "first", "%s.yaml")
)

// TestKindsBothWays goes from the first kinds to those of today, back, and up again, in each way
// that docs/operations/upgrade.md has: no record is lost or changed but for the fields that the
// older kinds do not know, and each can be written afterwards.
func TestKindsBothWays(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a control plane")
	}
	w := newCluster(t)
	for _, way := range []struct {
		name    string
		install func(t *testing.T, crds string)
	}{
		{"kubectl apply", func(t *testing.T, crds string) { w.run(t, crds, "apply", "-f", "-") }},
		{"kubectl apply --server-side", w.apply},
		{"helm upgrade", func(t *testing.T, crds string) { w.helmUpgrade(t, crds) }},
	} {
		t.Run(way.name, func(t *testing.T) {
			first, today := w.kinds(t, firstKinds), w.kinds(t, filepath.Join(w.root, "config", "crd", "bases", "iotfile.dev_%s.yaml"))
			way.install(t, first)
			w.established(t)
			w.run(t, manifestOf("old", ""), "apply", "-f", "-")
			way.install(t, today)
			w.established(t)
			eventually(t, "the kinds of today take what the first did not know", func() error {
				_, err := w.try(t, manifestOf("new", "size: 5000000000\n  contentLanguage: de\n"), "apply", "-f", "-")
				if err == nil && w.size(t, "new") == "" {
					err = fmt.Errorf("spec.size was dropped")
				}
				if err != nil {
					_, _ = w.try(t, "", "delete", "mpu", "new", "--ignore-not-found")
				}
				return err
			})
			before := w.uids(t)
			w.write(t, "old", "new")
			way.install(t, first)
			eventually(t, "the first kinds are served", func() error {
				w.write(t, "new")
				if got := w.size(t, "new"); got != "" {
					return fmt.Errorf("spec.size is still %s", got)
				}
				return nil
			})
			w.write(t, "old")
			way.install(t, today)
			w.established(t)
			w.write(t, "old", "new")
			for _, name := range []string{"old", "new"} {
				w.run(t, "", "patch", "mpu", name, "--type=merge", "-p", `{"spec":{"desiredState":"Aborted"}}`)
			}
			if after := w.uids(t); after != before {
				t.Errorf("the records were %s, and are %s", before, after)
			}
			w.run(t, "", "delete", "mpu", "--all")
			w.removeKinds(t)
		})
	}
}

// removeKinds deletes both kinds. Now and then the API server comes back to one only minutes later
// that has just been changed; a change to it has it looked at again.
func (w *world) removeKinds(t *testing.T) {
	t.Helper()
	w.run(t, "", "delete", "crd", "filestores.iotfile.dev", "multipartuploads.iotfile.dev", "--wait=false")
	eventually(t, "the kinds go", func() error {
		left, err := w.try(t, "", "get", "crd", "filestores.iotfile.dev", "multipartuploads.iotfile.dev", "--ignore-not-found", "-o", "name")
		if err != nil || strings.TrimSpace(left) == "" {
			return err
		}
		for _, name := range strings.Fields(left) {
			_, _ = w.try(t, "", "annotate", name, "--overwrite", fmt.Sprintf("test.iotfile.dev/looked=%d", time.Now().UnixNano()))
		}
		return fmt.Errorf("%s are left", strings.Fields(left))
	})
}

// kinds reads the manifests of both kinds.
func (w *world) kinds(t *testing.T, pattern string) string {
	t.Helper()
	text := ""
	for _, kind := range kindNames {
		data, err := os.ReadFile(fmt.Sprintf(pattern, kind))
		check(t, err)
		text += "---\n" + string(data)
	}
	return text
}

// helmUpgrade installs or upgrades a release of the project's chart in which the kinds alone are
// left, as the chart has them.
func (w *world) helmUpgrade(t *testing.T, crds string) {
	t.Helper()
	helm, err := devcluster.FindTool(t.Context(), t.Output(), devcluster.Helm)
	check(t, err)
	chart := t.TempDir()
	data, err := os.ReadFile(filepath.Join(w.root, "charts", "iotfile-operator", "Chart.yaml"))
	check(t, err)
	check(t, os.WriteFile(filepath.Join(chart, "Chart.yaml"), data, 0o600))
	check(t, os.Mkdir(filepath.Join(chart, "templates"), 0o700))
	check(t, os.WriteFile(filepath.Join(chart, "templates", "kinds.yaml"), []byte(strings.ReplaceAll(crds, "{{", `{{ "{{" }}`)), 0o600))
	ctx, cancel := context.WithTimeout(t.Context(), 2*timeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, helm, "upgrade", "--install", "kinds", chart, "--kubeconfig", w.plane.Kubeconfig, "--namespace", "default").CombinedOutput()
	if err != nil {
		t.Fatalf("helm upgrade: %v\n%s", err, out)
	}
}

// manifestOf is a MultipartUpload that nobody opens, with further lines of its spec.
func manifestOf(name, spec string) string {
	return fmt.Sprintf("apiVersion: iotfile.dev/v1alpha1\nkind: MultipartUpload\nmetadata: {name: %s, namespace: default}\nspec:\n  entityID: %s\n  path: %s.bin\n  %s", name, entity(1), name, spec)
}

func (w *world) established(t *testing.T) {
	t.Helper()
	w.run(t, "", "wait", "--for=condition=Established", "--timeout=60s", "crd", "--all")
}

// write changes something of records that no schema is about, so that the API server stores them
// by the kinds that it has.
func (w *world) write(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		w.run(t, "", "label", "mpu", name, "written="+rand.Text(), "--overwrite")
	}
}

func (w *world) size(t *testing.T, name string) string {
	t.Helper()
	return w.run(t, "", "get", "mpu", name, "-o", "jsonpath={.spec.size}")
}

// uids names the records that there are.
func (w *world) uids(t *testing.T) string {
	t.Helper()
	list := &v1alpha1.MultipartUploadList{}
	check(t, w.admin.List(t.Context(), list, client.InNamespace("default")))
	text := ""
	for _, u := range list.Items {
		text += fmt.Sprintf("%s %s %s\n", u.Name, u.UID, u.Spec.Path)
	}
	return text
}
