package v1alpha1

import (
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/catalog"
)

// TestPairsMayBeChanged: FileStores with keys in common that are older than the refusal can still
// be changed; the answer warns. No API server makes such a pair any more.
func TestPairsMayBeChanged(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	one := func(name, prefix string) *v1alpha1.FileStore {
		return &v1alpha1.FileStore{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.FileStoreSpec{Endpoint: "https://s3.example.com", Bucket: "files", Prefix: prefix}}
	}
	old, third := one("old", ""), one("third", "deeper/")
	third.Spec.Endpoint = "https://s3.example.org"
	reader := fake.NewClientBuilder().WithScheme(scheme).WithObjects(old, one("other", "iot/"), third).Build()
	validator := &storeValidator{catalog: catalog.New(reader, reader)}
	changed := old.DeepCopy()
	changed.Spec.Region = "eu-central-1"
	warnings, err := validator.ValidateUpdate(t.Context(), old, changed)
	if err != nil || !slices.ContainsFunc(warnings, func(w string) bool { return strings.Contains(w, `"other"`) }) {
		t.Errorf("%v, warnings %q", err, warnings)
	}
	changed.Spec.Endpoint = "https://s3.example.org"
	if _, err := validator.ValidateUpdate(t.Context(), old, changed); err == nil || !strings.Contains(err.Error(), `"third"`) {
		t.Errorf("a move to a new pair is answered with %v", err)
	}
}
