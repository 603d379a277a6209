package v1alpha1_test

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// TestTimestampIsKept: the time of a record is read as it was written, with a fraction of a second
// and, as all had it before, without; and a whole record can be written back.
func TestTimestampIsKept(t *testing.T) {
	var names []string
	for _, text := range []string{"2026-01-02T03:04:05Z", "2026-01-02T03:04:05.678Z", "2026-01-02T03:04:05.678901234+01:00", "0001-01-01T00:00:00Z"} {
		object := create(t, uploads, fields{"spec.timestamp": text})
		names = append(names, object.GetName())
		u := &v1alpha1.MultipartUpload{}
		key := client.ObjectKey{Namespace: object.GetNamespace(), Name: object.GetName()}
		if err := server.client.Get(t.Context(), key, u); err != nil || u.Spec.Timestamp != text {
			t.Errorf("%s is read as %s, %v", text, u.Spec.Timestamp, err)
		}
		u.Spec.TTL = &metav1.Duration{Duration: time.Hour}
		if err := server.client.Update(t.Context(), u); err != nil || u.Spec.Timestamp != text {
			t.Errorf("%s is written back as %s, %v", text, u.Spec.Timestamp, err)
		}
	}
	var list v1alpha1.MultipartUploadList
	if err := server.client.List(t.Context(), &list, client.InNamespace(uploads.namespace)); err != nil || len(list.Items) < len(names) {
		t.Errorf("%d records, %v", len(list.Items), err)
	}
}
