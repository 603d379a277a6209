package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// restartOperator kills the operator and starts another one.
func restartOperator(t *testing.T) {
	t.Helper()
	if err := system.operator.Kill(); err != nil {
		t.Fatal(err)
	}
	operator, err := devcluster.StartOperator(t.Context(), system.options)
	if err != nil {
		t.Fatal(err)
	}
	system.operator = operator
}

// apply makes a MultipartUpload by manifest, under a name of its own, and waits until it is open.
func (f *file) apply(t *testing.T, name, more string) *v1alpha1.MultipartUpload {
	t.Helper()
	manifest := fmt.Sprintf(`apiVersion: iotfile.dev/v1alpha1
kind: MultipartUpload
metadata:
  name: %s
spec:
  entityID: %s
  path: %s
%s`, name, f.entity, f.path, more)
	f.kubectl(t, manifest, "apply", "-f", "-")
	f.kubectl(t, "", "wait", "--for=condition=Initiated", "mpu/"+name, "--timeout=120s")
	return f.get(t, name)
}

func (tn *tenant) get(t *testing.T, name string) *v1alpha1.MultipartUpload {
	t.Helper()
	u := &v1alpha1.MultipartUpload{}
	if err := system.kube.Get(t.Context(), client.ObjectKey{Namespace: tn.namespace, Name: name}, u); err != nil {
		t.Fatal(err)
	}
	return u
}

// TestKubectl drives the life of uploads with kubectl alone, but for the bytes.
func TestKubectl(t *testing.T) {
	onEachStore(t, func(t *testing.T, tn *tenant) {
		t.Run("complete", func(t *testing.T) {
			f := tn.newFile("by-manifest.bin")
			content := random(2 * partSize)
			f.apply(t, "firmware", "  contentType: application/x-firmware\n")
			f.must(t, 400, http.MethodPut, "?upload=start", nil) // the manifest's is open
			f.must(t, 201, http.MethodPut, "?part=2", content[partSize:])
			f.must(t, 201, http.MethodPut, "?part=1", content[:partSize])
			tn.kubectl(t, "", "patch", "mpu", "firmware", "--type=merge", "-p", `{"spec":{"desiredState":"Completed"}}`)
			tn.kubectl(t, "", "wait", "--for=condition=Ready", "mpu/firmware", "--timeout=120s")
			f.checkContent(t, content)
			if out, err := tn.tryKubectl(t, "", "patch", "mpu", "firmware", "--type=merge", "-p", `{"spec":{"desiredState":"Aborted"}}`); err == nil || !strings.Contains(out, "only if the completion fails") {
				t.Errorf("a completed upload can be aborted: %s", out)
			}
			if got := tn.get(t, "firmware").Status.Progress; got == nil || got.DisplayBytes != "16 MiB" || *got.Parts != 2 {
				t.Errorf("the final progress is %+v", got)
			}
			tn.kubectl(t, "", "delete", "mpu", "firmware", "--timeout=120s")
			f.checkContent(t, content) // deleting the record of a finished upload never touches the file
		})
		t.Run("missing parts", func(t *testing.T) {
			f := tn.newFile("gap.bin")
			f.apply(t, "gap", "")
			f.must(t, 201, http.MethodPut, "?part=2", random(partSize))
			tn.kubectl(t, "", "patch", "mpu", "gap", "--type=merge", "-p", `{"spec":{"desiredState":"Completed"}}`)
			tn.kubectl(t, "", "wait", "--for=condition=Stalled", "mpu/gap", "--timeout=120s")
			u := tn.get(t, "gap")
			tn.kubectl(t, "", "patch", "mpu", "gap", "--type=merge", "-p", `{"spec":{"desiredState":"Aborted"}}`)
			tn.kubectl(t, "", "wait", "--for=jsonpath={.status.phase}=Aborted", "mpu/gap", "--timeout=120s")
			f.waitNoParts(t, u)
			tn.kubectl(t, "", "delete", "mpu", "gap", "--timeout=120s")
		})
		t.Run("delete", func(t *testing.T) {
			f := tn.newFile("deleted.bin")
			u := f.apply(t, "deleted", "")
			f.must(t, 201, http.MethodPut, "?part=1", random(partSize))
			tn.kubectl(t, "", "delete", "mpu", "deleted", "--timeout=120s")
			f.waitNoParts(t, u)
		})
		t.Run("expire", func(t *testing.T) {
			f := tn.newFile("short.bin")
			u := f.apply(t, "short", "  ttl: 5s\n")
			if a, err := f.do(t.Context(), http.MethodPut, f.url("files", "?part=1"), random(partSize)); err != nil || (a.status != 201 && a.status != 409) {
				t.Fatalf("a part of an upload about to expire: %v %v", a, err)
			}
			tn.kubectl(t, "", "wait", "--for=jsonpath={.status.phase}=Expired", "mpu/short", "--timeout=120s")
			f.waitNoParts(t, u)
			if out := tn.kubectl(t, "", "describe", "mpu", "short"); !strings.Contains(out, "Expired") {
				t.Errorf("kubectl describe does not tell of the expiry:\n%s", out)
			}
			tn.kubectl(t, "", "delete", "mpu", "short", "--timeout=120s")
		})
		t.Run("busy", func(t *testing.T) {
			f := tn.newFile("busy.bin")
			f.apply(t, "first", "")
			manifest := strings.ReplaceAll(tn.kubectl(t, "", "get", "mpu", "first", "-o", "jsonpath={.spec.entityID}"), "\n", "")
			second := fmt.Sprintf("apiVersion: iotfile.dev/v1alpha1\nkind: MultipartUpload\nmetadata:\n  name: second\nspec:\n  entityID: %s\n  path: %s\n", manifest, f.path)
			tn.kubectl(t, second, "apply", "-f", "-")
			tn.kubectl(t, "", "wait", "--for=condition=Stalled", "mpu/second", "--timeout=120s")
			tn.kubectl(t, "", "delete", "mpu", "first", "--timeout=120s")
			tn.kubectl(t, "", "wait", "--for=condition=Initiated", "mpu/second", "--timeout=120s") // it takes its turn
			tn.kubectl(t, "", "delete", "mpu", "second", "--timeout=120s")
		})
	})
}

// TestExplain makes sure that kubectl explain has something to say of every field.
func TestExplain(t *testing.T) {
	tn := system.tenants[0]
	for _, kind := range []string{"mpu.spec", "mpu.status", "fst.spec", "fst.status"} {
		out := tn.kubectl(t, "", "explain", kind)
		if strings.Contains(out, "<no description>") || !strings.Contains(out, "DESCRIPTION") {
			t.Errorf("kubectl explain %s leaves something out:\n%s", kind, out)
		}
	}
}
