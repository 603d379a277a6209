package e2e

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"testing"

	"github.com/minio/minio-go/v7/pkg/credentials"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// TestKeysEndInMidUpload takes the keys of a FileStore away between two parts: nobody is told that
// anything is lost, and with good keys the uploads go on with the parts that they have.
func TestKeysEndInMidUpload(t *testing.T) {
	onEachStore(t, func(t *testing.T, tn *tenant) {
		for what, wrong := range map[string]credentials.Value{
			"another secret key": {AccessKeyID: tn.store.AccessKey, SecretAccessKey: "no-such-secret-key"},
			"no such key":        {AccessKeyID: "NOSUCHKEYATALL", SecretAccessKey: "no-such-secret-key"},
		} {
			t.Run(what, func(t *testing.T) { keysEnd(t, newOwnTenant(t, tn), wrong) })
		}
	})
}

func keysEnd(t *testing.T, own *ownTenant, wrong credentials.Value) {
	t.Helper()
	of := &handedOut{tenant: own.tenant, store: &v1alpha1.FileStore{}}
	of.store.Name = own.name
	going, whole, content := own.newFile("going.bin"), own.newFile("whole.bin"), random(2*partSize+1)
	for _, f := range []*file{going, whole} {
		f.must(t, 201, http.MethodPut, "?upload=start", nil)
		f.must(t, 201, http.MethodPut, "?part=1", content[:partSize])
	}
	part := func(status int) {
		t.Helper()
		eventually(t, fmt.Sprintf("a part gets %d", status), func() error {
			a, err := going.do(t.Context(), http.MethodPut, going.url("files", "?part=2"), content[partSize:2*partSize])
			if err == nil && (a.status != status || status == 502 && a.header.Get("Retry-After") == "") {
				err = fmt.Errorf("%d %s %v", a.status, a.body, a.header)
			}
			return err
		})
	}
	setKeys(t, own.name, wrong)
	part(502)
	of.expect(t, v1alpha1.ReasonAccessDenied, "refuses the credentials")
	part(502)
	whole.must(t, 502, http.MethodPut, "?upload=complete", content[partSize:])
	for _, f := range []*file{going, whole} {
		u := own.uploadOf(t, f)
		completed := meta.FindStatusCondition(u.Status.Conditions, v1alpha1.ConditionCompleted)
		if completed == nil || completed.Reason != v1alpha1.ReasonUploading || u.Status.CompletionTime != nil || meta.IsStatusConditionTrue(u.Status.Conditions, v1alpha1.ConditionStalled) {
			t.Errorf("without good keys the upload is %+v", u.Status)
		}
	}
	setKeys(t, own.name, credentials.Value{AccessKeyID: own.store.AccessKey, SecretAccessKey: own.store.SecretKey})
	part(201)
	going.must(t, 201, http.MethodPut, "?upload=complete", content[2*partSize:])
	whole.must(t, 201, http.MethodPut, "?upload=complete", content[partSize:])
	for _, f := range []*file{going, whole} {
		if a := f.must(t, 200, http.MethodGet, "", nil); sha256.Sum256(a.body) != sha256.Sum256(content) {
			t.Errorf("%s: %d bytes became %d others", f.path, len(content), len(a.body))
		}
	}
	of.expect(t, v1alpha1.ReasonProbed, "")
}

// uploadOf reads the record of the file.
func (own *ownTenant) uploadOf(t *testing.T, f *file) *v1alpha1.MultipartUpload {
	t.Helper()
	u := &v1alpha1.MultipartUpload{}
	name := upload.Name(own.name, upload.File{Namespace: f.namespace, EntityID: f.entity, Path: f.path})
	check(t, system.kube.Get(t.Context(), client.ObjectKey{Namespace: f.namespace, Name: name}, u))
	return u
}
