package filestore_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

func TestConsentOf(t *testing.T) {
	const given, overdue, none = v1alpha1.SecretConsentGiven, v1alpha1.SecretConsentOverdue, v1alpha1.SecretConsent("")
	capabilities := &v1alpha1.FileStoreCapabilities{PayloadMode: v1alpha1.PayloadUnsigned}
	used := func(name string, consent v1alpha1.SecretConsent) *v1alpha1.FileStoreSecretStatus {
		return &v1alpha1.FileStoreSecretStatus{Name: name, Consent: consent}
	}
	observed := func(generation int64) *int64 { return &generation }
	for name, c := range map[string]struct {
		annotation string
		status     v1alpha1.FileStoreStatus
		want       v1alpha1.SecretConsent
	}{
		"named":               {"main", v1alpha1.FileStoreStatus{}, given},
		"named among others":  {" other,main ", v1alpha1.FileStoreStatus{}, given},
		"all":                 {"*", v1alpha1.FileStoreStatus{}, given},
		"another":             {"main2,mai,MAIN,ma*", v1alpha1.FileStoreStatus{}, none},
		"new":                 {"", v1alpha1.FileStoreStatus{ObservedGeneration: observed(-1)}, none},
		"before":              {"", v1alpha1.FileStoreStatus{ObservedGeneration: observed(2), Capabilities: capabilities}, overdue},
		"before, then named":  {"main", v1alpha1.FileStoreStatus{ObservedGeneration: observed(2), Capabilities: capabilities}, given},
		"changed since":       {"", v1alpha1.FileStoreStatus{ObservedGeneration: observed(1), Capabilities: capabilities}, none},
		"never worked":        {"", v1alpha1.FileStoreStatus{ObservedGeneration: observed(2)}, none},
		"still overdue":       {"", v1alpha1.FileStoreStatus{ObservedGeneration: observed(1), Secret: used("keys", overdue)}, overdue},
		"of another Secret":   {"", v1alpha1.FileStoreStatus{ObservedGeneration: observed(2), Capabilities: capabilities, Secret: used("others", overdue)}, none},
		"given and taken":     {"", v1alpha1.FileStoreStatus{ObservedGeneration: observed(2), Capabilities: capabilities, Secret: used("keys", given)}, none},
		"given by the others": {"", v1alpha1.FileStoreStatus{ObservedGeneration: observed(2), Capabilities: capabilities, Secret: used("others", given)}, none},
	} {
		fs := &v1alpha1.FileStore{ObjectMeta: metav1.ObjectMeta{Name: "main", Generation: 2}, Status: c.status}
		if got := filestore.ConsentOf(fs, "keys", map[string]string{v1alpha1.AnnotationStores: c.annotation}); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// TestConsentOfNamedKeys: a FileStore that names the keys of its Secret is none of before Secrets
// were asked, and might name keys that it did not use then.
func TestConsentOfNamedKeys(t *testing.T) {
	fs := &v1alpha1.FileStore{
		ObjectMeta: metav1.ObjectMeta{Name: "main", Generation: 2},
		Spec: v1alpha1.FileStoreSpec{Credentials: &v1alpha1.FileStoreCredentials{SecretRef: &v1alpha1.SecretReference{
			Name: "keys", Keys: &v1alpha1.SecretKeys{AccessKeyID: "AWS_ACCESS_KEY_ID"},
		}}},
		Status: v1alpha1.FileStoreStatus{Secret: &v1alpha1.FileStoreSecretStatus{Name: "keys", Consent: v1alpha1.SecretConsentOverdue}},
	}
	if got := filestore.ConsentOf(fs, "keys", nil); got != "" {
		t.Errorf("without the annotation: %q", got)
	}
	if got := filestore.ConsentOf(fs, "keys", map[string]string{v1alpha1.AnnotationStores: "main"}); got != v1alpha1.SecretConsentGiven {
		t.Errorf("with the annotation: %q", got)
	}
	fs.Spec.Credentials.SecretRef.Keys = nil
	if got := filestore.ConsentOf(fs, "keys", nil); got != v1alpha1.SecretConsentOverdue {
		t.Errorf("with the keys of before: %q", got)
	}
}
