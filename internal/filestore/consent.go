package filestore

import (
	"strings"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// ConsentOf tells by what right a FileStore uses the Secret of that name, whose annotations are
// given; empty for none.
//
// Whoever may write FileStores would otherwise use every Secret of the operator's namespace.
// FileStores that were in use before Secrets were asked go on: those that the status, which no
// version since has written, shows as probed with the very spec that they have, and since then
// those that the status says this of, with the same Secret. Those that name the keys of their
// Secret are none of these: before Secrets were asked there was no such field.
func ConsentOf(fs *v1alpha1.FileStore, secret string, annotations map[string]string) v1alpha1.SecretConsent {
	if names(annotations[v1alpha1.AnnotationStores], fs.Name) {
		return v1alpha1.SecretConsentGiven
	}
	if c := fs.Spec.Credentials; c != nil && c.SecretRef != nil && c.SecretRef.Keys != nil {
		return ""
	}
	var before bool
	if used := fs.Status.Secret; used != nil {
		before = used.Consent == v1alpha1.SecretConsentOverdue && used.Name == secret
	} else {
		before = Probed(fs) != nil
	}
	if before {
		return v1alpha1.SecretConsentOverdue
	}
	return ""
}

// names reports whether a list with commas holds name, or stands for all.
func names(list, name string) bool {
	for entry := range strings.SplitSeq(list, ",") {
		if entry = strings.TrimSpace(entry); entry == name || entry == "*" {
			return true
		}
	}
	return false
}
