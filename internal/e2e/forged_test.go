package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// newNeighbour is a tenant of the same FileStore, and so of the same bucket.
func (tn *tenant) newNeighbour(t *testing.T) *tenant {
	t.Helper()
	name := "neighbour-" + tn.newFile("").entity[:12]
	if err := createNamespace(t.Context(), name, map[string]string{v1alpha1.AnnotationNamespaceStore: string(tn.store.Kind)}); err != nil {
		t.Fatal(err)
	}
	token, err := system.plane.ApplicationToken(t.Context(), name, "app", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	other := &tenant{namespace: name, store: tn.store, s3: tn.s3, token: token}
	eventually(t, "the namespace is served", func() error {
		a, err := other.newFile("missing").do(t.Context(), http.MethodGet, other.newFile("missing").url("files", ""), nil)
		if err == nil && a.status != 404 {
			err = fmt.Errorf("%d %s", a.status, a.body)
		}
		return err
	})
	return other
}

// waitingUpload makes the record of an upload that cannot be opened yet: it updates a file that
// does not exist. So its status has nothing that is write-once.
func (f *file) waitingUpload(t *testing.T, name string) {
	t.Helper()
	manifest := fmt.Sprintf("apiVersion: iotfile.dev/v1alpha1\nkind: MultipartUpload\nmetadata: {name: %s}\nspec: {entityID: %s, path: %s, ifMatch: 0}\n", name, f.entity, f.path)
	f.kubectl(t, manifest, "apply", "-f", "-")
	f.kubectl(t, "", "wait", "--for=condition=Stalled", "mpu/"+name, "--timeout=120s")
}

// forgeStatus writes a status as a cluster-admin, whom no policy refuses.
func (tn *tenant) forgeStatus(t *testing.T, name string, change func(*v1alpha1.MultipartUploadStatus)) {
	t.Helper()
	u := tn.get(t, name)
	changed := u.DeepCopy()
	change(&changed.Status)
	if err := system.kube.Status().Patch(t.Context(), changed, client.MergeFrom(u)); err != nil {
		t.Fatal(err)
	}
}

// attackPastThePolicy has somebody forge a status whom the policy lets pass: what is left is that
// the operator does nothing with a key that is not the record's own.
func attackPastThePolicy(t *testing.T, a, victim *tenant) {
	theirs := victim.newFile("secret.bin")
	secret, own := random(smallest), random(smallest)
	theirs.must(t, 201, http.MethodPut, "", secret)
	f := a.newFile("past.bin")
	f.waitingUpload(t, "past")
	a.forgeStatus(t, "past", func(s *v1alpha1.MultipartUploadStatus) { s.ObjectKey = theirs.key() })
	a.waitReason(t, "past", v1alpha1.ReasonStatusMismatch)
	f.must(t, 201, http.MethodPut, "", own) // now there is what it wants to replace
	f.must(t, 409, http.MethodPut, "?part=1", random(smallest))
	f.must(t, 409, http.MethodPut, "?upload=complete", random(smallest))
	a.kubectl(t, "", "patch", "mpu", "past", "--type=merge", "-p", `{"spec":{"desiredState":"Completed"}}`)
	a.waitReason(t, "past", v1alpha1.ReasonStatusMismatch)
	f.must(t, 409, http.MethodPut, "?upload=complete", nil)
	if u := a.get(t, "past"); u.Status.UploadID != "" || u.Status.ObjectKey != theirs.key() {
		t.Errorf("the forged upload was opened: %+v", u.Status)
	}
	a.kubectl(t, "", "delete", "mpu", "past", "--timeout=120s")
	for file, want := range map[*file][]byte{theirs: secret, f: own} {
		if got := file.must(t, 200, http.MethodGet, "", nil).body; !bytes.Equal(got, want) {
			t.Errorf("%s holds %d bytes that are not its own", file.key(), len(got))
		}
	}
}

// attackByForgedID has a status name the id of an upload that another tenant has open. Below the
// key of the record's own file that id names nothing, on any store.
func attackByForgedID(t *testing.T, a, victim *tenant) {
	theirs := victim.newFile("open.bin")
	part := random(smallest)
	theirs.must(t, 201, http.MethodPut, "?upload=start", nil)
	theirs.must(t, 201, http.MethodPut, "?part=1", part)
	for name, state := range map[string]string{"completes": "Completed", "aborts": "Aborted"} {
		f := a.newFile(name + ".bin")
		f.waitingUpload(t, name)
		a.forgeStatus(t, name, func(s *v1alpha1.MultipartUploadStatus) {
			s.UploadID, s.StoreName, s.ObjectKey = theirs.mustRecord(t).Status.UploadID, string(a.store.Kind), f.key()
			s.StartTime = ptr.To(metav1.NewTime(time.Now()))
		})
		f.must(t, 409, http.MethodPut, "?part=1", random(smallest))
		a.kubectl(t, "", "patch", "mpu", name, "--type=merge", "-p", fmt.Sprintf(`{"spec":{"desiredState":%q}}`, state))
		a.kubectl(t, "", "wait", "--for=jsonpath={.status.completionTime}", "mpu/"+name, "--timeout=120s")
	}
	theirs.must(t, 201, http.MethodPut, "?upload=complete", nil)
	theirs.checkContent(t, part)
}

// waitReason waits until the upload is stalled for a reason.
func (tn *tenant) waitReason(t *testing.T, name, reason string) {
	t.Helper()
	tn.kubectl(t, "", "wait", "mpu/"+name, "--timeout=120s", fmt.Sprintf(`--for=jsonpath={.status.conditions[?(@.type=="Stalled")].reason}=%s`, reason))
}
