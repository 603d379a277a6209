package v1alpha1_test

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	apply "github.com/iotfile-operator/iotfile-operator/api/applyconfiguration/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// TestApplyOwnsItsFieldsOnly writes a status from two sides, as the data plane (progress) and the
// reconciler (all else) do: neither removes what the other wrote.
func TestApplyOwnsItsFieldsOnly(t *testing.T) {
	upload := create(t, uploads, nil)
	name := upload.GetName()
	applyStatus(t, "reconciler", apply.MultipartUpload(name, uploads.namespace).WithStatus(
		apply.MultipartUploadStatus().WithUploadID("u1").WithPhase(v1alpha1.PhaseUploading)))
	applyStatus(t, "data-plane", apply.MultipartUpload(name, uploads.namespace).WithStatus(apply.MultipartUploadStatus().WithProgress(
		apply.UploadProgress().WithParts(2).WithBytes(10<<20).WithDisplayBytes("10 MiB").WithLastPartTime(metav1.NewTime(time.Unix(1, 0))))))
	got := applyStatus(t, "reconciler", apply.MultipartUpload(name, uploads.namespace).WithStatus(
		apply.MultipartUploadStatus().WithUploadID("u1").WithPhase(v1alpha1.PhaseCompleting)))

	if got.Status.UploadID != "u1" || got.Status.Phase != v1alpha1.PhaseCompleting {
		t.Errorf("the reconciler's fields are %+v", got.Status)
	}
	if p := got.Status.Progress; p == nil || p.Parts == nil || *p.Parts != 2 || p.DisplayBytes != "10 MiB" {
		t.Errorf("the data plane's field is %+v", p)
	}
	mine, err := apply.ExtractMultipartUploadStatus(got, "data-plane")
	if err != nil {
		t.Fatal(err)
	}
	if mine.Status == nil || mine.Status.Progress == nil || mine.Status.UploadID != nil {
		t.Errorf("the data plane owns %+v, want progress alone", mine.Status)
	}
}

func applyStatus(t *testing.T, manager string, config *apply.MultipartUploadApplyConfiguration) *v1alpha1.MultipartUpload {
	t.Helper()
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(config)
	if err != nil {
		t.Fatal(err)
	}
	stored, err := uploads.client().ApplyStatus(t.Context(), *config.Name, &unstructured.Unstructured{Object: object}, metav1.ApplyOptions{FieldManager: manager})
	if err != nil {
		t.Fatal(err)
	}
	out := &v1alpha1.MultipartUpload{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(stored.Object, out); err != nil {
		t.Fatal(err)
	}
	return out
}
