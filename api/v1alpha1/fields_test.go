package v1alpha1_test

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// fields maps dotted paths to values; a nil value removes the field.
type fields map[string]any

func (f fields) apply(t *testing.T, object *unstructured.Unstructured) {
	t.Helper()
	for path, value := range f {
		steps := strings.Split(path, ".")
		if value == nil {
			unstructured.RemoveNestedField(object.Object, steps...)
			continue
		}
		if err := unstructured.SetNestedField(object.Object, runtime.DeepCopyJSONValue(value), steps...); err != nil {
			t.Fatal(err)
		}
	}
}

// condition is a condition as the API server takes it.
func condition(kind, status string) map[string]any {
	return map[string]any{
		"type": kind, "status": status, "reason": "Test", "message": "", "lastTransitionTime": "2026-01-02T03:04:05Z",
	}
}
