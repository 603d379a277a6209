package reviewserver_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/reviewserver"
)

// reviewOf is how large the review of an update is that changes next to nothing: the object is in
// it twice.
func reviewOf(t *testing.T, obj any) int {
	t.Helper()
	raw, err := json.Marshal(obj)
	must(t, err)
	review, err := json.Marshal(admissionv1.AdmissionReview{Request: &admissionv1.AdmissionRequest{
		UID: types.UID(strings.Repeat("u", 36)), Object: runtime.RawExtension{Raw: raw}, OldObject: runtime.RawExtension{Raw: raw},
	}})
	must(t, err)
	return len(review) + 16<<10 // who asks, and in which groups
}

// TestLegalObjectsFit: the largest upload that the policies let a tenant write, in the characters
// that JSON takes six bytes for, and a FileStore with a bundle of all public authorities and more
// annotations than anybody has. What Kubernetes allows of a FileStore is more than fits: its bundle
// alone may have 1 MiB.
func TestLegalObjectsFit(t *testing.T) {
	costly := func(n int) string { return strings.Repeat("<", n) }
	u := &v1alpha1.MultipartUpload{}
	u.Name, u.Namespace, u.Annotations = strings.Repeat("n", 253), strings.Repeat("n", 63), map[string]string{"a/b": costly(16 << 10)}
	for i := range 16 {
		u.OwnerReferences = append(u.OwnerReferences, metav1.OwnerReference{Name: strings.Repeat("o", 1<<10), UID: types.UID(fmt.Sprint(i))})
		u.Finalizers = append(u.Finalizers, strings.Repeat("f", 253))
		u.Status.Conditions = append(u.Status.Conditions, metav1.Condition{Type: strings.Repeat("t", 316), Message: costly(1 << 10)})
	}
	for range 32 {
		u.ManagedFields = append(u.ManagedFields, metav1.ManagedFieldsEntry{
			Manager: costly(128), FieldsV1: metav1.NewFieldsV1(`{"f:` + strings.Repeat("x", 2<<10-8) + `":{}}`),
		})
	}
	u.Spec.Path, u.Spec.Description, u.Spec.CreatedBy = costly(1024), costly(1024), costly(512)
	u.Spec.ContentType, u.Spec.ContentEncoding, u.Spec.ContentDisposition, u.Spec.CacheControl = costly(255), costly(255), costly(512), costly(255)
	u.Status.ObjectKey, u.Status.UploadID, u.Status.BaseETag = costly(1024), costly(2048), costly(1024)

	fs := &v1alpha1.FileStore{}
	fs.Annotations = map[string]string{"a/b": strings.Repeat("a", 128<<10)}
	bundle := strings.Repeat(strings.Repeat("c", 64)+"\n", 220<<10/65)
	fs.Spec.TLS = &v1alpha1.FileStoreTLS{CABundle: []byte(bundle)}
	for name, obj := range map[string]any{"MultipartUpload": u, "FileStore": fs} {
		n := reviewOf(t, obj)
		t.Logf("the review of a %s has %d bytes", name, n)
		if n > reviewserver.MaxBodyBytes {
			t.Errorf("the review of a %s has %d bytes, more than %d", name, n, reviewserver.MaxBodyBytes)
		}
	}
}
