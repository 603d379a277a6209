package devcluster

import (
	"testing"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/identity"
)

// TestNames: the names that are written down here are those of the API.
func TestNames(t *testing.T) {
	for got, want := range map[string]string{
		apiVersion:             v1alpha1.GroupVersion.String(),
		defaultStoreAnnotation: v1alpha1.AnnotationDefaultStore,
		storesAnnotation:       v1alpha1.AnnotationStores,
		partsNotReplaced:       v1alpha1.ReasonPartsNotReplaced,
		integrityUnsupported:   v1alpha1.ReasonIntegrityUnsupported,
		Audience:               identity.DefaultAudience,
	} {
		if got != want {
			t.Errorf("%q is %q in the API", got, want)
		}
	}
}
